"""What one repair mends, and so is one cause: losses that end at one job, loop or function; calls that one constant bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from roadworthy.project.attempts import Loss
    from roadworthy.project.clients import TimeoutVerdict
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.symbols import ClassInfo, Function


def by_repair(losses: Iterable[Loss]) -> Iterator[tuple[str, list[Loss]]]:
    """(how the work is lost, the losses that one repair mends); jobs of one module that end at the same calls are one."""
    causes: dict[tuple[str, object], list[Loss]] = {}
    for loss in losses:
        causes.setdefault(_cause(loss), []).append(loss)
    merged: dict[tuple[object, ...], tuple[str, list[Loss]]] = {}
    for (how, place), alike in causes.items():
        entry = alike[0].entry
        sites = frozenset(loss.effect.site for loss in alike)
        same = (how, entry.function.path, sites) if how == "job" and entry is not None else (how, place)
        merged.setdefault(same, (how, []))[1].extend(alike)
    yield from merged.values()


def _cause(loss: Loss) -> tuple[str, object]:
    if loss.how == "job" and loss.entry is not None:
        return "job", loss.entry.function
    if loss.loop is not None:
        return loss.how, (loss.loop.function, loss.loop.loop.region)
    return loss.how, loss.effect.function  # whose repetition is the repair


def bound_by(effect: EffectAt, verdict: TimeoutVerdict, built: Container[tuple[Function, str]]) -> tuple[object, ...]:
    """What one repair mends: a setting, the constructions of one client in a function, a constant for a class or a module's functions."""
    setting = only_setting(verdict)
    if setting:
        return ("setting", setting)
    cause = verdict.cause or effect.site
    construction = (cause.function, flow.text_of(cause.fact.func, cause.function.scope))
    if verdict.at_construction or construction in built:
        return ("built", *construction, verdict.reason)
    if verdict.reason not in {"absent", "no parameter", "none", "zero"}:
        return ("call", cause)
    owner = owner_of(cause.function)
    said = verdict.reason if verdict.reason in {"none", "zero"} else ""
    return ("owner", effect.name.partition(".")[0], verdict.parameter, said, cause.path, owner.id if owner else "")


def owner_of(function: Function | None) -> ClassInfo | None:
    """The class whose code this is, however deeply nested."""
    while function is not None and function.cls is None:
        function = function.parent
    return function.cls if function is not None else None


def only_setting(verdict: TimeoutVerdict) -> str:
    """The project's setting that is the only way to bound the call."""
    rule = verdict.timeout
    if rule is None or verdict.parameter or rule.config:
        return ""
    return next((name for name in rule.environment if name.isupper()), "")
