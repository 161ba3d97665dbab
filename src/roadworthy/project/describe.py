"""What the model believes of one function, as text for people, tests, agents."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from roadworthy.project.calls import Edge
    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


class UnknownFunctionError(LookupError):
    """No function of this name; `nearest` lists similar ones."""

    def __init__(self, name: str, nearest: list[str]) -> None:
        """Keep the names for the message."""
        hint = f"; did you mean {', '.join(nearest)}?" if nearest else ""
        super().__init__(f"no function {name!r} in this project{hint}")
        self.nearest = nearest


def find_functions(model: Model, name: str) -> list[Function]:
    """Functions by dotted name, `file.py:line`, or the end of a dotted name."""
    path, _, line = name.rpartition(":")
    if path and line.isdigit():
        inside = [f for f in model.symbols.functions if f.path == path and f.line <= int(line) <= f.scope.end_line]
        return [max(inside, key=lambda f: f.line)] if inside else []
    exact = model.symbols.by_id.get(name)
    if exact is not None:
        return [exact]
    return [f for f in model.symbols.functions if f.id.endswith(f".{name}")]


def describe(model: Model, name: str) -> str:
    """Everything known about the functions of this name. Raises UnknownFunctionError."""
    found = find_functions(model, name)
    if not found:
        raise UnknownFunctionError(name, get_close_matches(name, [f.id for f in model.symbols.functions], 3))
    return "\n".join(_describe(model, function) for function in found[:8])


def _describe(model: Model, function: Function) -> str:
    kind = ("async " if function.is_async else "") + function.kind
    lines = [f"{function.id}  ({kind}, {function.path}:{function.line})"]
    _section(lines, "entries", _entries(model, function))
    _section(lines, "callers", [_edge(e, f"{e.caller.id}") for e in model.edges_to(function)])
    _section(lines, "guards", [_guard(g) for g in model.guards.on_function(function)])
    _section(lines, "calls", [_call(model, site) for site in function.calls])
    _section(lines, "effects", _effects(model, function))
    unresolved = [s for s in function.calls if not model.targets(s)]
    _section(lines, "unresolved", [f"{model.callee_text(s)}()  line {s.line}" for s in unresolved])
    return "\n".join(lines) + "\n"


def _section(lines: list[str], title: str, items: list[str], limit: int = 40) -> None:
    if items:
        lines.append(f"  {title}:")
        lines.extend(f"    {item}" for item in items[:limit])
        if len(items) > limit:
            lines.append(f"    … and {len(items) - limit} more")


def _entries(model: Model, function: Function) -> list[str]:
    found = []
    for reached in model.exposure(function).entries:
        entry = reached.entry
        how = "is" if entry.function is function else "from" if reached.inline else "detached from"
        extra = [entry.delivery.value]
        if entry.retried:
            extra.append(f"attempts {entry.attempts or '?'}")
        if entry.acks:
            extra.append(f"acks {entry.acks} the work")
        found.append(f"{how} {entry.kind.value} {entry.function.id} [{entry.source}; {', '.join(extra)}]")
    return found


def _edge(edge: Edge, text: str) -> str:
    waited = ", waited" if edge.waited else ""
    return f"{text}  {edge.site.path}:{edge.site.line} ({edge.kind}{waited})"


def _guard(guard: Guard) -> str:
    details = []
    if guard.attempts is not None:
        details.append(f"attempts {guard.attempts}")
    if guard.kind.value == "retry":
        details.append(f"delay {guard.delay}{', jitter' if guard.jitter else ''}{'' if guard.capped else ', no limit'}")
    if guard.seconds is not None:
        details.append(f"{guard.seconds:g} s")
    if guard.on:
        details.append(f"on {', '.join(guard.on)}")
    return f"{guard.kind.value} by {guard.form} {guard.name} line {guard.line}" + (
        f" ({'; '.join(details)})" if details else ""
    )


def _call(model: Model, site: CallSite) -> str:
    resolution = model.graph.resolutions[site]
    targets = model.targets(site)
    text = f"{model.callee_text(site)}()  line {site.line} -> {', '.join(targets[:4]) if targets else '?'} [{resolution.how}]"
    kinds = {e.kind for e in model.edges_at(site)} - {"call", "construct"}
    if kinds:
        text += f" {', '.join(sorted(kinds))}"
    if site.fact.awaited:
        text += " awaited"
    effects = [e.effect.value for e in model.effects_at(site)]
    if effects:
        text += f"  effect: {', '.join(effects)}"
    for effect in model.effects_at(site)[:1]:
        verdict = model.timeout(effect)
        if verdict.bound != "unknown":
            seconds = f" {verdict.seconds:g} s" if verdict.seconds is not None else ""
            text += f"  timeout: {verdict.bound}{seconds}"
    guards = model.guards.on_site(site)
    if guards:
        text += "  guards: " + "; ".join(_guard(g) for g in guards[:4])
    return text


def _effects(model: Model, function: Function) -> list[str]:
    """Effects that are not telemetry, own ones first, each with the chain of calls to it."""
    found = []
    for effect in model.effects_under(function):
        if effect.effect.word.telemetry or effect.function is function:
            continue
        chain = " -> ".join(e.callee.qualname for e in model.reach.path_down(function, effect))
        found.append(f"{effect.effect.value} {effect.name} {effect.site.path}:{effect.site.line} via {chain}")
    return found
