"""Lists in memory that requests fill and that are written out when they hold enough: what is in them is lost with the process."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project import flow
from roadworthy.project.acks import lost_at
from roadworthy.project.carried import Carried
from roadworthy.project.cutoff import answered, is_bookkeeping, is_telemetry
from roadworthy.project.state import Held, Lifetimes, held_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_PUTS = frozenset({"append", "extend", "appendleft"})
_ASKED = frozenset({EntryKind.HTTP_HANDLER, EntryKind.WEBHOOK_HANDLER})
_MORE = frozenset({">=", ">", "==", "<", "<="})
_WATCHES = re.compile(
    r"(^|_|[a-z])(log|audit|trace|span|metric|telemetr|analytic|stat|usage|impression|click|page_?view|monitor|profil|debug|sample|heartbeat|cache)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Sized:
    """A request adds to a list of the process, and goes on; the list is written out when it is long enough."""

    held: Held
    put: CallSite
    drain: CallSite  # the call that writes it out
    lost: tuple[EffectAt, ...]
    entry: Entry

    @property
    def name(self) -> str:
        """Of the list, as written."""
        assert isinstance(self.put.fact.func, f.Attr)
        return flow.text_of(self.put.fact.func.value, self.put.function.scope)


def sized_buffers(model: Model) -> Iterator[Sized]:
    """One value for each list."""
    lifetimes = Lifetimes(model)
    for held in held_state(model):
        if _WATCHES.search(held.words) or is_telemetry(held.words) or is_bookkeeping(held.name):
            continue
        drain = _drain(model, held)
        if drain is None or not lifetimes.lives_long(held):
            continue
        put = next((put for put in _puts(held) if _waits(model, held, put, drain[0])), None)
        entry = _asked(model, put) if put is not None else None
        if put is not None and entry is not None:
            yield Sized(held, put, *drain, entry)


def _asked(model: Model, put: CallSite) -> Entry | None:
    return next((entry for entry in answered(model, put.function) if entry.kind in _ASKED), None)


def _puts(held: Held) -> Iterator[CallSite]:
    for function in held.writers:
        for site in function.calls:
            func = site.fact.func
            if isinstance(func, f.Attr) and func.name in _PUTS and _is(func.value, held, function):
                yield site


def _is(expr: f.Expr | None, held: Held, function: Function) -> bool:
    """`self.rows` in a method of its class, `ROWS` in its module."""
    name = held.name.rpartition(".")[2]
    if held.cls is None:
        return isinstance(expr, f.Name) and expr.id == name and name not in function.parameters
    owner = function.scope.params[0].name if function.scope.params else None
    return isinstance(expr, f.Attr) and expr.name == name and isinstance(expr.value, f.Name) and expr.value.id == owner


def _drain(model: Model, held: Held) -> tuple[CallSite, tuple[EffectAt, ...]] | None:
    """The call that stores or sends what the list holds."""
    for function in {**held.readers, **held.writers}:
        carried = _content(held, function)
        for site in function.calls:
            given = (*site.fact.args, *(value for _, value in site.fact.kwargs))
            if any(_mentions(expr, held, function) or carried.holds(expr) for expr in given):
                lost = lost_at(model, site)
                if lost:
                    return site, lost
    return None


def _mentions(expr: f.Expr, held: Held, function: Function) -> bool:
    return any(_is(part, held, function) for part in flow.walk(expr))


def _content(held: Held, function: Function) -> Carried:
    """`rows, self.rows = self.rows, []`; `batch = list(self.rows)`; `for row in self.rows`."""
    scope = function.scope
    names: set[str] = set()
    calls = {
        index
        for index, call in enumerate(scope.calls)
        if any(_mentions(arg, held, function) for arg in call.args)
        or (
            isinstance(call.func, f.Attr)
            and call.func.name in {"copy", "pop", "popleft"}
            and _is(call.func.value, held, function)
        )
    }
    for assign in scope.assigns:
        if isinstance(assign.target, f.Name) and assign.value is not None and _mentions(assign.value, held, function):
            names.add(assign.target.id)
        if isinstance(assign.target, f.Seq) and isinstance(assign.value, f.Seq):
            pairs = zip(assign.target.items, assign.value.items, strict=False)
            names |= {t.id for t, v in pairs if isinstance(t, f.Name) and _mentions(v, held, function)}
    for region in scope.regions:
        if region.kind in flow.LOOPS and region.test is not None and _mentions(region.test, held, function):
            names |= {part.id for part in flow.walk(region.target) if isinstance(part, f.Name)}
    carried = Carried(scope, names, calls)
    carried.spread()
    return carried


def _waits(model: Model, held: Held, put: CallSite, drain: CallSite) -> bool:
    """Is it written out only when there is enough in it, and does whoever fills it go on meanwhile?"""
    function = put.function
    near = [function, *(edge.callee for edge in model.edges_from(function) if edge.callee in held.readers)]
    for here in near:
        for index, region in enumerate(here.scope.regions):
            if region.kind == "if" and _asks_length(region.test, held, here):
                inside = [here.site(call) for call in flow.calls_in(here.scope, index)]
                if any(_comes_to(model, site, drain) for site in inside):
                    return not _is_flushed_after(model, put, drain)
    return False


def _asks_length(test: f.Expr | None, held: Held, function: Function) -> bool:
    """`len(self.rows) >= self.size`."""
    for part in flow.walk(test):
        if isinstance(part, f.Compare) and _MORE & set(part.ops):
            for side in (part.left, *part.rights):
                if isinstance(side, f.CallRef):
                    call = function.scope.calls[side.index]
                    if flow.last_name(call.func) == "len" and any(_is(arg, held, function) for arg in call.args):
                        return True
    return False


def _comes_to(model: Model, site: CallSite, drain: CallSite) -> bool:
    return site is drain or any(
        drain.function in model.reach.tree_from(edge.callee) for edge in model.edges_at(site) if edge.runs_here
    )


def _is_flushed_after(model: Model, put: CallSite, drain: CallSite) -> bool:
    """Whoever fills it writes out the rest before it answers: `buffer.add(row)`, and at the end `buffer.flush()`."""
    callers = {edge.caller for edge in model.edges_to(put.function) if edge.runs_here}
    callers |= {edge.caller for caller in list(callers) for edge in model.edges_to(caller) if edge.runs_here}
    return any(
        _comes_to(model, site, drain)
        for caller in callers - {put.function}
        for site in caller.calls
        if not any(edge.callee is put.function or edge.callee in callers for edge in model.edges_at(site))
    )
