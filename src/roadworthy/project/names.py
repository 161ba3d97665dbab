"""Which definition a name means at a place: locals, closures, globals, imports, re-exports, built-ins."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

from roadworthy.facts.schema import Attr, Bin, Name, Sub
from roadworthy.project import flow
from roadworthy.project.values import (
    UNKNOWN,
    ClassValue,
    FunctionValue,
    Library,
    LibraryObject,
    ProjectModule,
    Values,
    join,
)

if TYPE_CHECKING:
    from roadworthy.facts.schema import Assign, Expr, Import
    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import Function, Module, Symbols

_BUILTINS = frozenset(dir(builtins))


class NameResolver:
    """Resolves bare names and module members."""

    def __init__(self, symbols: Symbols, knowledge: Knowledge, evaluator: Evaluator) -> None:
        """`evaluator` is asked what an assigned expression is worth."""
        self._symbols = symbols
        self._knowledge = knowledge
        self._evaluator = evaluator
        self._lasting: dict[tuple[Module, str], Values] = {}
        self._passing: dict[tuple[Module, str], Values] = {}
        self._busy: set[tuple[Module, str]] = set()

    def forget(self, *, everything: bool = False) -> None:
        """Drop what was remembered while less was known, as far as it hangs on that."""
        self._passing.clear()
        if everything:
            self._lasting.clear()

    def lookup(self, name: str, scope: Function, order: int | None) -> Values:
        """The values of `name` read in `scope` at event `order`."""
        here: Function | None = scope
        first = True
        while here is not None:
            if first or here.kind != "class":
                found = self._in_scope(name, here, order if first else None)
                if found is not None:
                    return found
            if name in here.scope.globals and here is not here.module.body:
                here = here.module.body
                first = False
                continue
            here, first = here.parent, False
        star = self._from_stars(name, scope.module)
        if star:
            return star
        return (Library(f"builtins.{name}"),) if name in _BUILTINS else UNKNOWN

    def _in_scope(self, name: str, scope: Function, order: int | None) -> Values | None:
        """None when the scope does not bind the name."""
        if name in scope.scope.globals:
            return None
        if scope.kind == "module":
            return self.member(scope.module, name) if self._binds(name, scope) else None
        assigns = scope.bindings.get(name, [])
        is_param = name in scope.parameters
        children = scope.children.get(name)
        imports = scope.imports.get(name)
        if not (assigns or is_param or children or imports):
            return None
        if children and not assigns:
            return _definition(children[-1])
        if imports and not assigns:
            return join(*(self.imported(item, scope.module) for item in imports))
        reaching, killed = flow.reaching(scope.scope, assigns, order)
        if scope.kind == "class" and not reaching and not (children or imports):
            return None  # `dbapi = dbapi.get_instance()` in a class: until then it is the module's
        groups = [self._evaluator.assigned(assign, name, scope) for assign in reaching]
        if is_param and not killed:
            groups.append(self._evaluator.parameter(scope, name))
        return join(*groups)

    def alias(self, expr: Expr, scope: Function, depth: int = 0) -> tuple[Expr, Function] | None:
        """The annotation that a name stands for (`Db = Annotated[Session, Depends(get)]`) and the scope to read it in."""
        if depth > 4:
            return None
        if isinstance(expr, Attr):
            for value in self._evaluator.evaluate(expr.value, scope):
                if isinstance(value, ProjectModule):
                    return self._alias_in(value.module, expr.name, depth)
            return None
        return self._alias_in(scope.module, expr.id, depth) if isinstance(expr, Name) else None

    def _alias_in(self, module: Module, name: str, depth: int) -> tuple[Expr, Function] | None:
        for assign in module.body.bindings.get(name, ())[-1:]:
            if isinstance(assign.value, Sub | Bin):
                return assign.value, module.body
        for item in module.body.imports.get(name, ())[-1:]:
            source = self._module_of(item, module) if item.name is not None else None
            if source is not None and source is not module and item.name is not None and depth < 4:
                return self._alias_in(source, item.name, depth + 1)
        return None

    def _binds(self, name: str, scope: Function) -> bool:
        return name in scope.bindings or name in scope.children or name in scope.imports

    def member(self, module: Module, name: str) -> Values:
        """What `module.name` is, seen from outside: its last bindings, re-exports, star imports, sub-modules."""
        key = (module, name)
        known = self._lasting.get(key)
        if known is not None:
            return known
        evaluator = self._evaluator
        known = self._passing.get(key)
        if known is not None or key in self._busy:
            evaluator.doubt = True
            return known or UNKNOWN
        before, evaluator.doubt = evaluator.doubt, False
        self._busy.add(key)
        try:
            found = self._module_member(module, name)
        finally:
            self._busy.discard(key)
        if evaluator.doubt:
            self._passing[key] = found
        else:
            self._lasting[key] = found
            evaluator.doubt = before
        return found

    def _module_member(self, module: Module, name: str) -> Values:
        body = module.body
        groups: list[Values] = []
        children = body.children.get(name)
        if children:
            groups.append(_definition(children[-1]))
        groups.extend(self._imports_of(body.imports.get(name, ()), module))
        assigns: list[Assign] = body.bindings.get(name, [])
        groups.extend(self._evaluator.assigned(assign, name, body) for assign in assigns[-6:])
        groups.extend(self._set_globally(module, name) if assigns or not groups else ())
        found = join(*groups)
        if found or groups:
            return self._evaluator.filled(_concrete(found), module.item_assigns.get(name, []))
        submodule = self._symbols.module_at(f"{_folder(module)}/{name}".lstrip("/")) if module.is_package else None
        if submodule is not None:
            return (ProjectModule(submodule),)
        return self._from_stars(name, module)

    def _imports_of(self, items: tuple[Import, ...] | list[Import], module: Module) -> list[Values]:
        return [self.imported(item, module) for item in items]

    def _set_globally(self, module: Module, name: str) -> list[Values]:
        """`global x; x = …` inside functions of the module."""
        found: list[Values] = []
        for function in module.functions[1:]:
            if name in function.scope.globals:
                found.extend(self._evaluator.assigned(a, name, function) for a in function.bindings.get(name, ())[:4])
        return found

    def _from_stars(self, name: str, module: Module) -> Values:
        for item in module.body.scope.imports:
            if item.name != "*":
                continue
            source = self._module_of(item, module)
            if source is not None and source is not module:
                found = self.member(source, name)
                if found:
                    return found
        return UNKNOWN

    def imported(self, item: Import, module: Module) -> Values:
        """What an import binds."""
        if item.name is None:
            return self._imported_module(item, module)
        source = self._module_of(item, module)
        if source is not None:
            if source is module and not module.is_package:
                return UNKNOWN
            found = self.member(source, item.name)
            return found or self._submodule(source, item.name)
        if item.level:
            folder = self._symbols.relative(module, item.level, item.module)
            inner = self._symbols.module_at(f"{folder}/{item.name}".lstrip("/"))
            return (ProjectModule(inner),) if inner is not None else UNKNOWN
        inner = self._symbols.find_module(f"{item.module}.{item.name}", module)
        if inner is not None:
            return (ProjectModule(inner),)
        return self._library(f"{item.module}.{item.name}")

    def definition(self, name: str, module: Module, depth: int = 0) -> tuple[Function, Assign] | None:
        """The module scope and assignment that a module-level name goes back to, through imports; the last one where there are several."""
        assigns = module.body.bindings.get(name)
        if assigns:
            return module.body, assigns[-1]
        for item in module.body.imports.get(name, ()):
            source = self._module_of(item, module) if item.name is not None else None
            if source is not None and source is not module and item.name is not None and depth < 6:
                return self.definition(item.name, source, depth + 1)
        return None

    def _submodule(self, package: Module, name: str) -> Values:
        inner = self._symbols.module_at(f"{_folder(package)}/{name}".lstrip("/")) if package.is_package else None
        return (ProjectModule(inner),) if inner is not None else UNKNOWN

    def _library(self, dotted: str) -> Values:
        dotted = self._knowledge.canonical(dotted)
        made = self._knowledge.type_from_attribute(dotted)
        return (LibraryObject(made),) if made is not None else (Library(dotted),)

    def _imported_module(self, item: Import, module: Module) -> Values:
        wanted = item.module if item.asname else item.module.split(".", 1)[0]
        found = self._symbols.find_module(wanted, module)
        return (ProjectModule(found),) if found is not None else (Library(wanted),)

    def _module_of(self, item: Import, module: Module) -> Module | None:
        if item.level:
            return self._symbols.module_at(self._symbols.relative(module, item.level, item.module))
        return self._symbols.find_module(item.module, module)


def _definition(function: Function) -> Values:
    if function.kind == "class" and function.cls is not None:
        return (ClassValue(function.cls),)
    return (FunctionValue(function),)


def _folder(module: Module) -> str:
    return module.path.rpartition("/")[0]


def _concrete(values: Values) -> Values:
    """Without the `None` that a module-level placeholder starts with, when something better is known."""
    better = tuple(v for v in values if type(v).__name__ != "Literal" or v.value is not None)  # type: ignore[union-attr]
    return better or values
