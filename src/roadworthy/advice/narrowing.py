"""Handlers of retries: only what may pass by itself, in the words of the libraries that are called, and the last failure out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.advice.code import callee_text, written
from roadworthy.advice.fixes import fix
from roadworthy.advice.repeating import as_imported, passing, retry, retry_question
from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_ROWS = frozenset({
    Effect.SQL, Effect.SQL_READ, Effect.SQL_INSERT, Effect.SQL_UPDATE, Effect.SQL_UPSERT, Effect.SQL_DELETE, Effect.COMMIT,
})  # fmt: skip
_TEXT = "Catch only what may pass by itself, and let the rest out"


def retry_around(model: Model, effect: EffectAt) -> str:
    """Repeat a call: by its client or its function, or by itself where a handler in the function keeps the failure from a decorator."""
    text = retry(model, effect.function, effect.row.raises)
    if "\n@" in text and _is_turned(model, effect):
        return retry_question(model, effect.site, effect.row.raises, "the `try`")
    return text


def _is_turned(model: Model, effect: EffectAt) -> bool:
    """`except RequestException as error: raise NodeError(error)`: what comes out is another error, or none."""
    scope = effect.function.scope
    for handlers in model.handlers_around(effect.site):
        for handler in handlers:
            kin = [model.exceptions.is_of_family(name, kind) for name in effect.row.raises for kind in handler.types]
            if not handler.broad and True not in kin:
                continue
            alias = scope.regions[handler.region].target
            raised = [leave.value for leave in flow.leaves_in(scope, handler.region) if leave.kind == "raise"]
            if not any(value is None or value == alias for value in raised):
                return True
    return False


def narrow_loop(model: Model, function: Function) -> str:
    """Let a loop catch only what the calls in it raise when the way to the other side fails."""
    raised = _raised(model, model.effects_under(function))
    if not raised:
        return f"{_TEXT}: name the errors of this call that a second attempt can cure."
    return fix(f"{_TEXT}:", "", f"except ({_named(function, raised)}):\n    ...  # as it is")


def narrow_job(model: Model, function: Function, effects: Iterable[EffectAt], asks: str, error: str) -> str:
    """Let a job ask to be run again only for what its calls raise when the way to the other side fails."""
    remote = [
        effect for effect in effects if effect.effect not in _ROWS
    ]  # no job asks to be run again for the sake of its rows
    raised = _raised(model, remote)
    if not raised:
        return f"{_TEXT}: name the errors of its calls that a second attempt can cure (lost connections, timeouts, 429 and 5xx)."
    names = _named(function, raised)
    caught = f"({names})" if len(raised) > 1 else names
    return fix(f"{_TEXT}:", "", f"except {caught} as {error}:\n    raise {asks}(exc={error})")


def _raised(model: Model, effects: Iterable[EffectAt]) -> tuple[str, ...]:
    """The errors of other systems before those of the database, which is rarely what is repeated for."""
    outside = sorted((e for e in effects if e.effect.word.external), key=lambda e: e.effect in _ROWS)
    return tuple(dict.fromkeys(name for effect in outside for name in passing(model, effect)))


def _named(function: Function, names: tuple[str, ...]) -> str:
    return ", ".join(dict.fromkeys(as_imported(function, name) for name in names[:2]))


def raise_last(function: Function, region: int) -> str:
    """Let the failure of the last attempt out, in the handler of the loop."""
    loop = function.scope.regions[region]
    number = loop.test if loop.kind == "for" else None
    call = function.calls[number.index] if isinstance(number, f.CallRef) else None
    limit = call.fact.args if call is not None and callee_text(call) == "range" else ()
    if not isinstance(loop.target, f.Name) or len(limit) != 1 or loop.target.id == "_":
        return "Raise behind the loop, where all attempts have failed: what was caught last, or an error of your own that names it."
    most = limit[0]
    last = (
        str(most.value - 1)
        if isinstance(most, f.Const) and isinstance(most.value, int)
        else f"{written(most, function)} - 1"
    )
    return fix("Raise in the handler of the last attempt:", "", f"if {loop.target.id} == {last}:\n    raise")
