"""Words of shell commands: how much of them the script gives literally."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts.around.found import HOLE, MARK, MAX_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tree_sitter import Node

ALL_ARGUMENTS = "$@"
MAX_WORD = 2_000
MAX_DEPTH = 40

_EXPANSION = re.compile(r"\$\{(\w+|[@*])(\[[@*]\])?(?:(:?[-=])(.*)|(:?[+?].*)|([:#%/^,@].*))?\}", re.DOTALL)
_ESCAPE = re.compile(r"\\(\n|.)", re.DOTALL)
_POSITIONAL = re.compile(r"[1-9]\d?")


class Variables:
    """What is known of the values of variables: the environment, and what the script itself assigns once."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Start with the variables of the environment."""
        self._values: dict[str, str] = {}
        self._lists: dict[str, list[str]] = {}
        self._unknown: set[str] = set()
        self._environment = dict(environment or {})

    def assign(self, name: str, value: str) -> None:
        """Record an assignment; two different ones make the variable unknown."""
        if self._values.setdefault(name, value) != value:
            self._unknown.add(name)

    def default(self, name: str, value: str) -> None:
        """Record `${name:=value}`, which counts only where nothing else is known."""
        self._values.setdefault(name, value)

    def extend(self, name: str, words: Iterable[str]) -> None:
        """Record `name=( … )` or `name+=( … )`."""
        known = self._lists.setdefault(name, [])
        known.extend(words)
        del known[MAX_WORDS:]

    def forget(self, name: str) -> None:
        """The variable changes in a way that cannot be followed."""
        self._unknown.add(name)

    def value(self, name: str) -> str | None:
        """The one known value, or None."""
        if name in self._unknown:
            return None
        return self._environment.get(name, self._values.get(name))

    def words(self, name: str) -> Sequence[str] | None:
        """The words of an array, or None."""
        return None if name in self._unknown else self._lists.get(name)


class WordReader:
    """Turns argument nodes into words."""

    def __init__(self, variables: Variables) -> None:
        """`variables` may still grow while the words are read."""
        self.variables = variables

    def words(self, nodes: Iterable[Node]) -> tuple[str, ...]:
        """The words of these argument nodes; unquoted variables with known values are split."""
        words: list[str] = []
        for node in nodes:
            words.extend(self._split(node))
            if len(words) >= MAX_WORDS:
                break
        return tuple(words[:MAX_WORDS])

    def text(self, node: Node, depth: int = 0) -> str:
        """The value of one word, holes included."""
        return self._text(node, depth).replace(MARK, HOLE)[:MAX_WORD]

    def _split(self, node: Node) -> Sequence[str]:
        inner = _only_expansion(node)
        if inner is not None:
            match = _EXPANSION.fullmatch(_source(inner))
            if match and match[2]:
                return self.variables.words(match[1]) or (HOLE,)
        text = self.text(node)
        if node.type in ("simple_expansion", "expansion"):
            return text.split() or ([text] if text else [])
        return (text,)

    def _text(self, node: Node, depth: int) -> str:
        kind = node.type
        if depth > MAX_DEPTH:
            return HOLE
        if kind == "raw_string":
            return _source(node)[1:-1]
        if kind in ("string", "translated_string"):
            return self._parts(node, depth, quoted=True)
        if kind in ("concatenation", "command_name"):
            return self._parts(node, depth, quoted=False)
        if kind in ("simple_expansion", "expansion"):
            return self._expansion(_source(node))
        if kind == "ansi_c_string":
            return _source(node)[2:-1]
        if kind in ("word", "extglob_pattern", "number", "regex", "variable_name"):
            text = _source(node)
            return HOLE if "$(" in text or "`" in text else _ESCAPE.sub(_unescape, text)
        return HOLE

    def _parts(self, node: Node, depth: int, *, quoted: bool) -> str:
        """Joins the parts; the grammar leaves blanks between them out of the tree, so gaps are filled from the source."""
        source = node.text or b""
        begin = node.start_byte
        at = 0
        out: list[str] = []
        for child in node.children:
            start = child.start_byte - begin
            out.append(source[at:start].decode("utf-8", "replace"))
            at = child.end_byte - begin
            if child.type in ('"', '$"'):
                continue
            if quoted and child.type == "string_content":
                out.append(_unquote(_source(child)))
            elif child.is_named:
                out.append(self._text(child, depth + 1))
            else:
                out.append(_source(child))
        return "".join(out)

    def _expansion(self, source: str) -> str:
        name = source[1:]
        if name in ("@", "*"):
            return ALL_ARGUMENTS
        if _POSITIONAL.fullmatch(name):
            return source
        if not source.startswith("${"):
            return self._known(name)
        match = _EXPANSION.fullmatch(source)
        if match is None:
            return HOLE
        if match[1] in ("@", "*"):
            return ALL_ARGUMENTS
        if _POSITIONAL.fullmatch(match[1]) and not match[5] and not match[6]:
            return f"${match[1]}"
        if match[3]:
            return self._with_default(match[1], match[4])
        return HOLE if match[6] else self._known(match[1])

    def _known(self, name: str) -> str:
        value = self.variables.value(name)
        return HOLE if value is None else value

    def _with_default(self, name: str, default: str) -> str:
        value = self.variables.value(name)
        if value and value != HOLE:
            return value
        if "$" in default or "`" in default:
            return HOLE
        return default.strip("\"'")


def _only_expansion(node: Node) -> Node | None:
    """The expansion that makes up the whole word, quoted or not."""
    if node.type == "expansion":
        return node
    if node.type == "string" and node.named_child_count == 1 and node.child_count == 3:
        child = node.named_children[0]
        return child if child.type == "expansion" else None
    return None


def _source(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")


def _unescape(match: re.Match[str]) -> str:
    return "" if match[1] == "\n" else match[1]


def _unquote(text: str) -> str:
    """Inside double quotes a backslash only escapes these."""
    return re.sub(r"\\([\n$`\"\\])", _unescape, text)
