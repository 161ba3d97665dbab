"""What may fail for one item of a loop and work for the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project.cutoff import is_telemetry
from roadworthy.project.handling import mentions
from roadworthy.project.purpose import drives_program

if TYPE_CHECKING:
    from roadworthy.facts import schema as f
    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_PER_ITEM = frozenset({
    Effect.HTTP_REQUEST, Effect.RPC, Effect.EMAIL, Effect.SMS, Effect.NOTIFY, Effect.CHARGE, Effect.LLM, Effect.OBJECT_READ,
    Effect.OUTSIDE,
})  # fmt: skip
"""What may fail for one item and work for the next: the other side differs, or the data does."""

_WRITES = frozenset({"save", "savefig", "imwrite", "imsave", "mimsave", "write_image", "tobytes", "close", "show"})

NEAR = 3
"""Calls between the loop and what fails: further below it is machinery that all items share."""


def about_item(function: Function, call: f.Call, names: set[str]) -> bool:
    """Is the call made on the item, or handed it?"""
    exprs = (call.func, *call.args, *(value for _, value in call.kwargs))
    return any(mentions(expr, name, function.scope) for expr in exprs for name in names)


def _only_watches(effect: EffectAt) -> bool:
    """Figures that are sent somewhere: nobody waits for the next one."""
    stem = effect.site.path.rpartition("/")[2].removesuffix(".py")
    return is_telemetry(stem, effect.function.cls.name if effect.function.cls is not None else "")


def fails_alone(model: Model, effect: EffectAt, *, apart: bool = False) -> bool:
    """May it fail for one item and work for the next? A cloud or an object store fails for all; not where each item stands `apart`,
    as accounts do, with keys of their own."""
    if effect.row.secondary or drives_program(model, effect) or _only_watches(effect):
        return False
    if effect.effect is Effect.COMPUTE:
        if effect.name.rpartition(".")[2] in _WRITES:
            return False  # what the code has made itself is not broken
        made_of = model.knowledge.library_of(effect.name)
        return made_of is not None and bool({"documents", "media"} & set(made_of.role))  # a broken file
    if effect.effect not in _PER_ITEM:
        return False
    if effect.effect not in {Effect.HTTP_REQUEST, Effect.RPC}:
        return True
    library = model.knowledge.library_of(effect.name)
    return apart or library is None or not {"cloud", "object-store"} & set(library.role)
