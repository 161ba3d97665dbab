"""Facts as text, for people and for golden tests.

One paragraph per scope. A line per event: its order, its line, what happens. Regions are indented blocks `r1 for …`;
`#0` is call 0 of the scope, `λ3` the lambda that is scope 3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from roadworthy.facts.show_expression import show_expression

if TYPE_CHECKING:
    from roadworthy.facts.schema import (
        Call,
        FileFacts,
        Import,
        Leave,
        Param,
        Region,
        Scope,
    )

_Item = tuple[int, int, int, str | int]
"""Order, 0 for a region and 1 for an event, a running number, and the text of the event or the number of the region."""

_MAX_INDENT: Final = 40
_USES_OF_OUTER: Final = frozenset({"argument", "receiver"})


def show(facts: FileFacts) -> str:
    """All facts of a file as text, one paragraph per scope in the order of the file."""
    children: dict[int, list[Scope]] = {}
    for scope in facts.scopes:
        children.setdefault(scope.parent, []).append(scope)
    lines = [f"{facts.path}: {facts.lines} lines"]
    stack = list(reversed(children.get(-1, [])))
    while stack:
        scope = stack.pop()
        below = sorted(children.get(scope.index, []), key=lambda s: s.order_in_parent)
        lines += ["", *_scope(scope, below)]
        stack.extend(reversed(below))
    if facts.comments:
        lines += ["", *(f"# {comment.line}: {comment.text}" for comment in facts.comments)]
    if facts.problems:
        lines += ["", *(f"! {problem.line}: {problem.message}" for problem in facts.problems)]
    return "\n".join(lines) + "\n"


def _scope(scope: Scope, below: list[Scope]) -> list[str]:
    lines = [_head(scope)]
    pairs = zip(scope.decorator_lines, scope.decorators, strict=True)
    lines += [f"  @{line} {show_expression(value)}" for line, value in pairs]
    if scope.doc:
        lines += [f"  doc {scope.doc!r}"]
    if scope.globals:
        lines += [f"  global {', '.join(scope.globals)}"]
    lines += _body(scope, below)
    if scope.last_read:
        lines += ["  reads " + " ".join(f"{name}@{order}" for name, order in scope.last_read.items())]
    return lines


def _head(scope: Scope) -> str:
    words = ["async"] if scope.is_async else []
    if scope.is_generator:
        words.append("generator")
    words.append(scope.kind)
    written = scope.qualname
    if scope.kind == "class":
        items = [show_expression(b) for b in scope.bases]
        items += [_keyword(name, show_expression(value)) for name, value in scope.keywords]
        written += f"({', '.join(items)})" if items else ""
    elif scope.kind != "module":
        written += f"({_parameters(scope.params)})"
    if scope.returns is not None:
        written += f" -> {show_expression(scope.returns)}"
    exits = f" exits {scope.regions[0].exits}" if scope.regions[0].exits else ""
    return f"{' '.join(words)} {written} {scope.line}-{scope.end_line}{exits}{_only_pass(scope.regions[0])}"


def _parameters(params: tuple[Param, ...]) -> str:
    words = []
    starred = False
    for param in params:
        if param.kind == "keyword" and not starred:
            words.append("*")
        starred = starred or param.kind in ("keyword", "args")
        word = {"args": "*", "kwargs": "**"}.get(param.kind, "") + param.name
        if param.annotation is not None:
            word += f": {show_expression(param.annotation)}"
        if param.default is not None:
            word += f" = {show_expression(param.default)}"
        words.append(word)
    return ", ".join(words)


def _keyword(name: str, value: str) -> str:
    return f"**{value}" if name == "**" else f"{name}={value}"


def _only_pass(region: Region) -> str:
    return " [pass]" if region.only_pass else ""


# --- the events of a scope, laid out in its regions ------------------------------------------------------------------


def _body(scope: Scope, below: list[Scope]) -> list[str]:
    """Walk the tree of regions with a stack, as a chain of `elif` makes it deep."""
    items = _items(scope, below)
    lines: list[str] = []
    stack = [(1, item) for item in reversed(items.get(0, []))]
    while stack:
        depth, (_, _, _, what) = stack.pop()
        indent = "  " * min(depth, _MAX_INDENT)
        if isinstance(what, str):
            lines.append(indent + what)
            continue
        lines.append(indent + f"r{what} {_region(scope.regions[what])}")
        stack.extend((depth + 1, item) for item in reversed(items.get(what, [])))
    return lines


def _items(scope: Scope, below: list[Scope]) -> dict[int, list[_Item]]:
    """For each region the events and regions directly in it, in order."""
    events: list[tuple[int, int, int, str]] = [
        (c.order, c.region, c.line, _call(i, c)) for i, c in enumerate(scope.calls)
    ]
    for a in scope.assigns:
        annotation = "" if a.annotation is None else f": {show_expression(a.annotation)}"
        value = "" if a.value is None else f" {a.op} {show_expression(a.value)}"
        events.append((a.order, a.region, a.line, show_expression(a.target) + annotation + value))
    events += [(leave.order, leave.region, leave.line, _leave(leave)) for leave in scope.leaves]
    events += [(t.order, t.region, t.line, f"{t.kind} {show_expression(t.value)}") for t in scope.tests]
    events += [(i.order, _region_at(scope, i.order), i.line, _import(i)) for i in scope.imports]
    events += [(s.order_in_parent, s.region_in_parent, s.line, f"{s.kind} {s.name}") for s in below]
    found: dict[int, list[_Item]] = {}
    for number, (order, region, line, text) in enumerate(events):
        found.setdefault(region, []).append((order, 1, number, f"{order} L{line} {text}"))
    for number, region_fact in enumerate(scope.regions):
        found.setdefault(region_fact.parent, []).append((region_fact.start, 0, number, number))
    return {region: sorted(items) for region, items in found.items()}


def _region_at(scope: Scope, order: int) -> int:
    """The innermost region around an order: imports do not name theirs."""
    inside = [i for i, r in enumerate(scope.regions) if r.start <= order < r.end]
    return inside[-1] if inside else 0


def _call(index: int, call: Call) -> str:
    args = [show_expression(a) for a in call.args]
    args += [_keyword(name, show_expression(value)) for name, value in call.kwargs]
    awaited = "await " if call.awaited else ""
    use = call.use
    if call.outer >= 0:
        use += f" of #{call.outer}" if use in _USES_OF_OUTER else f" in #{call.outer}"
    return f"#{index} {awaited}{show_expression(call.func)}({', '.join(args)}) -> {use}"


def _leave(leave: Leave) -> str:
    value = "" if leave.value is None else f" {show_expression(leave.value)}"
    cause = "" if leave.cause is None else f" from {show_expression(leave.cause)}"
    return leave.kind + value + cause


def _import(found: Import) -> str:
    module = "." * found.level + found.module
    text = f"import {module}" if found.name is None else f"from {module} import {found.name}"
    if found.asname is not None:
        text += f" as {found.asname}"
    return text + (" [type checking]" if found.in_type_checking else "") + (" [try]" if found.in_try else "")


def _region(region: Region) -> str:
    words = ["async " if region.is_async else "", region.kind]
    if region.kind == "case":
        words.append(f" {show_expression(region.target)} of {show_expression(region.test)}")
    elif region.kind == "except":
        words.append(f" {', '.join(map(show_expression, region.types))}" if region.types else "")
        words.append(f" as {show_expression(region.target)}" if region.target is not None else "")
    elif region.kind == "with":
        items = [show_expression(c) + (f" as {show_expression(t)}" if t is not None else "") for c, t in region.items]
        words.append(f" {', '.join(items)}")
    elif region.test is not None:
        words.append(f" {show_expression(region.target)} in" if region.target is not None else "")
        words.append(f" {show_expression(region.test)}")
    exits = f" exits {region.exits}" if region.exits else ""
    return "".join(words) + f" {region.line}-{region.end_line}{exits}{_only_pass(region)}"
