"""The fix for a task to which nobody refers: kept as this code base keeps its tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.advice.code import GAP, WHOLE, apply_text, argument_texts, call_text, callee_text, written
from roadworthy.advice.fixes import Place, fix, recipe_fix
from roadworthy.advice.patterns import best, cite
from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite


def keep_task(model: Model, site: CallSite, *, lasting: bool = False) -> str:
    """Hold a reference to a task and hear of its exception; `lasting`: a loop, for which nobody can wait."""
    own = best(model, "keep-task", site.function)
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


def _kept_in_attribute(model: Model, site: CallSite) -> str:
    """`self._poll_task = create_task(self.poll())`, where this code base keeps what it starts in this way; "" where it does not."""
    function, call = site.function, call_text(site, width=WHOLE)
    first = site.fact.args[0] if site.fact.args else None
    started = flow.last_name(function.calls[first.index].fact.func) if isinstance(first, f.CallRef) else ""
    if not function.is_method or not started or GAP in call or not call.startswith(callee_text(site)):
        return ""
    found = [
        (other.cls is not function.cls, other.path != function.path, other.path, kept.line, written(assign.target, other), kept)
        for other in model.functions
        for assign in other.scope.assigns
        if isinstance(assign.target, f.Attr) and isinstance(assign.target.value, f.Name) and assign.target.value.id == "self"
        and isinstance(assign.value, f.CallRef)
        and callee_text(kept := other.calls[assign.value.index]) == callee_text(site)
        and kept is not site
    ]  # fmt: skip
    if not found:
        return ""
    _, _, path, line, name, _ = min(found, key=lambda one: one[:5])
    many = f", one of {len(found)} places" if len(found) > 1 else ""
    return fix(
        "Keep a reference to it for as long as it runs.",
        f"As in this code base: `{name}` (`{path}:{line}`{many}).",
        f"self._{started.strip('_')}_task = {call}",
    )
