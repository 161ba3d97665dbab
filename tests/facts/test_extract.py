"""The extractor against golden texts, against a plain reimplementation on `ast`, and against hostile input."""

from __future__ import annotations

import ast
import io
import sys
import tokenize
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facts.golden import FOLDER, Golden, facts_text, goldens
from facts.reference import reference
from facts.same import without_what_ast_cannot_say
from roadworthy.facts.extract import MAX_BYTES, extract_python
from roadworthy.facts.python.state import MAX_DEPTH, MAX_PROBLEMS
from roadworthy.facts.schema import Call, CallRef, FileFacts, Other, Scope
from roadworthy.facts.show import show

MODULES = [*sorted(Path(ast.__file__).parent.glob("*.py"))[::7], Path(tokenize.__file__)]
"""Some modules that are at hand on every machine: a seventh of the top of the standard library, and two with rare syntax."""
DECODER = msgspec.msgpack.Decoder(FileFacts)


def facts(source: str) -> FileFacts:
    return extract_python("x.py", source.encode())


def module(source: str) -> Scope:
    return facts(source).scopes[0]


def only_call(source: str) -> Call:
    (call,) = module(source).calls
    return call


# --- golden texts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", goldens(), ids=lambda case: case.slug)
def test_golden(case: Golden) -> None:
    """The facts of each case are those written down beside it."""
    assert case.facts == facts_text(case.source)


def test_every_golden_block_is_read() -> None:
    """No block of Python in the folder escapes the test above."""
    blocks = sum(path.read_text(encoding="utf-8").count("```python\n") for path in FOLDER.glob("*.md"))
    assert blocks == len(goldens())


# --- the reference ---------------------------------------------------------------------------------------------------


def assert_equal_to_reference(source: str) -> None:
    expected, found = reference("x.py", source), facts(source)
    assert found.problems == ()
    assert len(expected.scopes) == len(found.scopes)
    for theirs, ours in zip(expected.scopes, found.scopes, strict=True):
        a, b = without_what_ast_cannot_say(theirs), without_what_ast_cannot_say(ours)
        different = [field for field in a.__struct_fields__ if getattr(a, field) != getattr(b, field)]
        assert different == [], f"{ours.qualname}: {[(getattr(a, f), getattr(b, f)) for f in different]}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_equal_to_the_reference(path: Path) -> None:
    """Scope by scope, every call, binding, region and read, with its order, is what `ast` says."""
    assert_equal_to_reference(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", goldens(), ids=lambda case: case.slug)
def test_goldens_equal_to_the_reference(case: Golden) -> None:
    """The golden cases that this Python can read agree with it, too."""
    try:
        ast.parse(case.source)
    except SyntaxError:
        pytest.skip("not for this version of Python")
    if "type Pair" in case.source:
        pytest.skip("type statements have no counterpart in the reference")
    if sys.version_info < (3, 12) and "{inner()}" in case.source:
        pytest.skip("this version of Python does not know where in an f-string a call stands")
    assert_equal_to_reference(case.source)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_all_comments(path: Path) -> None:
    """As many comments as the tokenizer finds, on the same lines."""
    data = path.read_bytes()
    expected = [t.start[0] for t in tokenize.tokenize(io.BytesIO(data).readline) if t.type == tokenize.COMMENT]
    assert expected == [comment.line for comment in extract_python("x.py", data).comments]


# --- hostile input ---------------------------------------------------------------------------------------------------

WORDS = st.sampled_from(
    [
        "def",
        "class",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ":",
        "\n",
        "\n\t",
        "x",
        "y",
        "f",
        ".",
        ",",
        ";",
        "=",
        ":=",
        "->",
        "@",
        "*",
        "**",
        "+",
        "-",
        "not",
        "and",
        "or",
        "is",
        "in",
        "==",
        "<",
        "'",
        '"',
        "'''",
        '"""',
        "f'",
        "\\",
        "if",
        "elif",
        "else",
        "for",
        "while",
        "try",
        "except",
        "finally",
        "with",
        "as",
        "lambda",
        "async",
        "await",
        "yield",
        "return",
        "raise",
        "from",
        "import",
        "print",
        "exec",
        "match",
        "case",
        "type",
        "1",
        "0x",
        "#",
        "global",
        "del",
        "assert",
        "pass",
        "...",
        "`",
        "$",
        "?",
        "é",
        "{{",
        "}}",
        "!r",
        "<>",
        "break",
        "continue",
    ]
)
SOURCES = "\n".join(case.source for case in goldens())


def assert_whole(data: bytes) -> None:
    """No exception, nothing lost on the way to disk, a text for it, and events that are in order."""
    found = extract_python("x.py", data)
    assert not [p for p in found.problems if p.message.startswith("could not read")]
    assert found == DECODER.decode(msgspec.msgpack.encode(found))
    assert show(found)
    assert len(found.problems) <= MAX_PROBLEMS + 3
    for scope in found.scopes:
        for call in scope.calls:
            region = scope.regions[call.region]
            assert region.start <= call.order < region.end
            assert call.outer < len(scope.calls)


@given(st.lists(WORDS, max_size=80).map(" ".join))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=150)
def test_words_in_any_order(text: str) -> None:
    """Any sequence of the words of Python gives facts."""
    assert_whole(text.encode())


@given(st.binary(max_size=300))
@settings(deadline=None, max_examples=100)
def test_any_bytes(data: bytes) -> None:
    """So do any bytes."""
    assert_whole(data)


@given(st.data())
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
def test_torn_source(data: st.DataObject) -> None:
    """So does Python from which a piece was cut, and into which another was put."""
    start = data.draw(st.integers(0, len(SOURCES)))
    end = data.draw(st.integers(start, min(len(SOURCES), start + 400)))
    piece = data.draw(st.lists(WORDS, max_size=4).map("".join))
    at = data.draw(st.integers(max(0, start - 1500), start))
    assert_whole((SOURCES[at:start] + piece + SOURCES[end : end + 1500]).encode())


N = 3000
NESTED = {
    "parentheses": "x = " + "(" * N + "f()" + ")" * N,
    "calls": "f(" * N + ")" * N,
    "chain": "x = a" + ".b()" * N,
    "attributes": "x = a" + ".b" * N,
    "subscripts": "x = a" + "[0]" * N,
    "not": "x = " + "not " * N + "y",
    "lambda": "x = " + "lambda: " * N + "1",
    "conditional": "x = " + "a if b else " * N + "c",
    "await": "x = " + "await " * N + "f()",
    "f-strings": 'f"{' * N + "x" + '}"' * N,
    "displays": "x = " + "[{0: (" * N + ")}]" * N,
    "comprehensions": "[" * N + "x" + " for a in b]" * N,
    "walrus": "(a := " * N + "1" + ")" * N,
    "blocks": "".join(" " * i + "if a:\n" for i in range(500)) + " " * 500 + "f()",
    "functions": "".join(" " * i + "def f():\n" for i in range(500)) + " " * 500 + "f()",
    "annotation": "x: " + "List[" * N + "int" + "]" * N,
}
LONG = {
    "sum": "x = a" + " + f()" * N,
    "and": "x = a" + " and f()" * N,
    "comparison": "x = a" + " < f()" * N,
    "elif": "if a: f()\n" + "elif b: f()\n" * (N - 1),
    "assignments": "x = " * N + "1\n" + "f()\n" * N,
    "decorators": "@f()\n" * N + "def g(): pass",
    "one line": "f();" * N,
    "pattern": "match x:\n case " + "[" * N + "]" * N + ":\n  " + "f();" * N,
}


@pytest.mark.parametrize("source", NESTED.values(), ids=NESTED.keys())
def test_nested_too_deeply(source: str) -> None:
    """Beyond a depth there is text instead of facts, and it is said."""
    found = facts(source)
    assert "nested too deeply" in [p.message for p in found.problems]
    assert_whole(source.encode())


@pytest.mark.parametrize("source", LONG.values(), ids=LONG.keys())
def test_long_is_not_deep(source: str) -> None:
    """A long chain of operators, branches or targets loses no call."""
    found = facts(source)
    assert found.problems == ()
    assert len(found.scopes[0].calls) == N
    assert_whole(source.encode())


def test_a_long_sum_keeps_what_fits() -> None:
    """The value itself is cut at the limit of nesting."""
    value = module(LONG["sum"]).assigns[0].value
    depth = 0
    while not isinstance(value, Other):
        value = value.left
        depth += 1
    assert depth <= MAX_DEPTH + 1


def test_too_large() -> None:
    """A file over the limit is not looked into."""
    found = extract_python("x.py", b"f()\n" * (MAX_BYTES // 4 + 1))
    assert [(p.line, p.message) for p in found.problems] == [(1, "file too large")]
    assert [(s.kind, s.calls) for s in found.scopes] == [("module", ())]


def test_too_tangled() -> None:
    """An input on which the parser would work for hours is given up, after the same number of steps everywhere."""
    found = extract_python("x.py", b"not\n:\nnot :\n: not not\n\n::" * 4000)
    assert [p.message for p in found.problems] == ["could not parse: too tangled"]


def test_continued_lines_without_text() -> None:
    """Nor do backslashes by the thousand hold up the parser."""
    found = extract_python("x.py", b"x = 1\n" + b"\\\n" * 20_000 + b"f()\n")
    assert [(p.line, p.message) for p in found.problems] == [(1 + 1, "too many continued lines without text")]
    assert len(found.scopes[0].calls) == 1


# --- bytes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("x('é')".encode(), "é"),
        ("\ufeffx('é')".encode(), "é"),
        ("# -*- coding: latin-1 -*-\nx('é')".encode("latin-1"), "é"),
        ("#!/usr/bin/python\n# vim: set fileencoding=cp1251 :\nx('я')".encode("cp1251"), "я"),
        (b"# coding: no-such-encoding\nx('a')", "a"),
        (b"# coding: hex\nx('\xc3\xa9')", "é"),
    ],
)
def test_encodings(data: bytes, expected: str) -> None:
    """A byte order mark and a cookie are heeded; an unknown encoding is UTF-8."""
    found = extract_python("x.py", data)
    (call,) = found.scopes[0].calls
    assert [expected] == [arg.value for arg in call.args]
    assert found.problems == ()


def test_wrong_bytes_are_replaced_and_told() -> None:
    """Bytes that are no text do not hide the rest."""
    found = extract_python("x.py", b"a()\nx('\xff')\nb()\n")
    assert [(p.line, p.message) for p in found.problems] == [(2, "is not utf-8")]
    assert len(found.scopes[0].calls) == 3


def test_nul_bytes() -> None:
    """NUL bytes are told; the rest is read."""
    found = extract_python("x.py", b"a()\n\0\nb()\n")
    assert [(p.line, p.message) for p in found.problems] == [(2, "holds NUL bytes")]
    assert len(found.scopes[0].calls) == 2


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(end: str) -> None:
    """All kinds of line ends count."""
    found = extract_python("x.py", f"a(){end}b(){end}".encode())
    assert (found.lines, [call.line for call in found.scopes[0].calls]) == (2, [1, 2])


def test_columns_are_bytes() -> None:
    """A column counts bytes of UTF-8."""
    assert only_call("x = 'é'; f()").column == len("x = 'é'; ".encode())


def test_names_beyond_ascii() -> None:
    """Also as what was read."""
    scope = module("größe.länge = f(größe.länge)")
    assert scope.last_read == {"größe": 1, "größe.länge": 0, "f": 0}


def test_long_strings_are_cut() -> None:
    """A data file does not swell the cache."""
    (arg,) = only_call(f"f('{'a' * 30_000}')").args
    assert arg.value == "a" * 20_000


# --- half-written files ----------------------------------------------------------------------------------------------

WHOLE = """\
class A:
    def f(self):
        return self.g(1)

{}
    def g(self, x):
        return h(x)


def h(x):
    return k(x)
"""


@pytest.mark.parametrize(
    "line",
    [
        "    x = foo(",
        "    return [1,",
        "    x = ",
        "    if x",
        "    self.",
        '    s = "abc',
        "    )",
        "    for x in",
        "    @",
    ],
)
def test_an_unfinished_line_does_not_hide_the_others(line: str) -> None:
    """An editor's half-written line is told; the functions after it are read."""
    found = facts(WHOLE.format("    y = 1\n" + line))
    calls = {call.line for scope in found.scopes for call in scope.calls if scope.kind == "function"}
    assert {"A.f", "A.g", "h"} <= {scope.qualname for scope in found.scopes}
    assert {3, 8, 12} <= calls
    assert found.problems


def test_at_most_twenty_problems() -> None:
    """More would tell nothing new."""
    assert len(facts("x = = 1\ny = 2\n" * 100).problems) == MAX_PROBLEMS


def test_calls_refer_to_each_other() -> None:
    """A reference to a call is its place in the list of its scope."""
    calls = module("outer(inner(1), k=other())").calls
    assert (CallRef(1),) == calls[0].args
    assert (("k", CallRef(2)),) == calls[0].kwargs
    assert [call.outer for call in calls] == [-1, 0, 0]
    assert [call.order for call in calls] == [2, 0, 1]
