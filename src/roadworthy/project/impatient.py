"""Clients of search servers that repeat refusals and lost connections by themselves, but not a request that took too long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import EntryKind, GuardKind
from roadworthy.project import flow
from roadworthy.project.attempts import in_handler

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.guard import Guard
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite


@dataclass(frozen=True, slots=True)
class Impatient:
    """A client, where it is made, and its calls that end at the first timeout."""

    made: CallSite
    effects: tuple[EffectAt, ...]


def impatient_clients(model: Model) -> Iterator[Impatient]:
    """Of reviewed code; slow answers are ordinary where everything that is asked for is searched for."""
    found: dict[CallSite, list[EffectAt]] = {}
    for effect in model.effects_of():
        rule = effect.row.retry
        if rule is None or not rule.on or any("timeout" in kind for kind in rule.on) or in_handler(effect.site):
            continue
        library = model.knowledge.library_of(effect.name)
        if library is None or "search" not in library.role or model.client_retry(effect).site is not None:
            continue
        made = model.clients.construction(effect)
        if made is not None and not model.is_script(made.path) and _says_nothing(made) and _ends_work(model, effect):
            found.setdefault(made, []).append(effect)
    for made, effects in found.items():
        yield Impatient(made, tuple(effects))


def _says_nothing(made: CallSite) -> bool:
    """No option of the construction speaks of retries, also none of a display that is spread into it; what else is spread may."""
    scope = made.function.scope
    for keyword, expr in made.fact.kwargs:
        if "retr" in keyword.lower():
            return False
        if keyword != "**":
            continue
        assigns = made.function.bindings.get(expr.id, ()) if isinstance(expr, f.Name) else ()
        if not any(isinstance(assign.value, f.Dict) for assign in assigns):
            return False
        if any("retr" in flow.every_text(part, scope).lower() for a in scope.assigns for part in (a.target, a.value)):
            return False
    return True


def _ends_work(model: Model, effect: EffectAt) -> bool:
    """Nothing repeats it, and its failure comes out of more than a request, which a person can send again."""
    if model.coverage(effect.site, _repeats).somewhere:
        return False
    outcomes = model.failures.of(effect.site, effect.row.raises)
    return not any(o.kind == "retried" for o in outcomes) and any(
        o.kind == "fails" and (o.entry is None or o.entry.kind is not EntryKind.HTTP_HANDLER) for o in outcomes
    )


def _repeats(guard: Guard) -> bool:
    return guard.kind is GuardKind.RETRY and guard.attempts not in {0, 1}
