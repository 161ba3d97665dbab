"""What a base class of an undescribed library must be: a class that declares columns is a model of the library they come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.values import ClassValue, Library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import ClassInfo, Symbols

_FIELDS = frozenset({"column", "foreign-key", "one-to-one"})


def add_implied_bases(evaluator: Evaluator, symbols: Symbols, knowledge: Knowledge) -> bool:
    """Give such classes the library's model class as a further base; True when there were any."""
    changed = False
    for cls in symbols.classes:
        unknown = [
            base for base in cls.library_bases if not base.startswith("builtins.") and not _known(base, knowledge)
        ]
        if not unknown or any(_is_model(base, knowledge) for base in cls.library_bases):
            continue
        model = next(_models_of_fields(cls, evaluator, knowledge), None)
        if model is not None:
            cls.bases = (*cls.bases, model)
            changed = True
    return changed


def _known(base: str, knowledge: Knowledge) -> bool:
    return knowledge.type(base) is not None or bool(knowledge.type_bases(base))


def _is_model(base: str, knowledge: Knowledge) -> bool:
    return any(
        row.construct == "model" for name in (base, *knowledge.type_bases(base)) for row in knowledge.schema_rows(name)
    )


def _models_of_fields(cls: ClassInfo, evaluator: Evaluator, knowledge: Knowledge) -> Iterator[str]:
    """The model class of the library whose fields the class body assigns."""
    body = cls.body
    for assign in body.scope.assigns:
        if not isinstance(assign.value, f.CallRef):
            continue
        for value in evaluator.evaluate(body.scope.calls[assign.value.index].func, body, assign.order):
            names = (
                value.cls.library_bases
                if isinstance(value, ClassValue)
                else (value.name,)
                if isinstance(value, Library)
                else ()
            )
            for name in names:
                if any(row.construct in _FIELDS for row in knowledge.schema_rows(name)):
                    yield from _model_beside(name, knowledge)


def _model_beside(name: str, knowledge: Knowledge) -> Iterator[str]:
    """The model class of the same distribution, when an inner Meta configures it (mapped classes name their table)."""
    own = knowledge.library_of(name)
    if own is None:
        return
    distributions = set(own.distributions or (own.library,))
    for library in knowledge.libraries:
        if distributions & set(library.distributions or (library.library,)):
            for row in library.schema:
                if row.construct == "model" and knowledge.schema_rows(f"{row.names[0]}.Meta.db_table"):
                    yield row.names[0]
