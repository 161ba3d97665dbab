"""What object-relational mappers add to values: managers know their model, relations give rows of the other model."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.values import UNKNOWN, ClassValue, Instance, Library, LibraryObject, Literal, Values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

_RELATIONS = frozenset({"foreign-key", "one-to-one"})
_MODEL_OPTIONS = ("model", "serializer_class", "queryset", "form_class")


class OrmReader:
    """Questions about model classes; the evaluator asks them where plain Python gives no answer."""

    def __init__(self, evaluator: Evaluator) -> None:
        """Everything is found on demand, since bases of classes are not known at first."""
        self._evaluator = evaluator
        self._knowledge = evaluator.knowledge
        self._models: dict[ClassInfo, bool] = {}
        self._behind: dict[ClassInfo, ClassInfo | None] = {}
        self._managed: dict[ClassInfo, set[ClassInfo]] | None = None
        self._reverse: dict[ClassInfo, dict[str, tuple[ClassInfo, str, bool]]] | None = None
        self._by_name: dict[str, list[ClassInfo]] = {}
        self._busy = False

    def forget(self) -> None:
        """Drop what was found before more was known."""
        self._models.clear()
        self._behind.clear()
        self._managed = self._reverse = None
        self._by_name.clear()

    # --- classes ------------------------------------------------------------------------------------------------------

    def is_model(self, cls: ClassInfo) -> bool:
        """Do instances of the class stand for rows?"""
        known = self._models.get(cls)
        if known is None:
            mapped = any("__tablename__" in c.body.bindings or "__table__" in c.body.bindings for c in cls.mro)
            known = self._models[cls] = mapped or any(self._is_model_base(base) for base in cls.library_bases)
        return known

    def _is_model_base(self, base: str) -> bool:
        names = (base, *self._knowledge.type_bases(base))
        return any(row.construct == "model" for name in names for row in self._knowledge.schema_rows(name))

    def about(self, cls: ClassInfo) -> ClassInfo | None:
        """The model that a class is about: itself, the one whose manager it is, or the one that it serialises or shows."""
        if self.is_model(cls):
            return cls
        self._evaluator.doubt = True  # who manages which model is found out on the way
        if cls not in self._behind:
            self._behind[cls] = None  # against cycles
            self._behind[cls] = self._declared(cls) or self._manager_of(cls)
        return self._behind[cls]

    def _declared(self, cls: ClassInfo) -> ClassInfo | None:
        """`class Meta: model = Order`, `serializer_class = OrderSerializer`, `queryset = Order.objects.all()`."""
        meta = [inner[-1].cls for c in cls.mro if (inner := c.body.children.get("Meta")) and inner[-1].cls is not None]
        for owner in (*(m for m in meta if m is not None), *cls.mro):
            for name in _MODEL_OPTIONS:
                for assign in owner.body.bindings.get(name, ())[-1:]:
                    for value in (
                        self._evaluator.evaluate(assign.value, owner.body) if assign.value is not None else UNKNOWN
                    ):
                        found = self._model_in(value)
                        if found is not None:
                            return found
        return None

    def shown_by(self, cls: ClassInfo, site: CallSite | None = None, option: str = "serializer_class") -> Values:
        """What a view makes of its `serializer_class` (or of what its `get_serializer_class()` gives): one to read and store a row."""
        chooser = cls.find_method(f"get_{option}")
        chosen = self._evaluator.returns_of(chooser) if chooser is not None else UNKNOWN
        for owner in cls.mro if not chosen else ():
            for assign in owner.body.bindings.get(option, ())[-1:]:
                chosen = self._evaluator.evaluate(assign.value, owner.body) if assign.value is not None else UNKNOWN
            if chosen:
                break
        return tuple(Instance(value.cls, site) for value in chosen[:4] if isinstance(value, ClassValue))

    def stores_for(self, cls: ClassInfo) -> ClassInfo | None:
        """The model whose rows a serializer or a form stores by its own `save()`; None for other classes."""
        return self.about(cls) if self.is_storer(cls) else None

    def is_storer(self, cls: ClassInfo) -> bool:
        """Is a class a serializer or form, whose `save()` stores the row that it stands for?"""
        return not self.is_model(cls) and any("erializer" in b or b.endswith("ModelForm") for b in cls.library_bases)

    def _model_in(self, value: object) -> ClassInfo | None:
        match value:
            case ClassValue(cls=cls):
                return self.about(cls)
            case LibraryObject(model=model) | Instance(model=model) if model is not None:
                return model
        return None

    def _manager_of(self, cls: ClassInfo) -> ClassInfo | None:
        """The one model that keeps an instance of this class in its body."""
        if not cls.library_bases or self._busy:
            return None
        if self._managed is None:
            self._managed = {}
            for owner, manager in self._managers():
                for kind in manager.mro:
                    self._managed.setdefault(kind, set()).add(owner)
        owners = self._managed.get(cls, set())
        return next(iter(owners)) if len(owners) == 1 else None

    def _managers(self) -> Iterator[tuple[ClassInfo, ClassInfo]]:
        self._busy = True
        for cls in self._evaluator.symbols.classes:
            if not self.is_model(cls):
                continue
            for assign in cls.body.scope.assigns:
                if isinstance(assign.value, f.CallRef):
                    for value in self._evaluator.evaluate(assign.value, cls.body):
                        if isinstance(value, Instance) and not self.is_model(value.cls):
                            yield cls, value.cls
        self._busy = False

    # --- attributes ---------------------------------------------------------------------------------------------------

    def refine(
        self, cls: ClassInfo, assigns: list[tuple[Function, f.Assign]], found: Values, *, instance: bool
    ) -> Values:
        """The value of an attribute that a model class (or a base of it) assigns in its body."""
        if not self.is_model(cls):
            return found
        if instance:
            other = self._target_of(assigns[-1])
            if other is not None:
                return (Instance(other),)
        if not instance and _declares_manager(*assigns[-1]) and not any(self._asks_for_rows(value) for value in found):
            return self._manager(cls)
        return tuple(self._with_model(value, cls) for value in found)

    def _asks_for_rows(self, value: object) -> bool:
        """A class of the project, or a type that a library file describes as the framework's manager or query."""
        if isinstance(value, Instance):
            return True
        names = (value.type, *self._knowledge.type_bases(value.type)) if isinstance(value, LibraryObject) else ()
        return any(self._knowledge.calls(f"{name}.get_or_create") for name in names)

    def _manager(self, cls: ClassInfo) -> Values:
        """The library's own manager of a model."""
        for base in cls.library_bases:
            for known in (base, *self._knowledge.type_bases(base)):
                manager = self._knowledge.type_from_attribute(f"{known}._default_manager")
                if manager is not None:
                    return (LibraryObject(manager, None, cls),)
        return UNKNOWN

    def _with_model(self, value: object, cls: ClassInfo) -> Instance | LibraryObject:
        match value:
            case Instance(model=None) if not self.is_model(value.cls) and value.cls.library_bases:
                return replace(value, model=cls)
            case LibraryObject(model=None):
                return replace(value, model=self._named(value.site, cls) or cls)
        return value  # type: ignore[return-value]

    def _named(self, site: CallSite | None, cls: ClassInfo) -> ClassInfo | None:
        """The model that the first argument of a many-to-many field names."""
        if site is None or not site.fact.args:
            return None
        return self.class_of(site.fact.args[0], site.function, cls)

    def _target_of(self, assigned: tuple[Function, f.Assign]) -> ClassInfo | None:
        scope, assign = assigned
        if scope.kind != "class" or not isinstance(assign.value, f.CallRef):
            return None
        relation = self._relation(scope.calls[assign.value.index])
        return relation[0] if relation is not None else None

    def _relation(self, site: CallSite) -> tuple[ClassInfo, bool] | None:
        """(other model, is it one to one) of a call that declares a relation as a field."""
        for value in self._evaluator.callees(site):
            names = (
                value.cls.library_bases
                if isinstance(value, ClassValue)
                else (value.name,)
                if isinstance(value, Library)
                else ()
            )
            for name in names:
                for row in self._knowledge.schema_rows(name):
                    if row.construct in _RELATIONS and row.target is not None:
                        expr = next((v for k, v in site.fact.kwargs if k == row.target.argument), None)
                        expr = expr or (site.fact.args[0] if site.fact.args and row.target.position == 0 else None)
                        owner = site.function.cls
                        target = (
                            self.class_of(expr, site.function, owner)
                            if expr is not None and owner is not None
                            else None
                        )
                        return (target, row.construct == "one-to-one") if target is not None else None
        return None

    def class_of(self, expr: f.Expr, scope: Function, owner: ClassInfo) -> ClassInfo | None:
        """The model class that an expression names: the class, `"self"`, `"Order"` or `"shop.Order"`."""
        for value in self._evaluator.evaluate(expr, scope):
            if isinstance(value, ClassValue):
                return value.cls
            if isinstance(value, Literal) and isinstance(value.value, str):
                return owner if value.value == "self" else self.class_named(value.value, owner)
        return None

    def class_named(self, name: str, owner: ClassInfo | None = None) -> ClassInfo | None:
        """The model class of a name with its application or without; `owner`: who names it."""
        if not self._by_name:
            for cls in self._evaluator.symbols.classes:
                self._by_name.setdefault(cls.name, []).append(cls)
        label, _, plain = name.rpartition(".")
        found = [cls for cls in self._by_name.get(plain, ()) if self.is_model(cls)]
        near = [
            cls
            for cls in found
            if (
                f"/{label.rpartition('.')[2]}/" in f"/{cls.path}"
                if label
                else owner is not None and cls.module is owner.module
            )
        ]
        return near[0] if near else found[0] if len(found) == 1 else None

    # --- the other way ------------------------------------------------------------------------------------------------

    def reverse(self, cls: ClassInfo, name: str) -> tuple[ClassInfo, str, bool] | None:
        """(model, its relation's attribute, one row only) behind `customer.order_set` or `customer.orders`."""
        self._evaluator.doubt = True  # found out on the way, too
        if self._reverse is None:
            if self._busy:
                return None
            self._reverse = {}
            self._busy = True
            for other in self._evaluator.symbols.classes:
                if self.is_model(other):
                    self._add_reverse(other)
            self._busy = False
        return next((found for base in cls.mro if (found := self._reverse.get(base, {}).get(name)) is not None), None)

    def _add_reverse(self, cls: ClassInfo) -> None:
        assert self._reverse is not None
        for assign in cls.body.scope.assigns:
            if not isinstance(assign.value, f.CallRef) or not isinstance(assign.target, f.Name):
                continue
            site = cls.body.calls[assign.value.index]
            relation = self._relation(site)
            if relation is None:
                continue
            given = next((v.value for k, v in site.fact.kwargs if k == "related_name" and isinstance(v, f.Str)), "")
            for source in (cls, *cls.descendants):
                lowered = source.name.lower()
                accessor = given.replace("%(class)s", lowered) or (lowered if relation[1] else f"{lowered}_set")
                self._reverse.setdefault(relation[0], {}).setdefault(accessor, (source, assign.target.id, relation[1]))

    def reverse_values(self, cls: ClassInfo, name: str) -> Values:
        """What `customer.orders` is worth: the other model's manager, or its one row."""
        if not self.is_model(cls):
            return UNKNOWN
        found = self.reverse(cls, name)
        if found is None:
            return UNKNOWN
        model, _, single = found
        if single:
            return (Instance(model),)
        return self._manager(model)


def _declares_manager(scope: Function, assign: f.Assign) -> bool:
    """`objects = ScopedManager(shop="shop")`, of a package that nobody describes: rows are asked for there by the framework's own words."""
    if scope.kind != "class" or not isinstance(assign.target, f.Name) or not isinstance(assign.value, f.CallRef):
        return False
    made_by = flow.last_name(scope.calls[assign.value.index].fact.func)
    return assign.target.id == "objects" or made_by.endswith("Manager")
