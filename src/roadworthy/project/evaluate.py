"""What an expression is worth, across files. Unknown rather than a guess; memoised, bounded, safe against cycles."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.annotations import AnnotationReader
from roadworthy.project.implied import add_implied_bases
from roadworthy.project.names import NameResolver
from roadworthy.project.symbols import CallSite, ClassInfo, Function, bound_names
from roadworthy.project.values import (
    UNKNOWN,
    ClassValue,
    Container,
    FunctionValue,
    Instance,
    Library,
    LibraryObject,
    Literal,
    Partial,
    ProjectModule,
    Value,
    Values,
    join,
)

if TYPE_CHECKING:
    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.symbols import Symbols

DEPTH = 60

# Calls of the language itself that hand their argument on. These are the language's semantics, not library knowledge.
_PASSES_FIRST = frozenset({
    "contextlib.closing", "contextlib.aclosing", "contextlib.nullcontext", "copy.copy", "copy.deepcopy", "builtins.iter",
    "builtins.list", "builtins.tuple", "builtins.set", "builtins.sorted", "builtins.reversed", "builtins.frozenset",
    "asyncio.shield", "asyncio.wait_for", "asyncio.create_task", "asyncio.ensure_future", "builtins.aiter",
    "contextvars.ContextVar", "weakref.proxy", "typing.NewType",
})  # fmt: skip
_PASSES_SECOND = frozenset({"typing.cast", "typing_extensions.cast"})
_ITEM_OF_FIRST = frozenset({"builtins.next", "builtins.anext", "builtins.max", "builtins.min", "random.choice"})
_PROPERTY = frozenset({
    "builtins.property", "functools.cached_property", "django.utils.functional.cached_property", "werkzeug.utils.cached_property",
    "abc.abstractproperty", "functools.lru_cache.property",
})  # fmt: skip
_CONTEXT_MANAGER = frozenset({"contextlib.contextmanager", "contextlib.asynccontextmanager"})


class Evaluator:
    """Answers "what may this expression be" for any expression of any scope."""

    def __init__(self, symbols: Symbols, knowledge: Knowledge) -> None:
        """Bases of classes are resolved here, since they are expressions themselves."""
        self.symbols = symbols
        self.knowledge = knowledge
        self.names = NameResolver(symbols, knowledge, self)
        self.annotations = AnnotationReader(self)
        self._memo: dict[tuple[int, int], Values] = {}
        self._returns: dict[Function, Values] = {}
        self._busy: set[tuple[int, int]] = set()
        self._busy_functions: set[tuple[str, int]] = set()
        self._depth = 0
        self._callers: dict[Function, list[tuple[CallSite, bool]]] | None = None
        self._decorators: dict[Function, tuple[str, ...]] = {}
        for cls in symbols.classes:
            self._resolve_bases(cls)
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
        self._memo.clear()
        self._returns.clear()
        self.names.forget()
        for cls in self.symbols.classes:
            for name in ("mro", "library_bases", "descendants"):
                cls.__dict__.pop(name, None)

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
        cls.bases = tuple(found)
        cls.__dict__.pop("mro", None)

    def use_callers(self, callers: dict[Function, list[tuple[CallSite, bool]]]) -> None:
        """From now on an unannotated parameter is worth what its callers pass. The flag says that the receiver is implicit."""
        self._callers = callers
        self._forget()

    # --- expressions --------------------------------------------------------------------------------------------------

    def evaluate(self, expr: f.Expr, scope: Function, order: int | None = None) -> Values:
        """The possible values of `expr` in `scope` (for names: as of event `order`; None: at the end)."""
        kind = type(expr)
        if kind is f.Str or kind is f.Const:
            return (Literal(expr.value),)  # type: ignore[union-attr]
        if kind is f.Other:
            return UNKNOWN
        key = (id(expr), id(scope)) if kind is not f.Name else (hash((expr.id, order)), id(scope))  # type: ignore[union-attr]
        known = self._memo.get(key)
        if known is not None:
            return known
        if key in self._busy or self._depth > DEPTH:
            return UNKNOWN
        self._busy.add(key)
        self._depth += 1
        try:
            result = self._dispatch(expr, scope, order)
        finally:
            self._busy.discard(key)
            self._depth -= 1
        self._memo[key] = result
        return result

    def _dispatch(self, expr: f.Expr, scope: Function, order: int | None) -> Values:
        match expr:
            case f.Name():
                return self.names.lookup(expr.id, scope, order)
            case f.Attr():
                return join(*(self.attribute(value, expr.name) for value in self.evaluate(expr.value, scope, order)))
            case f.CallRef():
                return self.call_result(scope.calls[expr.index])
            case f.Await() | f.Star():
                return self.evaluate(expr.value, scope, order)
            case f.Walrus():
                return self.evaluate(expr.value, scope, order)
            case f.IfExp():
                return join(self.evaluate(expr.body, scope, order), self.evaluate(expr.orelse, scope, order))
            case f.BoolOp():
                return join(*(self.evaluate(item, scope, order) for item in expr.items))
            case f.Seq():
                positions = tuple(self.evaluate(item, scope, order) for item in expr.items[:40])
                return (Container(expr.kind, join(*positions), positions),)
            case f.Dict():
                return (self._dict(expr, scope, order),)
            case f.Comp():
                return (Container(expr.kind, self.evaluate(expr.element, scope, order)),)
            case f.Sub():
                return self._subscript(expr, scope, order)
            case f.LambdaRef():
                return (FunctionValue(scope.module.functions[expr.scope]),)
            case f.Bin() if expr.op == "+":
                return self._concatenation(expr, scope, order)
            case f.FStr():
                return self._formatted(expr, scope, order)
        return UNKNOWN

    def _dict(self, expr: f.Dict, scope: Function, order: int | None) -> Container:
        keys = []
        for key, value in expr.items[:60]:
            values = self.evaluate(value, scope, order)
            literal = self.literal(key, scope) if key is not None else None
            keys.append((str(literal) if literal is not None else "", values))
        return Container("dict", join(*(values for _, values in keys)), keys=tuple(keys))

    def _subscript(self, expr: f.Sub, scope: Function, order: int | None) -> Values:
        index = self.literal(expr.index, scope)
        found: list[Values] = []
        for value in self.evaluate(expr.value, scope, order):
            match value:
                case Container(kind="dict", keys=keys) if index is not None and any(k == str(index) for k, _ in keys):
                    found.extend(values for key, values in keys if key == str(index))
                case Container(positions=positions) if isinstance(index, int) and -len(positions) <= index < len(positions):
                    found.append(positions[index])
                case Container():
                    found.append(value.items)
                case ClassValue() | FunctionValue():
                    found.append((value,))  # Generic[T]
                case Library():
                    found.append(self._made_by(f"{value.name}.__getitem__()", None, None) or (value,))
                case LibraryObject():
                    found.append(self._call_member(value, "__getitem__", None))
                case Instance():
                    method = value.cls.find_method("__getitem__")
                    found.append(self.returns_of(method) if method else UNKNOWN)
        return join(*found)

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

    # --- attributes ---------------------------------------------------------------------------------------------------

    def attribute(self, value: Value, name: str) -> Values:
        """The values of `value.name`."""
        match value:
            case ProjectModule():
                return self.names.member(value.module, name)
            case ClassValue():
                return self._class_attribute(value.cls, name, value)
            case Instance():
                return self._instance_attribute(value, name)
            case Library():
                return self._library_attribute(value, name)
            case LibraryObject():
                return self._object_attribute(value, name)
            case FunctionValue():
                return self._function_attribute(value, name)
            case Container(kind="dict", keys=keys):
                return join(*(values for key, values in keys if key == name)) or (Library(f"builtins.dict.{name}", value),)
            case Container():
                return (Library(f"builtins.{value.kind}.{name}", value),)
            case Literal(value=text) if isinstance(text, str):
                return (Library(f"builtins.str.{name}", value),)
        return UNKNOWN

    def _class_attribute(self, cls: ClassInfo, name: str, owner: Value) -> Values:
        for ancestor in cls.mro:
            if name in ancestor.methods:
                method = ancestor.methods[name]
                if self.is_property(method) and isinstance(owner, Instance):
                    return self.returns_of(method)
                return self._bound_methods(cls, method, owner)
            inner = ancestor.body.children.get(name)
            if inner and inner[-1].kind == "class" and inner[-1].cls:
                return (ClassValue(inner[-1].cls),)
            assigns = ancestor.attribute_assigns.get(name)
            if assigns:
                found = self._from_assigns(assigns)
                if found:
                    return found
        return self._inherited(cls, name, owner)

    def _bound_methods(self, cls: ClassInfo, method: Function, owner: Value) -> Values:
        """The method itself; for an abstract or empty one also its overrides (bounded)."""
        found: Values = (FunctionValue(method, owner),)
        if flow.is_stub(method.scope):
            overrides = tuple(
                FunctionValue(sub.methods[method.name], owner) for sub in cls.descendants if method.name in sub.methods
            )
            return join(overrides, found) if overrides else found
        return found

    def _inherited(self, cls: ClassInfo, name: str, owner: Value) -> Values:
        found: list[Value] = []
        for base in cls.library_bases:
            dotted = self.knowledge.member(base, name)
            made = self._made_by(dotted, None, cls)
            if made:
                return made
            found.append(Library(dotted, owner))
        known = [v for v in found if isinstance(v, Library) and self.knowledge.knows(v.name)]
        return tuple((known or found)[:1])

    def _from_assigns(self, assigns: list[tuple[Function, f.Assign]]) -> Values:
        groups = []
        for scope, assign in assigns[:12]:
            if assign.value is not None and assign.op not in {"+=", "-=", "|="}:
                groups.append(self.assigned(assign, None, scope))
            if assign.annotation is not None:
                groups.append(self.annotations.instances(assign.annotation, scope))
        values = join(*groups)
        concrete = tuple(v for v in values if not (isinstance(v, Literal) and v.value is None))
        return concrete or values

    def _instance_attribute(self, value: Instance, name: str) -> Values:
        if name == "__class__":
            return (ClassValue(value.cls),)
        found = self._class_attribute(value.cls, name, value)
        if found:
            return found
        # an attribute that only subclasses set (mix-ins, template methods)
        for sub in value.cls.descendants[:20]:
            if name in sub.methods:
                return (FunctionValue(sub.methods[name], value),)
            if name in sub.attribute_assigns:
                return self._from_assigns(sub.attribute_assigns[name])
        return UNKNOWN

    def _library_attribute(self, value: Library, name: str) -> Values:
        dotted = self.knowledge.canonical(f"{value.name}.{name}")
        made = self._made_by(dotted, None, None)
        if made:
            return made
        if self.knowledge.type(value.name) is not None:
            dotted = self.knowledge.member(value.name, name)
            made = self._made_by(dotted, None, None)
            if made:
                return made
        return (Library(dotted),)

    def _object_attribute(self, value: LibraryObject, name: str) -> Values:
        dotted = self.knowledge.member(value.type, name)
        made = self._made_by(dotted, value.site, value.model)
        return made or (Library(dotted, value),)

    def _function_attribute(self, value: FunctionValue, name: str) -> Values:
        """`task.delay`: an attribute of what a library decorator made of the function."""
        for decorator in self.decorators_of(value.function):
            made = self.knowledge.type_from_call(decorator)
            if made is not None:
                return (Library(self.knowledge.member(made, name), value),)
        return UNKNOWN

    def _made_by(self, origin: str, site: CallSite | None, model: ClassInfo | None) -> Values:
        """An attribute or module-level object that a library file gives a type."""
        made = self.knowledge.type_from_attribute(origin)
        return (LibraryObject(made, site, model),) if made is not None else UNKNOWN

    def _call_member(self, value: LibraryObject, method: str, site: CallSite | None) -> Values:
        dotted = self.knowledge.member(value.type, method)
        return self.library_result(Library(dotted, value), site)

    # --- calls --------------------------------------------------------------------------------------------------------

    def callees(self, site: CallSite) -> Values:
        """What a call calls."""
        return self.evaluate(site.fact.func, site.function, site.fact.order)

    def call_result(self, site: CallSite) -> Values:
        """What a call returns (awaited when it is a coroutine)."""
        super_value = self._super(site)
        if super_value:
            return super_value
        found = []
        for callee in self.callees(site):
            found.append(self._result(callee, site))
        return join(*found)

    def _super(self, site: CallSite) -> Values:
        func = site.fact.func
        if isinstance(func, f.Name) and func.id == "super" and site.function.cls is not None:
            return (_Super.of(site.function.cls),)
        return UNKNOWN

    def _result(self, callee: Value, site: CallSite) -> Values:
        match callee:
            case ClassValue():
                return (Instance(callee.cls, site),)
            case FunctionValue():
                return self._function_result(callee, site)
            case Library():
                return self.library_result(callee, site)
            case Partial():
                return self._result(callee.target, site)
            case Instance():
                method = callee.cls.find_method("__call__")
                return self.returns_of(method) if method else UNKNOWN
            case LibraryObject():
                return self._call_member(callee, "__call__", site)
        return UNKNOWN

    def _function_result(self, callee: FunctionValue, site: CallSite) -> Values:
        function = callee.function
        if function.name == "__new__" and function.cls:
            return (Instance(function.cls, site),)
        values = self.returns_of(function)
        if not values and function.scope.returns is not None and isinstance(callee.receiver, ClassValue | Instance):
            return (Instance(callee.receiver.cls, site),) if self.annotations.is_self(function.scope.returns) else UNKNOWN
        if len(values) == 1 and isinstance(callee.receiver, Instance | ClassValue) and isinstance(values[0], Instance):
            # `cls(…)` in an inherited factory makes the receiver's class
            made = values[0]
            if made.cls in callee.receiver.cls.mro and made.cls is function.cls:
                return (Instance(callee.receiver.cls, made.site),)
        return values

    def library_result(self, callee: Library, site: CallSite | None) -> Values:
        """What a call of a library function or class returns."""
        name = callee.name
        args = site.fact.args if site else ()
        if site is not None:
            if (name in _PASSES_FIRST and args) or (name in _PASSES_SECOND and len(args) > 1):
                passed = self._passed(name, args, site)
                if passed:
                    return passed
            elif name in _ITEM_OF_FIRST and args:
                return self.items(self.evaluate(args[0], site.function, site.fact.order), site.function)
            elif name in {"builtins.getattr"} and len(args) > 1:
                attr = self.literal(args[1], site.function)
                if isinstance(attr, str):
                    return join(*(self.attribute(v, attr) for v in self.evaluate(args[0], site.function, site.fact.order)))
            elif name in {"functools.partial", "functools.partialmethod"} and args:
                return tuple(Partial(v, site) for v in self.evaluate(args[0], site.function, site.fact.order))
            elif name == "builtins.type" and len(args) == 1:
                return self._type_of(args[0], site)
            elif name in {"builtins.dict.get", "builtins.dict.pop", "builtins.dict.setdefault"} and isinstance(callee.receiver, Container):
                return callee.receiver.items
            elif name in {"builtins.dict.values"} and isinstance(callee.receiver, Container):
                return (Container("iter", callee.receiver.items),)
        return self._typed_result(callee, site)

    def _passed(self, name: str, args: tuple[f.Expr, ...], site: CallSite) -> Values:
        if name in _PASSES_SECOND:
            return join(self.evaluate(args[1], site.function, site.fact.order), self.annotations.instances(args[0], site.function))
        return self.evaluate(args[0], site.function, site.fact.order)

    def _type_of(self, arg: f.Expr, site: CallSite) -> Values:
        return tuple(
            ClassValue(v.cls) if isinstance(v, Instance) else Library(v.type)
            for v in self.evaluate(arg, site.function, site.fact.order)
            if isinstance(v, Instance | LibraryObject)
        )

    def _typed_result(self, callee: Library, site: CallSite | None) -> Values:
        model = self._model_of(callee, site)
        literals = tuple(self.literal(a, site.function) for a in site.fact.args[:1]) if site else ()
        first = literals[0] if literals and isinstance(literals[0], str) else None
        made = self.knowledge.type_from_call(callee.name, first)
        if made == "self":
            receiver = callee.receiver
            if isinstance(receiver, LibraryObject):
                return (LibraryObject(receiver.type, receiver.site, receiver.model or model),)
            return (receiver,) if receiver is not None else UNKNOWN
        if made == "{model}":
            return (Instance(model, site),) if model is not None else UNKNOWN
        if made is not None:
            return (LibraryObject(made, site, model),)
        return UNKNOWN

    def _model_of(self, callee: Library, site: CallSite | None) -> ClassInfo | None:
        """The project class that an ORM call is about: the receiver's, or a class among the arguments."""
        match callee.receiver:
            case LibraryObject(model=model) if model is not None:
                return model
            case ClassValue(cls=cls) | Instance(cls=cls):
                return cls
        if site is not None:
            for arg in site.fact.args[:2]:
                for value in self.evaluate(arg, site.function, site.fact.order):
                    if isinstance(value, ClassValue):
                        return value.cls
                    if isinstance(value, LibraryObject) and value.model is not None:
                        return value.model
        return None

    # --- iteration, entering, returning -------------------------------------------------------------------------------

    def items(self, values: Values, scope: Function) -> Values:
        """What iterating over these values gives."""
        found: list[Values] = []
        for value in values:
            match value:
                case Container():
                    found.append(value.items)
                case LibraryObject():
                    made = self.knowledge.type_from_iter(value.type)
                    if made == "{model}" or (made is None and value.model is not None):
                        found.append((Instance(value.model),) if value.model else UNKNOWN)
                    elif made is not None:
                        found.append((LibraryObject(made, value.site, value.model),))
                case Instance():
                    found.append(self._items_of_instance(value))
        return join(*found)

    def _items_of_instance(self, value: Instance) -> Values:
        found: list[Values] = []
        for name in ("__iter__", "__aiter__"):
            method = value.cls.find_method(name)
            if method is not None:
                found.append(self.yields_of(method))
                iterators = tuple(v for v in self.returns_of(method) if isinstance(v, Container | LibraryObject))
                found.append(self.items(iterators, method))
        for name in ("__next__", "__anext__"):
            method = value.cls.find_method(name)
            if method is not None:
                found.append(self.returns_of(method))
        return join(*found)

    def entered(self, expr: f.Expr, scope: Function, order: int | None = None) -> Values:
        """What `with expr as x` binds."""
        if isinstance(expr, f.Await):
            expr = expr.value
        if isinstance(expr, f.CallRef):
            yielded = self._entered_call(scope.calls[expr.index])
            if yielded:
                return yielded
        found: list[Values] = []
        for value in self.evaluate(expr, scope, order):
            found.append(self._entered_value(value))
        return join(*found)

    def _entered_call(self, site: CallSite) -> Values:
        found: list[Values] = []
        for callee in self.callees(site):
            if isinstance(callee, FunctionValue) and self.is_context_manager(callee.function):
                found.append(self.yields_of(callee.function))
            elif isinstance(callee, Library):
                made = self.knowledge.type_from_with(callee.name)
                if made is not None:
                    found.append((LibraryObject(made, site, self._model_of(callee, site)),))
        return join(*found)

    def _entered_value(self, value: Value) -> Values:
        if isinstance(value, Instance):
            for name in ("__enter__", "__aenter__"):
                method = value.cls.find_method(name)
                if method is not None:
                    return self.returns_of(method) or (value,)
            return (value,)
        if isinstance(value, LibraryObject):
            made = self.knowledge.type_from_with(value.type)
            if made is not None and made != "self":
                return (LibraryObject(made, value.site, value.model),)
        return (value,)

    def returns_of(self, function: Function) -> Values:
        """What calling a function gives (a coroutine: awaited; a generator: the iterator)."""
        known = self._returns.get(function)
        if known is not None:
            return known
        key = ("returns", id(function))
        if key in self._busy_functions or len(self._busy_functions) > 40:
            return UNKNOWN
        self._busy_functions.add(key)
        try:
            result = self._compute_returns(function)
        finally:
            self._busy_functions.discard(key)
        self._returns[function] = result
        return result

    def _compute_returns(self, function: Function) -> Values:
        if function.scope.is_generator:
            return (Container("iter", self.yields_of(function)),)
        found = [
            self.evaluate(leave.value, function, leave.order)
            for leave in function.scope.leaves
            if leave.kind == "return" and leave.value is not None
        ]
        values = tuple(v for v in join(*found) if not (isinstance(v, Literal) and v.value is None))
        informative = tuple(v for v in values if not (isinstance(v, Library) and v.receiver is None))
        if informative:
            return values
        annotated = self.annotations.instances(function.scope.returns, function) if function.scope.returns else UNKNOWN
        return annotated or values

    def yields_of(self, function: Function) -> Values:
        """What a generator yields, also through `yield from`."""
        found: list[Values] = []
        for leave in function.scope.leaves:
            if leave.kind == "yield" and leave.value is not None:
                found.append(self.evaluate(leave.value, function, leave.order))
        values = join(*found)
        if not values and function.scope.returns is not None:
            return self.items(self.annotations.instances(function.scope.returns, function), function)
        return values

    # --- assignments and parameters -----------------------------------------------------------------------------------

    def assigned(self, assign: f.Assign, name: str | None, scope: Function) -> Values:
        """What an assignment gives to `name` (None: to its whole target)."""
        if assign.value is None:
            return self.annotations.instances(assign.annotation, scope) if assign.annotation is not None else UNKNOWN
        if assign.op == "for":
            values = self.items(self.evaluate(assign.value, scope, assign.order), scope)
        elif assign.op == "with":
            values = self.entered(assign.value, scope, assign.order)
        elif assign.op == "except":
            values = self._caught(assign.value, scope)
        else:
            values = self.evaluate(assign.value, scope, assign.order)
        if name is not None and isinstance(assign.target, f.Seq):
            return self._unpacked(assign.target, values, name)
        if assign.annotation is not None and not values:
            return self.annotations.instances(assign.annotation, scope)
        return values

    def _caught(self, types: f.Expr, scope: Function) -> Values:
        exprs = types.items if isinstance(types, f.Seq) else (types,)
        found: list[Value] = []
        for expr in exprs:
            for value in self.evaluate(expr, scope):
                if isinstance(value, ClassValue):
                    found.append(Instance(value.cls))
                elif isinstance(value, Library):
                    found.append(LibraryObject(value.name))
        return tuple(found[:4])

    def _unpacked(self, target: f.Seq, values: Values, name: str) -> Values:
        found: list[Values] = []
        for index, item in enumerate(target.items):
            if name not in bound_names(item):
                continue
            for value in values:
                if isinstance(value, Container):
                    part = value.positions[index] if index < len(value.positions) else value.items
                    found.append(self._unpacked(item, part, name) if isinstance(item, f.Seq) else part)
        return join(*found)

    def parameter(self, function: Function, name: str) -> Values:
        """What a parameter may be: the receiver, what dependency injection gives, its annotation, its callers' arguments."""
        index = function.parameters[name]
        param = function.scope.params[index]
        if index == 0 and function.is_method and function.cls is not None and not self.is_static(function):
            return (ClassValue(function.cls),) if self.is_classmethod(function) else (Instance(function.cls),)
        key = (name, id(function))
        if key in self._busy_functions:
            return UNKNOWN
        self._busy_functions.add(key)
        try:
            return self._parameter_values(function, param)
        finally:
            self._busy_functions.discard(key)

    def _parameter_values(self, function: Function, param: f.Param) -> Values:
        outer = function.parent or function
        injected = self.annotations.injected(param, outer)
        if injected:
            return injected
        annotated = self.annotations.instances(param.annotation, outer) if param.annotation is not None else UNKNOWN
        if param.kind == "args":
            annotated = (Container("tuple", annotated),) if annotated else UNKNOWN
        default = self.evaluate(param.default, outer) if param.default is not None else UNKNOWN
        default = tuple(v for v in default if not (isinstance(v, Literal) and v.value is None))
        passed = self._passed_by_callers(function, param)
        return join(passed, annotated, default) if passed else join(annotated, default)

    def _passed_by_callers(self, function: Function, param: f.Param) -> Values:
        if self._callers is None or param.kind in {"args", "kwargs"}:
            return UNKNOWN
        found: list[Values] = []
        for site, implicit in self._callers.get(function, ())[:12]:
            expr = argument_for(function, param.name, site, implicit)
            if expr is not None:
                found.append(self.evaluate(expr, site.function, site.fact.order))
        return tuple(v for v in join(*found) if not (isinstance(v, Literal) and v.value is None))

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
        return "builtins.classmethod" in self.decorators_of(function) or function.name in {"__new__", "__init_subclass__", "__class_getitem__"}


class _Super:
    """`super()`: an instance whose attributes are looked up past its own class."""

    @staticmethod
    def of(cls: ClassInfo) -> Value:
        for base in cls.bases:
            return Instance(base) if isinstance(base, ClassInfo) else LibraryObject(base)
        return LibraryObject("builtins.object")


def argument_for(function: Function, name: str, site: CallSite, implicit: bool) -> f.Expr | None:
    """The expression that a call passes for a parameter, if it is written there."""
    for keyword, expr in site.fact.kwargs:
        if keyword == name:
            return expr
    index = function.parameters.get(name)
    if index is None or function.scope.params[index].kind != "positional":
        return None
    position = index - 1 if implicit else index
    args = site.fact.args
    if 0 <= position < len(args) and not any(isinstance(a, f.Star) for a in args[: position + 1]):
        return args[position]
    return None


def default_dict_of_lists() -> defaultdict[Function, list[tuple[CallSite, bool]]]:
    """An empty table of callers."""
    return defaultdict(list)
