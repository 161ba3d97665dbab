"""Jobs that say how often and how far apart they are to be retried, while nothing ever asks for a retry."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import EntryKind
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from roadworthy.project.entry import Entry
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

_PROMISES = ("max_retries", "default_retry_delay")
_AGAIN = ("retr", "requeue", "resched", "again", "backoff")


@dataclass(frozen=True, slots=True)
class IdleRetry:
    """One job whose retries never happen."""

    entry: Entry
    option: str  # as written: `max_retries=5`
    drops: bool  # a broad handler of the job logs the failure and lets the job end as a success


def idle_retries(model: Model, told: Collection[Function] = ()) -> Iterator[list[IdleRetry]]:
    """Jobs of reviewed code that declare a number or a delay of retries which their framework makes only when asked; by file, without `told`."""
    files: dict[str, list[IdleRetry]] = {}
    for function in model.functions:
        found = next(_of(function, model), None) if function not in told else None
        if found is not None:
            files.setdefault(function.path, []).append(found)
    yield from files.values()


def _of(function: Function, model: Model) -> Iterator[IdleRetry]:
    for entry in model.entries.at(function):
        if entry.kind is not EntryKind.JOB or entry.row is None or not entry.row.retry_arguments:
            continue
        option = _option(entry, model)
        asked = not option or model.retries.entry_repeats(entry) or _asks(function, model)
        if not asked and _can_fail(function, model):
            yield IdleRetry(entry, option, _drops(function, model))


def _option(entry: Entry, model: Model) -> str:
    """The option in a decorator of the job itself that promises retries: more than none, and not left to a framework's rule."""
    outer = entry.function.parent
    for expr in entry.function.scope.decorators if outer is not None else ():
        if not isinstance(expr, f.CallRef) or outer is None:
            continue
        site = outer.calls[expr.index]
        given = dict(site.fact.kwargs)
        if any("retr" in keyword and keyword not in _PROMISES for keyword in given) or "base" in given:
            return ""  # another option or the base class may see to it
        for keyword in _PROMISES:
            if keyword in given and model.literal(given[keyword], outer) not in (0, False):
                return f"{keyword}={model.text(given[keyword], outer)}"
    return ""


def _asks(function: Function, model: Model) -> bool:
    """Does anything that the job runs ask for another attempt, or get the job itself in hand, so that it could?"""
    outer = function.parent
    if outer is not None and any("retr" in flow.text_of(d, outer.scope).lower() for d in function.scope.decorators):
        return True
    if any(_sounds_like_again(site) for reached in model.reach.tree_from(function) for site in reached.calls):
        return True
    return any(_hands_over(site) for site in function.calls)


def _sounds_like_again(site: CallSite) -> bool:
    name = _last(site.fact.func).lower()
    return any(word in name for word in _AGAIN)


def _hands_over(site: CallSite) -> bool:
    """The job goes to somebody else, or sends itself again."""
    function = site.function
    own = {function.name, function.scope.params[0].name if function.scope.params else ""}
    values = (*site.fact.args, *(value for _, value in site.fact.kwargs))
    sends = flow.text_of(site.fact.func, function.scope).startswith(f"{function.name}.")
    return sends or any(
        isinstance(value, f.Name) and value.id in own & {"self", "task", function.name} for value in values
    )


def _can_fail(function: Function, model: Model) -> bool:
    """Something of it leaves the process."""
    return any(e.effect.word.external or e.effect.word.persists for e in model.effects_under(function)) or _drops(
        function, model
    )


def _drops(function: Function, model: Model) -> bool:
    scope = function.scope
    for index, region in enumerate(scope.regions):
        if region.kind == "except":
            handler = model.exceptions.handler(function, index)
            if handler.broad and handler.stops and not (handler.records or handler.answers or handler.alternative):
                return True
    return False


def _last(expr: f.Expr) -> str:
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""
