"""The fix for a task to which nobody refers: kept as this code base keeps its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.advice.code import GAP, WHOLE, apply_text, argument_texts, call_text, callee_text, written
from roadworthy.advice.fixes import Place, fix, recipe_fix
from roadworthy.advice.patterns import best, cite
from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.once import once

if TYPE_CHECKING:
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


def keep_task(model: Model, site: CallSite, *, lasting: bool = False) -> str:
    """Hold a reference to a task and hear of its exception; `lasting`: a loop, for which nobody can wait."""
    own = best(model, "keep-task", site.function, accept=lambda p: p.definition is None or _takes_one(p.definition))
    if own is not None:
        inner = argument_texts(site)[:1]
        return fix(
            "Keep a reference until it is done.",
            cite(own, site.function),
            apply_text(own.name[:-2], inner, width=WHOLE),
        )
    place = Place(model, site.function, site)
    filled = place.pick("keep-task")
    kept = _kept_in_attribute(model, site) if lasting else ""
    if kept:
        return kept
    if lasting and filled is not None:
        return fix("Keep a reference to it for as long as it runs:", "", filled.code)
    return recipe_fix(place, "keep-task")


def _takes_one(helper: Function) -> bool:
    """Can it be called with the coroutine alone?"""
    own = helper.scope.params[1:] if helper.is_method else helper.scope.params
    return sum(param.default is None and param.kind in {"positional", "keyword"} for param in own) == 1


def _kept_in_attribute(model: Model, site: CallSite) -> str:
    """`self._poll_task = create_task(self.poll())`, where this code base keeps what it starts in this way; "" where it does not."""
    function, call = site.function, call_text(site, width=WHOLE)
    first = site.fact.args[0] if site.fact.args else None
    started = flow.last_name(function.calls[first.index].fact.func) if isinstance(first, f.CallRef) else ""
    if not function.is_method or not started or GAP in call or not call.startswith(callee_text(site)):
        return ""
    found = sorted(
        (other.cls is not function.cls, other.path != function.path, other.path, kept.line, name)
        for other, kept, name in _in_attributes(model).get(callee_text(site), ())
        if kept is not site
    )
    if not found:
        return ""
    _, _, path, line, name = found[0]
    many = f", one of {len(found)} places" if len(found) > 1 else ""
    return fix(
        "Keep a reference to it for as long as it runs.",
        f"As in this code base: `{name}` (`{path}:{line}`{many}).",
        f"self._{started.strip('_')}_task = {call}",
    )


@once
def _in_attributes(model: Model) -> dict[str, list[tuple[Function, CallSite, str]]]:
    """What is called -> where its result is kept in an attribute of `self`, and under which name."""
    found: dict[str, list[tuple[Function, CallSite, str]]] = {}
    for function in model.functions:
        for assign in function.scope.assigns:
            target, value = assign.target, assign.value
            own = isinstance(target, f.Attr) and isinstance(target.value, f.Name) and target.value.id == "self"
            if own and isinstance(value, f.CallRef):
                site = function.calls[value.index]
                found.setdefault(callee_text(site), []).append((function, site, written(target, function)))
    return found
