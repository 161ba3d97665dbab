"""The commands of a shell text in the order of the text, with what surrounds each."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import tree_sitter_bash
from tree_sitter import Language, Parser

from roadworthy.facts.around.found import HOLE, MARK
from roadworthy.facts.around.shellnodes import (
    Cases,
    after_exec,
    condition_cases,
    first_error,
    last_index,
    line_of,
    text_of,
    with_background,
)
from roadworthy.facts.around.shellwords import Variables, WordReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tree_sitter import Node

MAX_BYTES = 300_000
MAX_ARRAYS = 200  # the grammar takes quadratic time for `a=( a=( …`
MAX_COMMANDS = 1_000
MAX_DEPTH = 60
MAX_CALLS = 8
MAX_HANDLER = 300


_SUBJECT = re.compile(r"""["']?\$\{?([\w@*]+)[^"']*["']?""")
_SIGNALS = {"0": "EXIT", "1": "HUP", "2": "INT", "3": "QUIT", "15": "TERM"}
_BARE_NOT = re.compile(r"(^|\s)!\s*(?=[<>])")  # the grammar knows no redirection without a command
_CLOSED = re.compile(r"\b(fi|done|esac)[ \t]+(?=\})")  # `… fi }` on one line: the grammar wants a `;` in between
_LANGUAGE = Language(tree_sitter_bash.language())


@dataclass(frozen=True, slots=True)
class Command:
    """One simple command."""

    line: int  # 1-based in the text
    end_line: int
    words: tuple[str, ...]  # without `exec` and without leading assignments
    replaces: bool
    background: bool
    last: bool
    wrapped: bool
    cases: Cases


@dataclass
class Script:
    """What a shell text does."""

    commands: list[Command] = field(default_factory=list)
    settings: list[tuple[int, str, str]] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the visit stands."""

    last: bool = True
    background: bool = False
    wrapped: bool = False
    subshell: bool = False  # `exec` replaces only the subshell
    cases: Cases = ()
    depth: int = 0
    calls: tuple[str, ...] = ()  # functions being followed

    def inside(
        self, *, last: bool | None = None, cases: Cases = (), subshell: bool = False, wrapped: bool = True
    ) -> _Place:
        """The place one level further in."""
        return replace(
            self,
            last=self.last if last is None else self.last and last,
            cases=(self.cases + cases)[:8],
            subshell=self.subshell or subshell,
            wrapped=self.wrapped or wrapped,
            depth=self.depth + 1,
        )


def read_script(text: str, environment: Mapping[str, str] | None = None) -> Script:
    """Read a script, or the text of `sh -c`."""
    script = Script()
    data = _CLOSED.sub(r"\1; ", _BARE_NOT.sub(r"\1! : ", text.replace(HOLE, MARK))).encode("utf-8", "replace")
    if len(data) > MAX_BYTES:
        script.problems.append((1, f"shell text of more than {MAX_BYTES // 1000} kB is not read"))
        return script
    if data.count(b"=(") > MAX_ARRAYS:
        script.problems.append((1, "shell text with very many arrays is not read"))
        return script
    root = Parser(_LANGUAGE).parse(data).root_node
    _Walk(script, root, environment or {}).run(root)
    error = first_error(root) if root.has_error else 0
    if error:
        script.problems.append((error, "this part of the shell text could not be parsed"))
    return script


class _Walk:
    """One visit of the tree: assignments and functions first, then the commands in order."""

    def __init__(self, script: Script, root: Node, environment: Mapping[str, str]) -> None:
        self.script = script
        self.variables = Variables(environment)
        self.reader = WordReader(self.variables)
        self.functions: dict[str, Node] = {}
        self.root = root

    def run(self, root: Node) -> None:
        self._prepare(root)
        self._statements(root, _Place())

    def _prepare(self, root: Node) -> None:
        stack = [root]
        while stack:
            node = stack.pop()
            if node.type == "function_definition":
                name = node.child_by_field_name("name")
                body = node.child_by_field_name("body")
                if name is not None and body is not None:
                    self.functions.setdefault(text_of(name), body)
            elif node.type == "variable_assignment":
                self._assignment(node)
            elif node.type == "expansion":
                match = re.match(r"\$\{(\w+):?=([^$`}]*)\}", text_of(node))
                if match:
                    self.variables.default(match[1], match[2].strip("\"'"))
            elif node.type == "for_statement":
                name = node.child_by_field_name("variable")
                if name is not None:
                    self.variables.forget(text_of(name))
            stack.extend(reversed(node.named_children))

    def _assignment(self, node: Node) -> None:
        name = node.child_by_field_name("name")
        value = node.child_by_field_name("value")
        if name is None or name.type != "variable_name":
            return
        appends = any(child.type == "+=" for child in node.children)
        if value is not None and value.type == "array":
            self.variables.extend(text_of(name), self.reader.words(value.named_children))
        elif appends:
            self.variables.forget(text_of(name))
        else:
            self.variables.assign(text_of(name), "" if value is None else self.reader.text(value))

    def _statements(self, parent: Node, place: _Place, skip: frozenset[int] = frozenset()) -> None:
        if place.depth > MAX_DEPTH:
            self.script.problems.append((line_of(parent), "nested too deeply"))
            return
        found = [pair for pair in with_background(parent) if pair[0].type != "comment" and pair[0].id not in skip]
        last = last_index([node for node, _ in found])
        for index, (node, background) in enumerate(found):
            inner = replace(place, last=place.last and index == last, background=place.background or background)
            self._statement(node, inner)

    def _statement(self, node: Node, place: _Place) -> None:
        if len(self.script.commands) >= MAX_COMMANDS:
            return
        visit = _VISITS.get(node.type)
        if visit is not None:
            visit(self, node, place)

    def _command(self, node: Node, place: _Place) -> None:
        name = node.child_by_field_name("name")
        if name is None:
            return
        words = self.reader.words([name, *node.children_by_field_name("argument")])
        while words and words[0] in ("command", "builtin", "eval") and len(words) > 1:
            words = words[1:]
        if not words:
            return
        if words[0] == "trap":
            self._trap(node, words)
        elif words[0] == "set" and len(words) > 1 and words[1][:1] in "-+" and words[1] != "--":
            self.script.settings.append((line_of(node), "shell.set", " ".join(words[1:])))
        elif words[0] in self.functions:
            self._function(words[0], place)
        else:
            self._add(node, words, place)

    def _add(self, node: Node, words: tuple[str, ...], place: _Place) -> None:
        replaces = words[0] == "exec"
        if replaces:
            words = after_exec(words)
        if not words or words[0] in ("[", "test", "[["):
            return
        self.script.commands.append(
            Command(
                line=line_of(node),
                end_line=node.end_point[0] + 1,
                words=words,
                replaces=replaces and not place.subshell and not place.background,
                background=place.background,
                last=place.last,
                wrapped=place.wrapped,
                cases=place.cases,
            )
        )

    def _function(self, name: str, place: _Place) -> None:
        if name in place.calls or len(place.calls) >= MAX_CALLS:
            return
        inner = replace(place, calls=(*place.calls, name), depth=place.depth + 1)
        self._statements(self.functions[name], inner)

    def _trap(self, node: Node, words: tuple[str, ...]) -> None:
        if len(words) < 3 or words[1].startswith("-"):
            return
        handler = self._handler(words[1])
        for signal in words[2:]:
            plain = signal.upper().removeprefix("SIG")
            self.script.settings.append((line_of(node), f"shell.trap.{_SIGNALS.get(plain, plain)}", handler))

    def _handler(self, text: str) -> str:
        body = self.functions.get(text.split()[0] if text.strip() else "")
        return (text_of(body) if body is not None else text)[:MAX_HANDLER]

    def _redirected(self, node: Node, place: _Place) -> None:
        body = node.child_by_field_name("body")
        if body is not None:
            self._statement(body, place.inside())

    def _list(self, node: Node, place: _Place) -> None:
        """`a && b || c` nests to the left, possibly very deeply: the spine is walked in a loop."""
        parts: list[Node] = []
        spine = node
        while spine.type == "list" and spine.named_child_count:
            children = spine.named_children
            parts.extend(reversed(children[1:]))
            spine = children[0]
        parts.append(spine)
        if _is_a_step(node, parts):
            return
        for index in range(len(parts) - 1, -1, -1):
            self._statement(parts[index], replace(place, last=place.last and index == 0, depth=place.depth + 1))

    def _pipeline(self, node: Node, place: _Place) -> None:
        for child in node.named_children:
            self._statement(child, place.inside(subshell=True))

    def _block(self, node: Node, place: _Place) -> None:
        self._statements(node, place.inside(subshell=node.type == "subshell"))

    def _loop(self, node: Node, place: _Place) -> None:
        for child in node.children_by_field_name("condition"):
            self._statement(child, place.inside(last=False))
        body = node.child_by_field_name("body")
        if body is not None:
            self._statements(body, place.inside(last=False))

    def _if(self, node: Node, place: _Place) -> None:
        conditions = node.children_by_field_name("condition")
        for child in conditions:
            self._statement(child, place.inside(last=False))
        cases = condition_cases(conditions)
        others = [c for c in node.named_children if c.type in ("elif_clause", "else_clause")]
        skip = frozenset(c.id for c in (*conditions, *others))
        self._statements(node, place.inside(cases=cases), skip)
        for clause in others:
            self._clause(clause, place)

    def _clause(self, clause: Node, place: _Place) -> None:
        tests = (
            [c for c in clause.named_children[:1] if c.type == "test_command"] if clause.type == "elif_clause" else []
        )
        self._statements(clause, place.inside(cases=condition_cases(tests)), frozenset(c.id for c in tests))

    def _case(self, node: Node, place: _Place) -> None:
        value = node.child_by_field_name("value")
        match = _SUBJECT.fullmatch(text_of(value)) if value is not None else None
        subject = f"${match[1]}" if match else ""
        for item in node.named_children:
            if item.type != "case_item":
                continue
            values = item.children_by_field_name("value")
            patterns = tuple(text_of(v).strip("\"'") for v in values)[:20]
            cases: Cases = ((subject, patterns),) if subject else ()
            self._statements(item, place.inside(cases=cases), frozenset(v.id for v in values))


def _is_a_step(node: Node, parts: list[Node]) -> bool:
    """`program … || true`: it ends by itself, and the script goes on whatever becomes of it; in a loop it may be one that is started again."""
    if (
        len(parts) != 2
        or text_of(parts[0]).strip() not in ("true", ":")
        or not any(c.type == "||" for c in node.children)
    ):
        return False
    around = node.parent
    while around is not None:
        if around.type in ("while_statement", "for_statement", "c_style_for_statement"):
            return False
        around = around.parent
    return True


_VISITS = {
    "command": _Walk._command,
    "redirected_statement": _Walk._redirected,
    "list": _Walk._list,
    "pipeline": _Walk._pipeline,
    "negated_command": _Walk._block,
    "compound_statement": _Walk._block,
    "subshell": _Walk._block,
    "ERROR": _Walk._block,
    "if_statement": _Walk._if,
    "case_statement": _Walk._case,
    "while_statement": _Walk._loop,
    "for_statement": _Walk._loop,
    "c_style_for_statement": _Walk._loop,
}
