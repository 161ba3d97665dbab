"""What `x.name` is worth, for every kind of `x`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.project import flow
from roadworthy.project.decorators import made_to_order
from roadworthy.project.outside import OutsideAttributes
from roadworthy.project.values import (
    SUBCLASSES,
    UNKNOWN,
    ClassValue,
    Container,
    FunctionValue,
    Instance,
    Library,
    LibraryObject,
    Literal,
    ProjectModule,
    Value,
    Values,
    join,
)

if TYPE_CHECKING:
    from roadworthy.facts import schema as f
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, ClassInfo, Function


class AttributeReader:
    """Attributes of modules, classes, instances and library objects."""

    def __init__(self, evaluator: Evaluator) -> None:
        """`evaluator` answers everything that is not this part's own."""
        self._evaluator = evaluator
        self._knowledge = evaluator.knowledge
        self._outside = OutsideAttributes(evaluator)

    def attribute(self, value: Value, name: str) -> Values:
        """The values of `value.name`."""
        match value:
            case ProjectModule():
                return self._evaluator.names.member(value.module, name)
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
                return join(*(values for key, values in keys if key == name)) or (
                    Library(f"builtins.dict.{name}", value),
                )
            case Container():
                return (Library(f"builtins.{value.kind}.{name}", value),)
            case Literal(value=text) if isinstance(text, str):
                return (Library(f"builtins.str.{name}", value),)
        return UNKNOWN

    def _class_attribute(self, cls: ClassInfo, name: str, owner: Value) -> Values:
        for ancestor in cls.mro:
            if name in ancestor.methods:
                method = ancestor.methods[name]
                if self._evaluator.is_property(method) and isinstance(owner, Instance):
                    return self._evaluator.returns_of(method)
                return self._bound_methods(cls, method, owner)
            inner = ancestor.body.children.get(name)
            if inner and inner[-1].kind == "class" and inner[-1].cls:
                return (ClassValue(inner[-1].cls),)
            assigns = ancestor.attribute_assigns.get(name)
            if assigns:
                found = self._evaluator.filled(self._from_assigns(assigns), ancestor.item_assigns.get(name, []))
                found = self._evaluator.orm.refine(cls, assigns, found, instance=isinstance(owner, Instance))
                if found:
                    return found
        if name == "__subclasses__" and isinstance(owner, ClassValue):
            return (Library(SUBCLASSES, owner),)
        return self._inherited(cls, name, owner)

    def _bound_methods(self, cls: ClassInfo, method: Function, owner: Value) -> Values:
        """The method itself; for an abstract or empty one also its overrides (bounded)."""
        found: Values = (FunctionValue(method, owner),)
        if isinstance(owner, Instance) and owner.exact:
            return found
        if flow.is_stub(method.scope) and not method.name.startswith("__"):
            overrides = tuple(
                FunctionValue(sub.methods[method.name], owner) for sub in cls.descendants if method.name in sub.methods
            )
            return join(overrides, found) if overrides else found
        return found

    def _inherited(self, cls: ClassInfo, name: str, owner: Value) -> Values:
        if name == "model" and isinstance(owner, Instance) and not self._evaluator.orm.is_model(cls):
            behind = owner.model or self._evaluator.orm.about(cls)  # `self.model(…)` of a manager
            if behind is not None:
                return (ClassValue(behind),)
        found: list[Value] = []
        for base in cls.library_bases:
            if base in {"object", "builtins.object"}:
                continue  # has no attributes worth knowing: what is not found is unknown, not known to be nothing
            dotted = self._knowledge.member(base, name)
            made = self._made_by(dotted, None, self._evaluator.orm.about(cls) or cls)
            if made:
                return made
            found.append(Library(dotted, owner))
        known = [v for v in found if isinstance(v, Library) and self._knowledge.knows(v.name)]
        return tuple((known or found)[:1])

    def _from_assigns(self, assigns: list[tuple[Function, f.Assign]]) -> Values:
        groups = []
        for scope, assign in assigns[:12]:
            if assign.value is not None and assign.op not in {"+=", "-=", "|="}:
                groups.append(self._evaluator.assigned(assign, None, scope))
            if assign.annotation is not None:
                groups.append(self._evaluator.annotations.instances(assign.annotation, scope))
        values = join(*groups)
        concrete = tuple(v for v in values if not (isinstance(v, Literal) and v.value is None))
        return concrete or values

    def _instance_attribute(self, value: Instance, name: str) -> Values:
        if name == "__class__":
            return (ClassValue(value.cls),)
        related = self._evaluator.orm.reverse_values(value.cls, name) if not value.cls.find_method(name) else UNKNOWN
        if related:
            return related
        found = self._class_attribute(value.cls, name, value)
        if found and all(isinstance(v, Library) and not self._knowledge.knows(v.name) for v in found):
            return self._of_subclasses(value, name) or found  # some library's base may have it, the subclasses do
        if not all(isinstance(v, Literal) and v.value is None for v in found):
            return found
        return self._outside.of(value, name) or found or self._of_subclasses(value, name)

    def _of_subclasses(self, value: Instance, name: str) -> Values:
        """An attribute that only subclasses set (mix-ins); a method that each of them has of its own (template methods)."""
        subs = value.cls.descendants[:20] if not value.exact else ()
        methods = tuple(FunctionValue(sub.methods[name], value) for sub in subs if name in sub.methods)
        if methods:
            return methods
        for sub in subs:
            if name in sub.attribute_assigns:
                assigns = sub.attribute_assigns[name]
                return self._evaluator.orm.refine(sub, assigns, self._from_assigns(assigns), instance=True)
        return UNKNOWN

    def _library_attribute(self, value: Library, name: str) -> Values:
        dotted = self._knowledge.canonical(f"{value.name}.{name}")
        # `client.lists.members`: what is on the way is no type of its own, and what built the client decides all the same
        owner = value.receiver if isinstance(value.receiver, LibraryObject) else None
        site, model = (owner.site, owner.model) if owner is not None else (None, None)
        made = self._made_by(dotted, site, model)
        if made:
            return made
        if self._knowledge.type(value.name) is not None:
            dotted = self._knowledge.member(value.name, name)
            made = self._made_by(dotted, site, model)
            if made:
                return made
        # A chain of which nobody speaks says nothing: what an annotation says of it counts.
        return (Library(dotted, owner if self._knowledge.knows(dotted) else None),)

    def _object_attribute(self, value: LibraryObject, name: str) -> Values:
        dotted = self._knowledge.member(value.type, name)
        made = self._made_by(dotted, value.site, value.model)
        return made or (Library(dotted, value),)

    def _function_attribute(self, value: FunctionValue, name: str) -> Values:
        """`task.delay`: an attribute of what a library decorator made of the function."""
        for decorator in self._evaluator.decorators_of(value.function):
            made = self._knowledge.type_from_call(decorator)
            if made is not None:
                return (Library(self._knowledge.member(made, name), value),)
        return self._given_by_decorator(value.function, name) or self._made_by_decorator(value, name)

    def _made_by_decorator(self, value: FunctionValue, name: str) -> Values:
        """`send.delay` where the project's own decorator hands on to the library's: `return shared_task(*args, **options)`."""
        outer = value.function.parent
        for expr in value.function.scope.decorators if outer is not None else ():
            for decorator in self._evaluator.decorator_values(expr, outer) if outer is not None else ():
                if not isinstance(decorator, FunctionValue):
                    continue
                for site in made_to_order(decorator.function):
                    for callee in self._evaluator.callees(site):
                        made = self._knowledge.type_from_call(callee.name) if isinstance(callee, Library) else None
                        member = self._knowledge.member(made, name) if made is not None else ""
                        if member and self._knowledge.calls(member):
                            return (Library(member, value),)
        return UNKNOWN

    def _given_by_decorator(self, function: Function, name: str) -> Values:
        """`send.delay` where the project's own decorator gives its functions a `delay` that is defined inside it."""
        outer = function.parent
        for expr in function.scope.decorators if outer is not None else ():
            for decorator in self._evaluator.decorator_values(expr, outer) if outer is not None else ():
                match decorator:
                    case FunctionValue(function=made):
                        pass
                    case ClassValue(cls=cls) | Instance(cls=cls) if (call := cls.find_method("__call__")) is not None:
                        made = call
                    case _:
                        continue
                inside = [
                    fn
                    for fn in made.module.functions
                    if fn.name == name and fn.qualname.startswith(f"{made.qualname}.")
                ]
                if inside:
                    return (
                        FunctionValue(inside[-1], ClassValue(inside[-1].cls) if inside[-1].cls is not None else None),
                    )
        return UNKNOWN

    def _made_by(self, origin: str, site: CallSite | None, model: ClassInfo | None) -> Values:
        """An attribute or module-level object that a library file gives a type."""
        made = self._knowledge.type_from_attribute(origin)
        return (LibraryObject(made, site, model),) if made is not None else UNKNOWN

    def call_member(self, value: LibraryObject, method: str, site: CallSite | None) -> Values:
        """What calling a method of a library object gives."""
        dotted = self._knowledge.member(value.type, method)
        return self._evaluator.library_result(Library(dotted, value), site)
