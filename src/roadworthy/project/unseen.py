"""Retries that never see an error answer: the client hands a 503 over like any other answer, and nothing in what is repeated asks for the status."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.attempts import repeats_failures
from roadworthy.project.exceptions import BROAD
from roadworthy.project.once import once
from roadworthy.project.phrases import says_probe
from roadworthy.project.spins import asks_another
from roadworthy.project.symbols import bound_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.retries import Retried
    from roadworthy.project.symbols import CallSite, Function

_CLOSE = 2  # calls between the retry and the request
_ASKS = re.compile(
    r"status|\bok\b|\.code\b|getcode|is_success|is_error|raise_|check|valid|verif|assert|handle|expect|error|fail|reason|problem",
    re.IGNORECASE,
)
"""Words of functions that look at an answer."""
_READS = re.compile(
    r"status(_?code)?|ok|code|is_(success|error|client_error|server_error)|reason|http_status|errors?|failed"
)
"""Attributes that say whether it went well."""
_BY_ITSELF = frozenset({"raise_for_status", "event_hooks", "hooks"})
"""Options of clients that see to error answers on their own."""
_LOOKED_AT = frozenset({"attribute", "condition", "stored", "argument"})
"""Uses of the answer where it is made: `requests.get(url).ok`, `check(requests.get(url))`."""
_BY_RESULT = re.compile(r"result|predicate|giveup|give_up|response", re.IGNORECASE)
_PARSED = frozenset({"json", "loads", "load", "parse", "model_validate", "model_validate_json", "decode", "fromstring"})
_LOGS = frozenset({"debug", "info", "warning", "warn", "error", "exception", "log", "print", "critical"})


@dataclass(frozen=True, slots=True, eq=False)
class Unseen:
    """A retry and the request whose error answers pass it by as a success."""

    retried: Retried
    effect: EffectAt
    asked: CallSite | None = None  # a caller outside the retry that does ask for the status


def unseen_answers(model: Model) -> Iterator[Unseen]:
    """Of reviewed code, one for each retry."""
    for retried in (*model.retries.all, *model.retries.of_given):
        if not _repeats_errors(retried) or model.is_script(retried.function.path) or asks_another(retried):
            continue
        found = next((unseen for unseen in _of(model, retried) if unseen is not None), None)
        if found is not None:
            yield found


def _of(model: Model, retried: Retried) -> Iterator[Unseen | None]:
    """What a helper is given is repeated by it, and nothing else that others give to it."""
    if not retried.given:
        yield from (_judge(model, retried, effect, retried.function) for effect in model.retries.effects(retried))
        return
    for edge in model.edges_at(retried.sites[0]):
        if edge.kind in {"inline", "callback"} and edge.runs_here:
            yield from (_judge(model, retried, effect, edge.callee) for effect in model.effects_under(edge.callee))


def _repeats_errors(retried: Retried) -> bool:
    """Exceptions decide, and not the answer."""
    guard = retried.guard
    if not guard.on or guard.attempts == 1:
        return False
    given = guard.site.fact.kwargs if guard.site is not None and guard.form != "loop" else ()
    scope = guard.site.function.scope if guard.site is not None else None
    return scope is None or not any(
        _BY_RESULT.search(keyword) or _BY_RESULT.search(flow.deep_text(value, scope)) for keyword, value in given
    )


def _judge(model: Model, retried: Retried, effect: EffectAt, start: Function) -> Unseen | None:
    if effect.effect is not Effect.HTTP_REQUEST or effect.row.result_tells != "status" or effect.secondary:
        return None
    if _sees_to_it(model) or repeats_failures(model.client_retry(effect)) or not _is_meant(model, retried, effect):
        return None
    way = model.reach.path_down(start, effect)
    repeated = list(dict.fromkeys([start, *(edge.callee for edge in way), effect.function]))
    if len(way) > _CLOSE or not _is_repeated(retried, effect, way[0].site if way else effect.site):
        return None
    if any(says_probe(function.name) or _asks(function, effect) for function in repeated):
        return None
    if any(_fails_on_garbage(model, function, retried, effect) for function in repeated):
        return None
    handed = _is_handed_on(effect.site)
    asked = _asked_outside(model, retried.function if retried.whole else effect.function) if handed else None
    return None if handed and asked is None else Unseen(retried, effect, asked)


@once
def _sees_to_it(model: Model) -> bool:
    """Somewhere in the project a client is told to raise for error answers; which requests it makes is not followed."""
    return any(
        any(keyword in _BY_ITSELF for keyword, _ in call.kwargs)
        for function in model.symbols.functions
        for call in function.scope.calls
    )


def _is_meant(model: Model, retried: Retried, effect: EffectAt) -> bool:
    """Is the retry about this request: everything, or a failure of its client?"""
    caught = retried.guard.on
    return any(name in BROAD for name in caught) or any(
        model.exceptions.is_of_family(raised, name) is True for raised in effect.row.raises for name in caught
    )


def _is_repeated(retried: Retried, effect: EffectAt, first: CallSite) -> bool:
    return retried.whole or retried.given or first in retried.sites or effect.site in retried.sites


def _asks(function: Function, effect: EffectAt) -> bool:
    """Does the function look at the answer, by anything that sounds so, or let somebody else look? Logging does not."""
    scope = function.scope
    names = _names_of(function, effect.site) if function is effect.function else frozenset()
    if function is effect.function and effect.site.fact.use in _LOOKED_AT:
        return True
    for call in scope.calls:
        name = flow.last_name(call.func)
        made_to_raise = call.use == "raised" and not _is_in_if(scope, call.region)
        if name in _LOGS or _in_handler(scope, call.region) or call is effect.site.fact or made_to_raise:
            continue
        if _ASKS.search(name) or any(_is_one_of(arg, names) for arg in (*call.args, *(v for _, v in call.kwargs))):
            return True
    if any(_is_one_of(part, names) for region in scope.regions for part in flow.walk(region.test) if region.test):
        return True
    return any("." in path and _READS.fullmatch(path.rpartition(".")[2]) for path in scope.last_read)


def _is_one_of(expr: f.Expr, names: frozenset[str]) -> bool:
    return isinstance(expr, f.Name) and expr.id in names


def _names_of(function: Function, site: CallSite) -> frozenset[str]:
    """The names of the answer."""
    found: set[str] = set()
    for assign in function.scope.assigns:
        value = assign.value.value if isinstance(assign.value, f.Await) else assign.value
        if isinstance(value, f.CallRef) and value.index == site.index:
            found.update(bound_names(assign.target))
    return frozenset(found)


def _is_in_if(scope: f.Scope, region: int) -> bool:
    return any(scope.regions[r].kind in {"if", "case"} for r in flow.ancestors(scope, region))


def _in_handler(scope: f.Scope, region: int) -> bool:
    return any(scope.regions[r].kind == "except" for r in flow.ancestors(scope, region))


def _fails_on_garbage(model: Model, function: Function, retried: Retried, effect: EffectAt) -> bool:
    """The page of a 503 is taken for the answer that was wanted, which fails, and that failure is repeated: by chance, but it is."""
    scope = function.scope
    parses = any(flow.last_name(call.func) in _PARSED for call in scope.calls)
    if not parses:
        return False
    caught = retried.guard.on
    if any(name in BROAD for name in caught):
        return True
    root = effect.row.raises[0].split(".", 1)[0] if effect.row.raises else ""
    return any(
        ("Decode" in name or "ContentType" in name)
        and name.startswith((f"{root}.", "json."))
        and any(model.exceptions.is_subclass(name, base) is True for base in caught)
        for name in model.knowledge.tables.exceptions
    )


# --- who else could ask ------------------------------------------------------------------------------------------------


def _is_handed_on(site: CallSite) -> bool:
    """The answer itself is given back."""
    if site.fact.use == "returned":
        return True
    names = _names_of(site.function, site)
    return any(
        isinstance(part, f.Name) and part.id in names
        for leave in site.function.scope.leaves
        if leave.kind in {"return", "yield"} and leave.value is not None
        for part in ([leave.value] if not isinstance(leave.value, f.Seq) else leave.value.items)
    )


def _asked_outside(model: Model, function: Function) -> CallSite | None:
    """A caller that asks for the status, outside of a loop in which it could try again."""
    for edge in model.edges_to(function):
        site = edge.spawner or edge.site
        scope = site.function.scope
        names = _names_of(site.function, site)
        if flow.loop_of(scope, site.fact.region) is not None or not names:
            continue
        for call in scope.calls:
            owner = call.func.value if isinstance(call.func, f.Attr) else None
            if (
                isinstance(owner, f.Name)
                and owner.id in names
                and flow.last_name(call.func) == "raise_for_status"
                and call.order > site.fact.order
            ):
                return site
    return None
