"""What a call returns: of classes, project functions and library functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project.factories import Factories
from roadworthy.project.imported import IMPORTED
from roadworthy.project.values import (
    LIMIT,
    SUBCLASSES,
    UNKNOWN,
    ClassValue,
    Container,
    FunctionValue,
    Instance,
    Library,
    LibraryObject,
    Partial,
    ProjectModule,
    Value,
    Values,
    join,
)

if TYPE_CHECKING:
    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, ClassInfo

# Calls of the language itself that hand their argument on. These are the language's semantics, not library knowledge.
_PASSES_FIRST = frozenset({
    "contextlib.closing", "contextlib.aclosing", "contextlib.nullcontext", "copy.copy", "copy.deepcopy", "builtins.iter",
    "builtins.list", "builtins.tuple", "builtins.set", "builtins.sorted", "builtins.reversed", "builtins.frozenset",
    "asyncio.shield", "asyncio.wait_for", "asyncio.create_task", "asyncio.ensure_future", "builtins.aiter",
    "contextvars.ContextVar", "weakref.proxy",
})  # fmt: skip
_HANDS_OUT = frozenset({
    "get", "resolve", "find_service", "get_service", "provide", "getUtility", "queryUtility", "get_utility", "query_utility",
})  # fmt: skip
_PASSES_SECOND = frozenset({"typing.cast", "typing_extensions.cast"})
_ITEM_OF_FIRST = frozenset({"builtins.next", "builtins.anext", "builtins.max", "builtins.min", "random.choice"})
_VERBS = ("get", "post")  # what a client repeats of itself, and what it does not


_COMMON = frozenset({
    "Client", "AsyncClient", "AsyncServer", "Connection", "Consumer", "Channel", "Queue", "Server", "Service", "Manager", "Worker", "Group",
    "Signal", "Webhook", "Election", "Grouper", "Pusher",
})  # fmt: skip
"""What every other library calls one of its classes, too: `FooClient` of an unknown library is not the client that we know."""


class CallReader:
    """Results of calls."""

    def __init__(self, evaluator: Evaluator) -> None:
        """`evaluator` answers everything that is not this part's own."""
        self._evaluator = evaluator
        self._knowledge = evaluator.knowledge
        self._registrars = _registrars(evaluator.knowledge)
        self._factories: dict[str, CallSite] | None = None
        self._made_here = Factories(evaluator)

    def callees(self, site: CallSite) -> Values:
        """What a call calls."""
        found = self._evaluator.evaluate(site.fact.func, site.function, site.fact.order)
        if found and not all(self._is_hung_on(value) or self._is_strange(value) for value in found):
            return found
        told = self._evaluator.sessions.callee(site)
        if told:
            return told
        told = self._evaluator.telltales.callee(site)
        if told:
            self._evaluator.sessions.guessed.add(id(site.fact))
        return told or found

    def _is_hung_on(self, value: object) -> bool:
        """`current_app.db.session.query`: a method of what the application has hung on an object of a framework, of which nothing is known."""
        if not isinstance(value, Library) or self._knowledge.knows(value.name):
            return False
        owner, types = value.name.rpartition(".")[0], self._knowledge.tables.types
        if owner in types:
            return False
        while "." in owner:
            owner = owner.rpartition(".")[0]
            if owner in types or self._knowledge.knows(owner):
                return True
        return False

    def _is_strange(self, value: object) -> bool:
        """Something of a package that no library file speaks of: what it hands out may be of a library that we know."""
        return isinstance(value, Library) and value.receiver is None and self._knowledge.library_of(value.name) is None

    def call_result(self, site: CallSite) -> Values:
        """What a call returns (awaited when it is a coroutine)."""
        super_value = self._super(site)
        if super_value:
            return super_value
        found = join(*[self._result(callee, site) for callee in self.callees(site)])
        return found or self._asked_for(site)

    def _asked_for(self, site: CallSite) -> Values:
        """`container.get(Mailer)`, `request.find_service(IMailer)`: an unknown registry hands out what it is asked for by class."""
        func = site.fact.func
        if not (isinstance(func, f.Attr) and func.name in _HANDS_OUT):
            return UNKNOWN
        if not site.fact.args:
            name = next((v for k, v in site.fact.kwargs if k == "name"), None)
            return self._registered_as(name.value) if isinstance(name, f.Str) else UNKNOWN
        wanted = self._evaluator.evaluate(site.fact.args[0], site.function, site.fact.order)
        return tuple(Instance(value.cls, site) for value in wanted if isinstance(value, ClassValue))

    def _registered_as(self, name: str) -> Values:
        """`config.register_service_factory(make_client, name="search")`: what the factory of that name makes."""
        if self._factories is None:
            self._factories = {}
            for function in self._evaluator.symbols.functions:
                for site in function.calls:
                    func = site.fact.func
                    if isinstance(func, f.Attr) and func.name.startswith("register") and site.fact.args:
                        for keyword, value in site.fact.kwargs:
                            if keyword == "name" and isinstance(value, f.Str):
                                self._factories.setdefault(value.value, site)
        factory = self._factories.get(name)
        if factory is None:
            return UNKNOWN
        made = self._evaluator.evaluate(factory.fact.args[0], factory.function, factory.fact.order)
        return join(*(self._result(value, factory) for value in made if isinstance(value, FunctionValue | ClassValue)))

    def _super(self, site: CallSite) -> Values:
        func = site.fact.func
        if isinstance(func, f.Name) and func.id == "super" and site.function.cls is not None:
            return self._super_of(site.function.cls)
        return UNKNOWN

    def _super_of(self, cls: ClassInfo) -> Values:
        """`super()`: instances whose attributes are looked up past its own class, nearest base first."""
        about = self._evaluator.orm.about(cls)
        found = [
            LibraryObject(base, None, about) if isinstance(base, str) else Instance(base, exact=True)
            for base in cls.bases[:4]
        ]
        return tuple(found) or (LibraryObject("builtins.object"),)

    def _result(self, callee: Value, site: CallSite) -> Values:
        match callee:
            case ClassValue():
                return (Instance(callee.cls, site),)
            case FunctionValue():
                return self._function_result(callee, site)
            case Library():
                return self._imported_by(callee, site) or self.library_result(callee, site)
            case Partial():
                return self._result(callee.target, site)
            case Instance():
                method = callee.cls.find_method("__call__")
                return self._evaluator.returns_of(method) if method else UNKNOWN
            case LibraryObject():
                return self._evaluator.call_member(callee, "__call__", site)
        return UNKNOWN

    def _imported_by(self, callee: Library, site: CallSite) -> Values:
        """`import_module("app.tasks")`: the module of the project, as an import at the top of the file would give it."""
        if callee.name != "importlib.import_module" or not site.fact.args:
            return UNKNOWN
        wanted = self._evaluator.literal(site.fact.args[0], site.function)
        symbols, here = self._evaluator.symbols, site.function.module
        found = symbols.find_module(wanted, here) if isinstance(wanted, str) and wanted else None
        return (ProjectModule(found),) if found is not None else UNKNOWN

    def _function_result(self, callee: FunctionValue, site: CallSite) -> Values:
        function = callee.function
        if function.name == "__new__" and function.cls:
            return (Instance(function.cls, site),)
        values = self._made_here.made(callee, site) or self._evaluator.returns_of(function)
        if not values and function.scope.returns is not None and isinstance(callee.receiver, ClassValue | Instance):
            return (
                (Instance(callee.receiver.cls, site),)
                if self._evaluator.annotations.is_self(function.scope.returns)
                else UNKNOWN
            )
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
            elif name in {"typing.NewType", "typing_extensions.NewType"} and len(args) > 1:
                return self._evaluator.evaluate(args[1], site.function, site.fact.order)
            elif name in _ITEM_OF_FIRST and args:
                return self._evaluator.items(
                    self._evaluator.evaluate(args[0], site.function, site.fact.order), site.function
                )
            elif name in {"builtins.getattr"} and len(args) > 1:
                return self._member_by_name(args, site)
            elif name in {"functools.partial", "functools.partialmethod"} and args:
                return tuple(
                    Partial(v, site) for v in self._evaluator.evaluate(args[0], site.function, site.fact.order)
                )
            elif name == "builtins.type" and len(args) == 1:
                return self._type_of(args[0], site)
            elif name in {"builtins.dict.get", "builtins.dict.pop", "builtins.dict.setdefault"} and isinstance(
                callee.receiver, Container
            ):
                return callee.receiver.items
            elif name == SUBCLASSES and isinstance(callee.receiver, ClassValue):
                below = callee.receiver.cls.subclasses  # a registry of plug-ins: all that the project defines
                return (Container("list", tuple(ClassValue(c) for c in below)),) if len(below) <= LIMIT else UNKNOWN
            elif name in {"builtins.dict.values"} and isinstance(callee.receiver, Container):
                return (Container("iter", callee.receiver.items),)
            elif name.endswith(".get_serializer") and isinstance(callee.receiver, Instance):
                shown = self._evaluator.orm.shown_by(callee.receiver.cls, site)
                return shown or self._typed_result(callee, site)
            elif base := self._base_made_by(name):
                own = next((value for key, value in site.fact.kwargs if key == "cls"), None)
                given = self._evaluator.evaluate(own, site.function, site.fact.order) if own is not None else UNKNOWN
                return join(given, (Library(base),))
        return self._typed_result(callee, site)

    def _class_named(self, site: CallSite | None) -> Values:
        """`get_model("shop", "Order")`, `get_model("shop.Order")`."""
        given = (*site.fact.args[:2], *(value for _, value in site.fact.kwargs[:2])) if site is not None else ()
        names = [self._evaluator.literal(expr, site.function) for expr in given if site is not None]
        parts = [name for name in names if isinstance(name, str)]
        cls = self._evaluator.orm.class_named(".".join(parts)) if parts and len(parts) == len(names) else None
        return (ClassValue(cls),) if cls is not None else UNKNOWN

    def _base_made_by(self, name: str) -> str:
        """`Base = declarative_base()`: a function of the mapper that makes a class of rows; its row names the class first."""
        if not name.rpartition(".")[2][:1].islower():
            return ""
        rows = [row for row in self._knowledge.schema_rows(name) if row.construct == "model"]
        return rows[0].names[0] if rows else ""

    def _member_by_name(self, args: tuple[f.Expr, ...], site: CallSite) -> Values:
        """`getattr(value, name)`; a computed name on an HTTP client or its module is one of the verbs."""
        attr = self._evaluator.literal(args[1], site.function)
        owners = self._evaluator.evaluate(args[0], site.function, site.fact.order)
        if isinstance(attr, str):
            return join(*(self._evaluator.attribute(owner, attr) for owner in owners))
        verbs = (self._evaluator.attribute(owner, verb) for owner in owners for verb in _VERBS)
        return join(*(tuple(v for v in verb if isinstance(v, Library) and self._requests(v)) for verb in verbs))

    def _requests(self, callee: Library) -> bool:
        return any(Effect.HTTP_REQUEST.value in row.effects for row in self._knowledge.calls(callee.name))

    def _passed(self, name: str, args: tuple[f.Expr, ...], site: CallSite) -> Values:
        if name in _PASSES_SECOND:
            return join(
                self._evaluator.evaluate(args[1], site.function, site.fact.order),
                self._evaluator.annotations.instances(args[0], site.function),
            )
        return self._evaluator.evaluate(args[0], site.function, site.fact.order)

    def _type_of(self, arg: f.Expr, site: CallSite) -> Values:
        return tuple(
            ClassValue(v.cls) if isinstance(v, Instance) else Library(v.type)
            for v in self._evaluator.evaluate(arg, site.function, site.fact.order)
            if isinstance(v, Instance | LibraryObject)
        )

    def _typed_result(self, callee: Library, site: CallSite | None) -> Values:
        model = self.model_of(callee, site)
        literals = tuple(self._evaluator.literal(a, site.function) for a in site.fact.args[:1]) if site else ()
        first = literals[0] if literals and isinstance(literals[0], str) else None
        made = self._knowledge.type_from_call(callee.name, first)
        if made is not None and made.startswith(IMPORTED):
            return self._evaluator.imported.result(made, callee, site) if site is not None else UNKNOWN
        if made == "self":
            receiver = callee.receiver
            if isinstance(receiver, LibraryObject):
                return (LibraryObject(receiver.type, receiver.site, receiver.model or model),)
            return (receiver,) if receiver is not None else UNKNOWN
        if made == "{model}" or (made is not None and model is not None and self._is_kind_of(model, made)):
            return (Instance(model, site),) if model is not None else UNKNOWN
        receiver = callee.receiver
        if made == "{instance}":
            return (Instance(receiver.cls, site),) if isinstance(receiver, ClassValue | Instance) else UNKNOWN
        if made == "{named}":
            return self._class_named(site)
        if made == "{first}":
            args = site.fact.args if site is not None else ()
            return (
                self._evaluator.evaluate(args[0], site.function, site.fact.order)
                if site is not None and args
                else UNKNOWN
            )
        if (
            made is not None
            and isinstance(receiver, Instance)
            and made != "builtins.object"
            and self._is_kind_of(receiver.cls, made)
        ):
            return (Instance(receiver.cls, site, model),)  # a query set of the project stays one
        if (
            made is not None
            and isinstance(receiver, LibraryObject)
            and made in self._knowledge.type_bases(receiver.type)
        ):
            return (LibraryObject(receiver.type, site, model),)  # a fluent method keeps the more special class
        if made is None:
            made = self._in_the_manner_of(callee.name)
        if site is None and isinstance(receiver, LibraryObject):
            site = receiver.site  # an item of what was made there
        return (LibraryObject(made, site, model),) if made is not None else UNKNOWN

    def _in_the_manner_of(self, name: str) -> str | None:
        """`company_utils.celery.CompanyCelery()`: a class that we do not know, named after one that registers entry points."""
        if self._knowledge.library_of(name) is not None:
            return None
        last = name.rpartition(".")[2]
        return (
            next((known for bare, known in self._registrars if last.endswith(bare)), None)
            if last[:1].isupper()
            else None
        )

    def _is_kind_of(self, model: ClassInfo, base: str) -> bool:
        """Is the library class among the bases of a project class?"""
        return any(base == own or base in self._knowledge.type_bases(own) for own in model.library_bases)

    def model_of(self, callee: Library, site: CallSite | None) -> ClassInfo | None:
        """The model class that an ORM call is about: the receiver's, or one among the arguments."""
        match callee.receiver:
            case LibraryObject(model=model) | Instance(model=model) if model is not None:
                return model
            case ClassValue(cls=cls) | Instance(cls=cls):
                about = self._evaluator.orm.about(cls)
                if about is not None:
                    return about
        if site is not None:
            for arg in (*site.fact.args[:2], *(value for _, value in site.fact.kwargs[:2])):
                for value in self._evaluator.evaluate(arg, site.function, site.fact.order):
                    found = self._model_in(value)
                    if found is not None:
                        return found
        return None

    def _model_in(self, value: Value) -> ClassInfo | None:
        match value:
            case ClassValue(cls=cls) | Instance(cls=cls) if self._evaluator.orm.is_model(cls):
                return cls
            case LibraryObject(model=model):
                return model
            case Container(items=items):
                return next(
                    (v.cls for v in items if isinstance(v, Instance) and self._evaluator.orm.is_model(v.cls)), None
                )
        return None


def _registrars(knowledge: Knowledge) -> tuple[tuple[str, str], ...]:
    """(bare name, dotted name) of library classes whose methods register entry points, longest name first."""
    owners = {name.rpartition(".")[0] for name in knowledge.tables.entry.names}
    found = {(owner.rpartition(".")[2], owner) for owner in owners if knowledge.type(owner) is not None}
    distinctive = [
        (bare, owner) for bare, owner in found if len(bare) >= 5 and bare[0].isupper() and bare not in _COMMON
    ]
    return tuple(sorted(distinctive, key=lambda pair: (-len(pair[0]), pair)))
