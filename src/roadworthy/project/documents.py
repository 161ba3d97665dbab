"""Records of content that give themselves a new id when none is passed, and the index writes that go by this id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.values import FunctionValue, Library

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

_CONTENT = frozenset({
    "text", "content", "page_content", "body", "embedding", "embeddings", "vector", "vectors", "chunk", "chunk_text", "raw_text", "markdown",
})  # fmt: skip
_IDS = frozenset({"id", "id_", "_id", "doc_id", "document_id", "node_id", "chunk_id", "uuid", "uid", "point_id"})
_INDEX_WRITES = (Effect.VECTOR_UPSERT, Effect.VECTOR_INSERT, Effect.SQL_UPSERT)
_FACTORIES = frozenset({"default_factory", "factory", "default"})


@dataclass(frozen=True, slots=True)
class DefaultId:
    """A class whose instances get a random id unless one is passed."""

    cls: ClassInfo
    name: str  # of the id
    content: str  # the field or parameter from which a stable id could be derived
    site: CallSite  # the call that makes the id, or the field that names the factory
    function: Function
    writes: tuple[EffectAt, ...]  # index writes whose functions handle this class


def default_ids(model: Model) -> Iterator[DefaultId]:
    """Every such class that reaches an index or a vector store of this project."""
    writers = [
        (effect, _handlers(model, effect))
        for effect in model.effects_of(*_INDEX_WRITES)
        if is_index_write(model, effect)
    ]
    for cls in model.symbols.classes if writers else ():
        if not model.is_reviewed(cls.path):
            continue
        made = _in_constructor(model, cls) or _in_fields(model, cls)
        if made is None:
            continue
        writes = tuple(effect for effect, handlers in writers if any(_speaks_of(fn, cls.name) for fn in handlers))
        if writes:
            name, content, site = made
            yield DefaultId(cls, name, content, site, site.function, writes)


def is_index_write(model: Model, effect: EffectAt) -> bool:
    """Vector stores and search indexes, which take records by id; no table of a database."""
    if effect.effect in {Effect.VECTOR_UPSERT, Effect.VECTOR_INSERT}:
        return True
    library = model.knowledge.library_of(effect.name)
    return effect.effect is Effect.SQL_UPSERT and library is not None and bool({"search", "vector"} & set(library.role))


def _handlers(model: Model, effect: EffectAt) -> list[Function]:
    """The function of a write, those that call it, and theirs."""
    found = [effect.function]
    for _ in range(2):
        found += [
            edge.caller for fn in found for edge in model.edges_to(fn) if edge.runs_here and edge.caller not in found
        ][:40]
    return found


def _speaks_of(function: Function, name: str) -> bool:
    """Is the class named in the signature, or made there?"""
    for param in function.scope.params:
        for part in flow.walk(param.annotation):
            if isinstance(part, f.Name) and part.id == name:
                return True
            if isinstance(part, f.Str | f.Other) and name in (part.value if isinstance(part, f.Str) else part.text):
                return True
    return any(isinstance(call.func, f.Name) and call.func.id == name for call in function.scope.calls)


def _in_constructor(model: Model, cls: ClassInfo) -> tuple[str, str, CallSite] | None:
    """`self.id = id or uuid4()`, also with if and else."""
    init = cls.methods.get("__init__")
    content = next((p.name for p in init.scope.params if p.name in _CONTENT), "") if init is not None else ""
    if init is None or not content:
        return None
    first = init.scope.params[0].name if init.scope.params else "self"
    for assign in init.scope.assigns:
        target = assign.target
        if (
            isinstance(target, f.Attr)
            and isinstance(target.value, f.Name)
            and target.value.id == first
            and target.name in _IDS
        ):
            for origin in model.origin(assign.value, init, assign.order):
                if origin.kind == "random" and origin.site is not None and origin.site.function is init:
                    return target.name, content, origin.site
    return None


def _in_fields(model: Model, cls: ClassInfo) -> tuple[str, str, CallSite] | None:
    """`id: str = field(default_factory=lambda: str(uuid4()))` in a dataclass or a model of values; tables have surrogate keys."""
    bindings = cls.body.bindings
    content = next((name for name in sorted(bindings) if name in _CONTENT), "")
    if not content or _is_table(cls):
        return None
    for name in sorted(_IDS & set(bindings)):
        for assign in bindings[name]:
            if isinstance(assign.value, f.CallRef):
                site = cls.body.calls[assign.value.index]
                if any(_makes_random(model, expr, cls.body) for key, expr in site.fact.kwargs if key in _FACTORIES):
                    return name, content, site
    return None


def _is_table(cls: ClassInfo) -> bool:
    names = {name for base in cls.mro for name in base.body.bindings}
    table = any(keyword == "table" for base in cls.mro for keyword, _ in base.body.scope.keywords)
    return (
        table
        or bool(names & {"__tablename__", "__table__"})
        or any("models.Model" in base for base in cls.library_bases)
    )


def _makes_random(model: Model, expr: f.Expr, scope: Function) -> bool:
    for value in model.values(expr, scope):
        if isinstance(value, Library) and any(
            Effect.RANDOM_VALUE.value in row.effects for row in model.knowledge.calls(value.name)
        ):
            return True
        if isinstance(value, FunctionValue) and model.effects_under(value.function, Effect.RANDOM_VALUE):
            return True
    return False
