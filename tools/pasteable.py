"""Could the snippets of these findings be pasted? Reads `roadworthy review --format json` and the reviewed tree.

    python tools/pasteable.py TREE FINDINGS.json [-v]

A snippet is at fault when it does not parse, has a gap (`…`, or `...` in place of a value), or uses a name that is neither at hand at the place of
the finding (or at a place that the text names) nor a builtin, nor introduced or imported by the text. Prints how many findings have which fault, by
rule; with -v each of them. What a snippet does is not looked at. Knows nothing of the product but its JSON.
"""

from __future__ import annotations

import ast
import builtins
import json
import re
import sys
import textwrap
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FENCE = re.compile(r"```(\w*)\n(.*?)\n```", re.DOTALL)
_PLACE = re.compile(r"`?([\w./+-]+\.py):(\d+)`?")
_CODE = re.compile(r"`([^`\n]+)`")
_ALWAYS = {"self", "cls", "__name__", "__file__", "_"}
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


class Fault(NamedTuple):
    """What is wrong with a fix, in a word, and where."""

    kind: str
    detail: str


def faults(fix: str, tree: Path | Mapping[str, str], path: str, line: int) -> list[Fault]:
    """What keeps the Python snippets of a fix from being pasted; `tree`: a folder, or path -> text."""
    snippets = [code for language, code in _FENCE.findall(fix) if language == "python"]
    prose = _FENCE.sub(" ", fix)
    told = _told(prose)
    places = [(path, line), *((found, int(number)) for found, number in _PLACE.findall(prose))]
    scopes = [names for file, number in places if (names := at_hand(_text(tree, file), number)) is not None]
    found: list[Fault] = []
    for code in snippets:
        if "…" in code:
            found.append(Fault("gap", next(text.strip() for text in code.split("\n") if "…" in text)))
            continue
        parsed = parse(code)
        if parsed is None:
            found.append(Fault("syntax", code.split("\n")[0]))
            continue
        found += [Fault("gap", ast.unparse(hole)) for hole in _holes(parsed)]
        if any("*" in names for names in scopes[:1]):
            continue  # a star import: anything may be at hand
        made = (
            {"migrations", "models", "op"} if "of the migration" in code else set()
        )  # by whoever writes the migration
        free = free_names(parsed) - made - told - set(dir(builtins)) - _ALWAYS
        missing = min((free - names for names in scopes), key=len, default=free)
        found += [Fault("name", name) for name in sorted(missing)]
    return found


def parse(code: str) -> ast.Module | None:
    """A snippet in the function around it; the `try` that an `except` belongs to, the loop of a `continue`, filled in."""
    if code.startswith("except"):
        code = f"try:\n    pass\n{code}"
    if re.match(r'"[^"\n]+": .*,$', code) and "\n" not in code:
        code = f"{{{code}}}"
    for around in ("async def outside():\n    while True:\n", "class Outside:\n    if True:\n"):
        try:
            return ast.parse(around + textwrap.indent(code, " " * 8))
        except SyntaxError:
            continue
    return None


def _holes(tree: ast.AST) -> Iterator[ast.AST]:
    """`...` as a value: an argument, an item, what is assigned. As a statement it stands for what is there already."""
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Constant) and child.value is ... and id(child) not in bare:
                yield node if isinstance(node, ast.expr) else child


def free_names(tree: ast.AST) -> set[str]:
    """Names that are read and that nothing in the snippet binds."""
    read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return read - _bound(ast.walk(tree))


def _bound(nodes: Iterator[ast.AST]) -> set[str]:
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            found.add(node.id)
        elif isinstance(node, ast.arg):
            found.add(node.arg)
        elif isinstance(node, ast.alias):
            found.add((node.asname or node.name).partition(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) or (
            isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name
        ):
            found.add(str(node.name))
    return found


def _told(prose: str) -> set[str]:
    """Names that the text itself imports or defines, in its inline code."""
    ways = (
        r"[Bb]ind what .*? to `(\w+)`",
        r"[Gg]ive `[\w.]+\(\)` `(\w+)`",
        r"\(here `(\w+)`\)",
        r"new model `(\w+)`",
        r"`(\w+)` is an? ",
    )
    found = {name for way in ways for name in re.findall(way, prose)}
    for code in _CODE.findall(prose):
        try:
            body = ast.parse(code).body
        except (SyntaxError, ValueError):
            continue
        if all(isinstance(part, ast.Import | ast.ImportFrom | ast.Assign) for part in body):
            found |= _bound(node for part in body for node in ast.walk(part))
    return found


def at_hand(text: str, line: int) -> set[str] | None:
    """Names in scope at a line: those of the module and of every function around it; `*` after a star import."""
    tree = _tree(text)
    if tree is None:
        return None
    found = _own(tree)
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS) and node.lineno <= line <= (node.end_lineno or line):
            found |= _own(node)
        elif isinstance(node, ast.ClassDef) and node.lineno <= line <= (node.end_lineno or line):
            found |= _own(node)  # a snippet may be for the body of the class itself
        elif isinstance(node, _COMPREHENSIONS) and node.lineno <= line <= (node.end_lineno or line):
            found |= _bound(ast.walk(node))
    return found


def _text(tree: Path | Mapping[str, str], path: str) -> str:
    if not isinstance(tree, Path):
        return tree.get(path, "")
    try:
        return (tree / path).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""


@cache
def _tree(text: str) -> ast.Module | None:
    try:
        return ast.parse(text) if text else None
    except (SyntaxError, ValueError):
        return None


def _own(scope: ast.AST) -> set[str]:
    return _bound(_walk(scope, scope))


def _walk(node: ast.AST, scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a scope, without those of the scopes in it and without the variables of comprehensions."""
    for child in ast.iter_child_nodes(node):
        yield child
        if isinstance(child, (*_FUNCTIONS, ast.ClassDef, *_COMPREHENSIONS)):
            continue
        yield from _walk(child, scope)


def main(arguments: list[str]) -> int:
    """Print the counts."""
    verbose = "-v" in arguments
    rest = [argument for argument in arguments if argument != "-v"]
    counts: Counter[tuple[str, str]] = Counter()
    total: Counter[str] = Counter()
    faulty = 0
    for tree, report in zip(rest[::2], rest[1::2], strict=True):
        for finding in json.loads(Path(report).read_text(encoding="utf-8"))["findings"]:
            total[finding["rule"]] += 1
            found = faults(finding["fix"], Path(tree), finding["path"], finding["line"])
            faulty += bool(found)
            for kind in {fault.kind for fault in found}:
                counts[finding["rule"], kind] += 1
            if verbose and found:
                texts = "; ".join(f"{fault.kind} {fault.detail}" for fault in found)
                print(f"{finding['rule']} {tree}/{finding['path']}:{finding['line']}: {texts}")
    for (rule, kind), count in sorted(counts.items()):
        print(f"{rule:40} {kind:8} {count:5} of {total[rule]}")
    print(f"{faulty} of {total.total()} findings have a snippet that cannot be pasted")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
