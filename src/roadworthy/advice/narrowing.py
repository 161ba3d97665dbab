"""Handlers that repeat everything: only what may pass by itself, in the words of the libraries that are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.advice.fixes import fix
from roadworthy.advice.repeating import as_imported, passing
from roadworthy.knowledge.vocabulary import Effect

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_ROWS = frozenset({
    Effect.SQL, Effect.SQL_READ, Effect.SQL_INSERT, Effect.SQL_UPDATE, Effect.SQL_UPSERT, Effect.SQL_DELETE, Effect.COMMIT,
})  # fmt: skip
_TEXT = "Catch only what may pass by itself, and let the rest out"


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
