"""What an annotation promises: instances of which types, and what dependency injection puts there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.values import (
    UNKNOWN,
    ClassValue,
    Container,
    FunctionValue,
    Instance,
    Library,
    LibraryObject,
    Value,
    Values,
    join,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, Function

_TYPING = ("typing.", "typing_extensions.", "collections.abc.", "types.")
_UNWRAPPED = frozenset({
    "Optional", "Union", "Annotated", "Final", "ClassVar", "Required", "NotRequired", "Awaitable", "Coroutine", "Mapped", "InitVar",
    "ReadOnly", "Generic",
})  # fmt: skip
_ITERABLE = {
    "List": "list", "list": "list", "Sequence": "list", "MutableSequence": "list", "Iterable": "iter", "Iterator": "iter", "Generator": "iter",
    "AsyncIterator": "iter", "AsyncIterable": "iter", "AsyncGenerator": "iter", "Collection": "list", "Set": "set", "set": "set",
    "FrozenSet": "set", "frozenset": "set", "AbstractSet": "set", "Tuple": "tuple", "tuple": "tuple", "deque": "list", "Deque": "list",
}  # fmt: skip
_MAPPING = frozenset({"Dict", "dict", "Mapping", "MutableMapping", "DefaultDict", "defaultdict", "OrderedDict"})
_CONTEXT = frozenset({"ContextManager", "AsyncContextManager", "AbstractContextManager", "AbstractAsyncContextManager"})
_VAGUE = frozenset(
    {"Any", "object", "None", "NoneType", "Callable", "TypeVar", "ParamSpec", "Self", "Literal", "Hashable"}
)


class AnnotationReader:
    """Reads annotations with the evaluator's names."""

    def __init__(self, evaluator: Evaluator) -> None:
        """`evaluator` resolves the names inside an annotation."""
        self._evaluator = evaluator

    def instances(self, expr: f.Expr | None, scope: Function, depth: int = 0) -> Values:
        """The values that a thing annotated with `expr` may have."""
        if expr is None or depth > 8:
            return UNKNOWN
        match expr:
            case f.Bin(op="|"):
                return join(self.instances(expr.left, scope, depth + 1), self.instances(expr.right, scope, depth + 1))
            case f.Sub():
                return self._generic(expr, scope, depth)
            case f.Name() | f.Attr():
                alias = self._evaluator.names.alias(expr, scope)
                if alias is not None:
                    return self.instances(alias[0], alias[1], depth + 1)
                return join(*(self._instance(v) for v in self._evaluator.evaluate(expr, scope)))
        return UNKNOWN

    def _generic(self, expr: f.Sub, scope: Function, depth: int) -> Values:
        name = _bare(expr.value)
        arguments = expr.index.items if isinstance(expr.index, f.Seq) else (expr.index,)
        if name in {"Type", "type"}:
            return tuple(
                ClassValue(v.cls) if isinstance(v, Instance) else Library(v.type)
                for v in self.instances(arguments[0], scope, depth + 1)
                if isinstance(v, Instance | LibraryObject)
            )
        if name in _UNWRAPPED:
            wanted = (
                arguments[:1]
                if name in {"Annotated", "Awaitable"}
                else arguments[-1:]
                if name == "Coroutine"
                else arguments
            )
            return join(*(self.instances(a, scope, depth + 1) for a in wanted))
        if name in _CONTEXT:
            return self.instances(arguments[0], scope, depth + 1)
        if name in _ITERABLE:
            wanted = arguments[:1] if _ITERABLE[name] == "iter" else arguments
            positions = tuple(self.instances(a, scope, depth + 1) for a in wanted)
            return (Container(_ITERABLE[name], join(*positions), positions if name in {"tuple", "Tuple"} else ()),)
        if name in _MAPPING:
            return (Container("dict", self.instances(arguments[-1], scope, depth + 1)),)
        return self.instances(expr.value, scope, depth + 1)

    def _instance(self, value: Value) -> Values:
        match value:
            case ClassValue():
                return (Instance(value.cls),)
            case Library(name=name):
                if name.rpartition(".")[2] in _VAGUE or (
                    name.startswith(_TYPING) and not self._evaluator.knowledge.type(name)
                ):
                    return UNKNOWN
                if name.startswith("builtins."):
                    return (
                        (Container(name[9:]),)
                        if name[9:] in {"list", "dict", "set", "tuple"}
                        else (LibraryObject(name),)
                    )
                return (LibraryObject(self._evaluator.knowledge.canonical(name)),)
            case Instance() | LibraryObject():
                return (value,)  # an alias such as `SessionDep = Annotated[Session, Depends(…)]` evaluated by value
        return UNKNOWN

    def is_self(self, expr: f.Expr) -> bool:
        """`-> Self` or `-> "OwnClass"` in a factory."""
        return _bare(expr) == "Self"

    def injected(self, param: f.Param, scope: Function) -> Values:
        """What `= Depends(f)` or `Annotated[T, Depends(f)]` puts into a parameter."""
        if param.default is not None:
            found = self._provided(param.default, scope)
            if found:
                return found
        annotation, where = param.annotation, scope
        if isinstance(annotation, f.Name | f.Attr):
            annotation, where = self._evaluator.names.alias(annotation, scope) or (annotation, scope)
        if (
            isinstance(annotation, f.Sub)
            and _bare(annotation.value) == "Annotated"
            and isinstance(annotation.index, f.Seq)
        ):
            for expr in annotation.index.items[1:]:
                found = self._provided(expr, where)
                if found:
                    return found
        return UNKNOWN

    def injections(self, function: Function) -> Iterator[CallSite]:
        """The calls in defaults and annotations of a function's parameters that dependency injection runs."""
        outer = function.parent
        if outer is None:
            return
        for param in function.scope.params:
            if isinstance(param.default, f.CallRef):
                yield outer.calls[param.default.index]
            annotation, where = param.annotation, outer
            if isinstance(annotation, f.Name | f.Attr):
                annotation, where = self._evaluator.names.alias(annotation, outer) or (annotation, outer)
            if (
                isinstance(annotation, f.Sub)
                and _bare(annotation.value) == "Annotated"
                and isinstance(annotation.index, f.Seq)
            ):
                for expr in annotation.index.items[1:]:
                    if isinstance(expr, f.CallRef):
                        yield where.calls[expr.index]

    def _provided(self, expr: f.Expr | None, scope: Function) -> Values:
        if not isinstance(expr, f.CallRef):
            return UNKNOWN
        site = scope.calls[expr.index]
        if _bare(site.fact.func) not in {"Depends", "Security", "Inject", "Provide"} or not site.fact.args:
            return UNKNOWN
        found: list[Values] = []
        for value in self._evaluator.evaluate(site.fact.args[0], scope):
            if isinstance(value, FunctionValue):
                function = value.function
                found.append(
                    self._evaluator.yields_of(function)
                    if function.scope.is_generator
                    else self._evaluator.returns_of(function)
                )
            elif isinstance(value, ClassValue):
                found.append((Instance(value.cls, site),))
        return join(*found)


def _bare(expr: f.Expr) -> str:
    """The last part of a possibly dotted name."""
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""
