"""What an expression is worth, across files. Unknown rather than a guess; memoised, bounded, safe against cycles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from roadworthy.facts import schema as f
from roadworthy.project.added import AddedAttributes
from roadworthy.project.annotations import AnnotationReader
from roadworthy.project.attributes import AttributeReader
from roadworthy.project.bindings import BindingReader
from roadworthy.project.implied import add_implied_bases
from roadworthy.project.imported import Imported
from roadworthy.project.iteration import IterationReader
from roadworthy.project.names import NameResolver
from roadworthy.project.narrowing import Narrowing
from roadworthy.project.orm import OrmReader
from roadworthy.project.results import CallReader
from roadworthy.project.sessions import SessionReader
from roadworthy.project.symbols import ClassInfo, Function
from roadworthy.project.telltales import Telltales
from roadworthy.project.values import (
    UNKNOWN,
    ClassValue,
    Container,
    FunctionValue,
    Instance,
    Library,
    LibraryObject,
    Literal,
    Values,
    join,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from roadworthy.facts.schema import AuxFacts
    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.bindings import Callers
    from roadworthy.project.handed import Handed
    from roadworthy.project.symbols import ClassInfo, Function, Symbols

    _Key = tuple[str | int, int | None, int]
    _Ask = Callable[[Any, Function, int | None], Values]

DEPTH = 60
_STORES = 8  # places that put something into a mapping

_PROPERTY = frozenset({
    "builtins.property", "functools.cached_property", "django.utils.functional.cached_property", "werkzeug.utils.cached_property",
    "abc.abstractproperty", "functools.lru_cache.property",
})  # fmt: skip
_CONTEXT_MANAGER = frozenset({"contextlib.contextmanager", "contextlib.asynccontextmanager"})


class Evaluator:
    """Answers "what may this expression be" for any expression of any scope."""

    def __init__(self, symbols: Symbols, knowledge: Knowledge, around: Sequence[AuxFacts] = ()) -> None:
        """Bases of classes are resolved here, since they are expressions themselves; `around` names plug-ins."""
        self.symbols = symbols
        self.knowledge = knowledge
        self.names = NameResolver(symbols, knowledge, self)
        self.annotations = AnnotationReader(self)
        self.orm = OrmReader(self)
        self.sessions = SessionReader(self)
        self.telltales = Telltales(self)
        self._attributes = AttributeReader(self)
        self._added = AddedAttributes(self)
        self.imported = Imported(self, around)
        self._results = CallReader(self)
        self._iteration = IterationReader(self)
        self._bindings = BindingReader(self)
        self._narrowing = Narrowing(self)
        self.attribute = self._attributes.attribute
        self.call_member = self._attributes.call_member
        self.callees = self._results.callees
        self.call_result = self._results.call_result
        self.library_result = self._results.library_result
        self.model_of = self._results.model_of
        self.items = self._iteration.items
        self.entered = self._iteration.entered
        self.returns_of = self._iteration.returns_of
        self.yields_of = self._iteration.yields_of
        self.assigned = self._bindings.assigned
        self.parameter = self._bindings.parameter
        self._ask = self._questions()
        self.doubt = False  # does the answer that is being found hang on what a later round knows better: callers, a cycle that was cut?
        self._lasting: dict[_Key, Values] = {}
        self._passing: dict[_Key, Values] = {}
        self._busy: set[_Key] = set()
        self._depth = 0
        self._decorators: dict[Function, tuple[str, ...]] = {}
        for cls in symbols.classes:
            self._resolve_bases(cls)
        for cls in symbols.classes:
            self._resolve_interfaces(cls)
        self._forget()
        # a base may itself be an attribute of an instance whose class had no bases yet: `class Order(db.Model)`
        for cls in symbols.classes:
            if len(cls.bases) < len(cls.body.scope.bases):
                self._resolve_bases(cls)
        self._forget()
        if add_implied_bases(self, symbols, knowledge):
            self._forget()

    # --- set-up -------------------------------------------------------------------------------------------------------

    def _forget(self) -> None:
        self._lasting.clear()
        self._iteration.forget(everything=True)
        self.names.forget(everything=True)
        self._forget_passing()
        for cls in self.symbols.classes:
            for name in ("mro", "library_bases", "descendants"):
                cls.__dict__.pop(name, None)

    def _forget_passing(self) -> None:
        """More is known of callers: answers that do not hang on them stay."""
        self._passing.clear()
        self._iteration.forget()
        self.names.forget()
        self.orm.forget()
        self.sessions.forget()

    def _resolve_bases(self, cls: ClassInfo) -> None:
        scope = cls.body.scope
        outer = cls.body.parent
        found: list[ClassInfo | str] = []
        for base in scope.bases:
            expr = base.value if isinstance(base, f.Sub) else base
            for value in self.evaluate(expr, outer) if outer else UNKNOWN:
                if isinstance(value, ClassValue) and value.cls is not cls:
                    found.append(value.cls)
                    if cls not in value.cls.subclasses:
                        value.cls.subclasses.append(cls)
                elif isinstance(value, Library):
                    found.append(value.name)
                elif isinstance(value, LibraryObject):
                    found.append(value.type)
        found.extend(self._bases_by_decorator(cls))
        cls.bases = tuple(found)
        cls.__dict__.pop("mro", None)

    def _bases_by_decorator(self, cls: ClassInfo) -> Iterator[str]:
        """`@as_declarative()`: the mapper makes the class one of rows."""
        outer = cls.body.parent
        for expr in cls.body.scope.decorators if outer is not None else ():
            func = outer.scope.calls[expr.index].func if outer is not None and isinstance(expr, f.CallRef) else expr
            for value in self.evaluate(func, outer) if outer is not None else UNKNOWN:
                if isinstance(value, Library):
                    rows = self.knowledge.schema_rows(value.name)
                    yield from (row.names[0] for row in rows[:1] if row.construct == "model")

    def _resolve_interfaces(self, cls: ClassInfo) -> None:
        """`@implementer(IMailer)`: the class stands in for the methods that the interface only names."""
        outer = cls.body.parent
        for expr in cls.body.scope.decorators if outer is not None else ():
            if isinstance(expr, f.CallRef) and outer is not None:
                call = outer.scope.calls[expr.index]
                if isinstance(call.func, f.Name | f.Attr) and _last_name(call.func) == "implementer":
                    for arg in call.args:
                        for value in self.evaluate(arg, outer):
                            if isinstance(value, ClassValue) and cls not in value.cls.subclasses:
                                value.cls.subclasses.append(cls)

    def use_callers(self, callers: Callers) -> None:
        """From now on an unannotated parameter is worth what its callers pass. The flag says that the receiver is implicit."""
        self._bindings.use_callers(callers)
        self._forget_passing()

    def use_handed(self, handed: Handed) -> None:
        """From now on it is also worth what is handed along to be passed."""
        self._bindings.use_handed(handed)
        self._forget_passing()

    # --- expressions --------------------------------------------------------------------------------------------------

    def evaluate(self, expr: f.Expr, scope: Function, order: int | None = None) -> Values:
        """The possible values of `expr` in `scope` (for names: as of event `order`; None: at the end)."""
        kind = type(expr)
        if kind is f.Str or kind is f.Const:
            return (Literal(expr.value),)  # type: ignore[union-attr, arg-type]
        ask = self._ask.get(kind)
        if ask is None:
            return UNKNOWN
        key = (expr.id, order, id(scope)) if kind is f.Name else (id(expr), None, id(scope))  # type: ignore[union-attr]
        known = self._lasting.get(key)
        if known is not None:
            return known
        known = self._passing.get(key)
        if known is not None or key in self._busy or self._depth > DEPTH:
            self.doubt = True
            return known or UNKNOWN
        before, self.doubt = self.doubt, False
        self._busy.add(key)
        self._depth += 1
        try:
            result = ask(expr, scope, order)
        except (
            RecursionError
        ):  # definitions that go round in a way nobody has thought of: one must not cost a whole review
            if self._depth > 1:
                raise
            return UNKNOWN
        finally:
            self._busy.discard(key)
            self._depth -= 1
        if self.doubt:
            self._passing[key] = result
        else:
            self._lasting[key] = result
            self.doubt = before
        return result

    def _questions(self) -> dict[type, _Ask]:
        """How each kind of expression is evaluated; of kinds that are not named nothing is known."""
        return {
            f.Name: lambda expr, scope, order: (
                self.names.lookup(expr.id, scope, order) or self._narrowing.of(expr.id, scope, order)
            ),
            f.Attr: self._attribute,
            f.CallRef: lambda expr, scope, _: self.call_result(scope.calls[expr.index]),
            f.Await: lambda expr, scope, order: self.evaluate(expr.value, scope, order),
            f.Star: lambda expr, scope, order: self.evaluate(expr.value, scope, order),
            f.Walrus: lambda expr, scope, order: self.evaluate(expr.value, scope, order),
            f.IfExp: lambda expr, scope, order: join(
                self.evaluate(expr.body, scope, order), self.evaluate(expr.orelse, scope, order)
            ),
            f.BoolOp: lambda expr, scope, order: join(*[self.evaluate(item, scope, order) for item in expr.items]),
            f.Seq: self._sequence,
            f.Dict: lambda expr, scope, order: (self._dict(expr, scope, order),),
            f.Comp: lambda expr, scope, order: (Container(expr.kind, self.evaluate(expr.element, scope, order)),),
            f.Sub: self._subscript,
            f.LambdaRef: lambda expr, scope, _: (FunctionValue(scope.module.functions[expr.scope]),),
            f.Bin: self._operation,
            f.FStr: self._formatted,
        }

    def _attribute(self, expr: f.Attr, scope: Function, order: int | None) -> Values:
        owners = self.evaluate(expr.value, scope, order)
        found = join(*[self.attribute(value, expr.name) for value in owners])
        if _is_known(found):
            return found
        loaded = self.imported.plug_ins(owners, expr.name) or self.imported.option(expr.name)
        return join(self._added.of(expr.value, expr.name), loaded, found)

    def _sequence(self, expr: f.Seq, scope: Function, order: int | None) -> Values:
        positions = tuple([self.evaluate(item, scope, order) for item in expr.items[:40]])
        return (Container(expr.kind, join(*positions), positions),)

    def _operation(self, expr: f.Bin, scope: Function, order: int | None) -> Values:
        if expr.op == "+":
            return self._concatenation(expr, scope, order)
        if expr.op != "/":
            return UNKNOWN
        # a path below a path; numbers are not followed
        return tuple(
            value
            for value in self.evaluate(expr.left, scope, order)
            if isinstance(value, LibraryObject) and not value.type.startswith("builtins.")
        )

    def _dict(self, expr: f.Dict, scope: Function, order: int | None) -> Container:
        keys = []
        for key, value in expr.items[:60]:
            values = self.evaluate(value, scope, order)
            literal = self.literal(key, scope) if key is not None else None
            keys.append((str(literal) if literal is not None else "", values))
        return Container("dict", join(*(values for _, values in keys)), keys=tuple(keys))

    def _subscript(self, expr: f.Sub, scope: Function, order: int | None) -> Values:
        index = self.literal(expr.index, scope)
        stored = self._stored(expr.value, index, scope, order)
        if stored:
            return stored
        found: list[Values] = []
        for value in self.evaluate(expr.value, scope, order):
            match value:
                case Container(kind="dict", keys=keys) if index is not None and any(k == str(index) for k, _ in keys):
                    found.extend(values for key, values in keys if key == str(index))
                case Container(positions=positions) if isinstance(index, int) and -len(positions) <= index < len(
                    positions
                ):
                    found.append(positions[index])
                case Container():
                    found.append(value.items)
                case ClassValue() | FunctionValue():
                    found.append((value,))  # Generic[T]
                case Library():
                    made = self.knowledge.type_from_call(f"{value.name}.__getitem__")
                    found.append((LibraryObject(made),) if made is not None else (value,))
                case LibraryObject():
                    found.append(self.call_member(value, "__getitem__", None))
                case Instance():
                    method = value.cls.find_method("__getitem__")
                    found.append(self.returns_of(method) if method else UNKNOWN)
        return join(*found)

    def _stored(
        self, owner: f.Expr, index: str | int | float | bool | None, scope: Function, order: int | None
    ) -> Values:
        """`d["a"] = f` earlier in the same scope: the last one wins."""
        if not isinstance(owner, f.Name) or index is None:
            return UNKNOWN
        for assign in reversed(scope.scope.assigns):
            target = assign.target
            if not (isinstance(target, f.Sub) and isinstance(target.value, f.Name) and target.value.id == owner.id):
                continue
            earlier = order is None or assign.order < order
            if earlier and assign.value is not None and assign.op == "=" and self.literal(target.index, scope) == index:
                return self.evaluate(assign.value, scope, assign.order)
        return UNKNOWN

    def filled(self, values: Values, stored: list[tuple[Function, f.Assign]]) -> Values:
        """`clients = {}`, filled later by `clients[name] = …`: a mapping that starts empty holds what is put into it."""
        if not stored or not any(_is_empty_mapping(value) for value in values):
            return values
        items = join(*(
            self.evaluate(assign.value, scope, assign.order)
            for scope, assign in stored[:_STORES] if assign.value is not None and assign.op == "="
        ))  # fmt: skip
        return tuple(Container("dict", items) if _is_empty_mapping(value) else value for value in values)

    def _concatenation(self, expr: f.Bin, scope: Function, order: int | None) -> Values:
        left, right = self.literal(expr.left, scope), self.literal(expr.right, scope)
        if isinstance(left, str) and isinstance(right, str):
            return (Literal(left + right),)
        return join(*(
            tuple(v for v in self.evaluate(side, scope, order) if isinstance(v, Container)) for side in (expr.left, expr.right)
        ))  # fmt: skip

    def _formatted(self, expr: f.FStr, scope: Function, order: int | None) -> Values:
        parts = [self.evaluate(part, scope, order) for part in expr.parts]
        texts = [str(p[0].value) for p in parts if len(p) == 1 and isinstance(p[0], Literal)]
        return (Literal("".join(texts)),) if len(texts) == len(parts) else UNKNOWN

    def literal(self, expr: f.Expr | None, scope: Function) -> str | int | float | bool | None:
        """The one literal that an expression is worth; None when it is not known or is None."""
        if expr is None:
            return None
        values = self.evaluate(expr, scope)
        return values[0].value if len(values) == 1 and isinstance(values[0], Literal) else None

    # --- decorators ---------------------------------------------------------------------------------------------------

    def decorators_of(self, function: Function) -> tuple[str, ...]:
        """Dotted library names of a function's decorators (a call counts as what it calls)."""
        known = self._decorators.get(function)
        if known is None:
            outer = function.parent
            names: dict[str, None] = {}
            for expr in function.scope.decorators if outer is not None else ():
                for value in self.decorator_values(expr, outer) if outer is not None else ():
                    if isinstance(value, Library):
                        names[value.name] = None
            known = self._decorators[function] = tuple(names)
        return known

    def decorator_values(self, expr: f.Expr, outer: Function) -> Values:
        """What a decorator expression names; `@a.b(…)` is a.b."""
        if isinstance(expr, f.CallRef):
            return self.callees(outer.calls[expr.index])
        return self.evaluate(expr, outer)

    def is_property(self, function: Function) -> bool:
        """Read like an attribute."""
        names = self.decorators_of(function)
        return any(name in _PROPERTY or name.endswith((".setter", ".cached_property")) for name in names)

    def is_context_manager(self, function: Function) -> bool:
        """A generator that `@contextmanager` makes into a context manager."""
        return any(name in _CONTEXT_MANAGER for name in self.decorators_of(function))

    def is_static(self, function: Function) -> bool:
        """`@staticmethod`."""
        return "builtins.staticmethod" in self.decorators_of(function)

    def is_classmethod(self, function: Function) -> bool:
        """`@classmethod`, or a hook that is one by definition."""
        return "builtins.classmethod" in self.decorators_of(function) or function.name in {
            "__new__",
            "__init_subclass__",
            "__class_getitem__",
        }


def _last_name(expr: f.Name | f.Attr) -> str:
    return expr.id if isinstance(expr, f.Name) else expr.name


def _is_known(values: Values) -> bool:
    """More than the dotted path of something whose nature is unknown?"""
    return any(not isinstance(value, Library) for value in values)


def _is_empty_mapping(value: object) -> bool:
    return isinstance(value, Container) and value.kind == "dict" and not value.items
