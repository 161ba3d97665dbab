"""Modules, classes and functions of the reviewed project, and where a dotted import leads.

Knows file facts only; what a name is *worth* is decided in `evaluate.py`.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from roadworthy.facts.schema import Attr, Name, Seq, Star, Sub
from roadworthy.project.importroots import import_roots

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.facts.schema import Assign, Call, Expr, FileFacts, Import, Scope


@dataclass(eq=False)
class Function:
    """A scope with code of its own: a function, a lambda, a class body or a module."""

    module: Module
    scope: Scope
    cls: ClassInfo | None  # for methods: the class; for class bodies: that class
    parent: Function | None  # the lexically enclosing scope
    id: str = ""
    # asked for millions of times in a review, so that they are no properties
    name: str = field(init=False)  # the bare name
    path: str = field(init=False)  # the file, relative to the reviewed root
    kind: str = field(init=False)  # "module", "class", "function" or "lambda"
    is_method: bool = field(init=False)  # a function whose scope is a class body

    def __post_init__(self) -> None:
        """What the scope and its surroundings say, at hand."""
        self.name = self.scope.name
        self.path = self.module.path
        self.kind = self.scope.kind
        self.is_method = self.kind == "function" and self.parent is not None and self.parent.kind == "class"

    @property
    def qualname(self) -> str:
        """The name inside its module: `Class.method`, `<module>`."""
        return self.scope.qualname

    @property
    def line(self) -> int:
        """The line of `def`."""
        return self.scope.line

    @property
    def is_async(self) -> bool:
        """`async def`."""
        return self.scope.is_async

    @cached_property
    def calls(self) -> tuple[CallSite, ...]:
        """Every call written in this scope, nested scopes not included."""
        return tuple(CallSite(self, fact, index) for index, fact in enumerate(self.scope.calls))

    @cached_property
    def _site_by_fact(self) -> dict[int, CallSite]:
        return {id(site.fact): site for site in self.calls}

    def site(self, call: Call) -> CallSite:
        """The call site of one of this scope's call facts."""
        return self._site_by_fact[id(call)]

    @cached_property
    def bindings(self) -> dict[str, list[Assign]]:
        """Local name -> its assignments in source order."""
        found: dict[str, list[Assign]] = defaultdict(list)
        for assign in self.scope.assigns:
            for name in bound_names(assign.target):
                found[name].append(assign)
        return found

    @cached_property
    def imports(self) -> dict[str, list[Import]]:
        """Local name -> the imports that bind it."""
        found: dict[str, list[Import]] = defaultdict(list)
        for item in self.scope.imports:
            if item.name != "*":
                found[import_binding(item)].append(item)
        return found

    @cached_property
    def children(self) -> dict[str, list[Function]]:
        """Functions and classes defined directly in this scope, by name."""
        found: dict[str, list[Function]] = defaultdict(list)
        for function in self.module.functions:
            if function.scope.parent == self.scope.index and function.kind != "lambda" and function is not self:
                found[function.name].append(function)
        return found

    @cached_property
    def parameters(self) -> dict[str, int]:
        """Parameter name -> index into `scope.params`."""
        return {param.name: index for index, param in enumerate(self.scope.params)}

    def binds(self, name: str) -> bool:
        """Is the name one of its own, not one of a scope around it?"""
        return name not in self.scope.globals and (name in self.bindings or name in self.parameters)

    def __repr__(self) -> str:
        return f"<{self.id}>"


@dataclass(eq=False, slots=True)
class CallSite:
    """One call as written, at its place."""

    function: Function
    fact: Call
    index: int

    @property
    def path(self) -> str:
        """The file."""
        return self.function.path

    @property
    def line(self) -> int:
        """The first line of the call."""
        return self.fact.line

    def __repr__(self) -> str:
        return f"<call {self.path}:{self.line}>"


@dataclass(eq=False)
class ClassInfo:
    """A class of the project."""

    module: Module
    body: Function
    id: str = ""
    bases: tuple[ClassInfo | str, ...] = ()  # a str is the dotted name of a library class; filled by `evaluate.py`
    subclasses: list[ClassInfo] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The bare name."""
        return self.body.name

    @property
    def path(self) -> str:
        """The file."""
        return self.module.path

    @property
    def line(self) -> int:
        """The line of `class`."""
        return self.body.line

    @cached_property
    def methods(self) -> dict[str, Function]:
        """Functions of the class body, the last definition of a name winning (overloads come first)."""
        return {name: found[-1] for name, found in self.body.children.items() if found[-1].kind == "function"}

    @cached_property
    def mro(self) -> tuple[ClassInfo, ...]:
        """This class and its project ancestors in method resolution order (C3; depth first where that fails)."""
        return linearised(self) or _depth_first(self)

    @cached_property
    def library_bases(self) -> tuple[str, ...]:
        """Dotted names of the library classes among the ancestors."""
        return tuple(dict.fromkeys(base for cls in self.mro for base in cls.bases if isinstance(base, str)))

    @cached_property
    def descendants(self) -> tuple[ClassInfo, ...]:
        """All project subclasses, direct or not (bounded)."""
        seen: list[ClassInfo] = []
        stack = list(self.subclasses)
        while stack and len(seen) < 200:
            cls = stack.pop()
            if cls not in seen and cls is not self:
                seen.append(cls)
                stack.extend(cls.subclasses)
        return tuple(seen)

    def find_method(self, name: str) -> Function | None:
        """The method that an instance of this class has, if a project class defines it."""
        return next((cls.methods[name] for cls in self.mro if name in cls.methods), None)

    @cached_property
    def attribute_assigns(self) -> dict[str, list[tuple[Function, Assign]]]:
        """`self.x = …` or `Class.x = …` in any method and `x = …` in the body: attribute -> (scope, assignment)."""
        from_body: dict[str, list[tuple[Function, Assign]]] = defaultdict(list)
        for bound, assigns in self.body.bindings.items():
            from_body[bound].extend((self.body, assign) for assign in assigns)
        for method in self.methods.values():
            first = method.scope.params[0].name if method.scope.params else None
            for assign in method.scope.assigns:
                name = attribute_of(assign.target, first) or attribute_of(assign.target, self.name)
                if name is not None:
                    from_body[name].append((method, assign))
        return from_body

    @cached_property
    def item_assigns(self) -> dict[str, list[tuple[Function, Assign]]]:
        """`self.x[key] = …` in any method: attribute -> (scope, assignment)."""
        found: dict[str, list[tuple[Function, Assign]]] = defaultdict(list)
        for method in self.methods.values():
            first = method.scope.params[0].name if method.scope.params else None
            for assign in method.scope.assigns:
                owner = assign.target.value if isinstance(assign.target, Sub) else None
                name = (attribute_of(owner, first) or attribute_of(owner, self.name)) if owner is not None else None
                if name is not None:
                    found[name].append((method, assign))
        return found

    def __repr__(self) -> str:
        return f"<class {self.id}>"


@dataclass(eq=False)
class Module:
    """One Python file."""

    name: str
    facts: FileFacts
    is_package: bool
    role: str = "production"
    functions: list[Function] = field(default_factory=list)  # by scope index
    classes: list[ClassInfo] = field(default_factory=list)
    path: str = field(init=False)  # the file, relative to the reviewed root

    def __post_init__(self) -> None:
        """The path, at hand: it is asked for as often as anything."""
        self.path = self.facts.path

    @property
    def body(self) -> Function:
        """The module's own scope."""
        return self.functions[0]

    @cached_property
    def item_assigns(self) -> dict[str, list[tuple[Function, Assign]]]:
        """`x[key] = …` for a name of the module, in any of its functions: name -> (scope, assignment)."""
        found: dict[str, list[tuple[Function, Assign]]] = defaultdict(list)
        for function in self.functions:
            for assign in function.scope.assigns:
                owner = assign.target.value if isinstance(assign.target, Sub) else None
                if isinstance(owner, Name) and (function.kind == "module" or not function.binds(owner.id)):
                    found[owner.id].append((function, assign))
        return found

    def __repr__(self) -> str:
        return f"<module {self.name}>"


def linearised(cls: ClassInfo, depth: int = 0) -> tuple[ClassInfo, ...]:
    """The C3 linearisation over project classes; empty where there is none (cycles, contradictions, too deep)."""
    if depth > 20:
        return ()
    bases = [base for base in cls.bases if isinstance(base, ClassInfo)]
    rows = [list(linearised(base, depth + 1)) for base in bases]
    if not all(rows):
        return ()
    rows.append(list(bases))
    order = [cls]
    while any(rows):
        rows = [row for row in rows if row]
        head = next((row[0] for row in rows if not any(row[0] in other[1:] for other in rows)), None)
        if head is None or len(order) > 60:
            return ()
        order.append(head)
        rows = [[known for known in row if known is not head] for row in rows]
    return tuple(order)


def _depth_first(cls: ClassInfo) -> tuple[ClassInfo, ...]:
    order: list[ClassInfo] = []
    stack: list[ClassInfo] = [cls]
    while stack and len(order) < 60:
        here = stack.pop(0)
        if here not in order:
            order.append(here)
            stack = [base for base in here.bases if isinstance(base, ClassInfo)] + stack
    return tuple(order)


def bound_names(target: Expr) -> Iterator[str]:
    """The plain names that an assignment target binds."""
    if isinstance(target, Name):
        yield target.id
    elif isinstance(target, Seq):
        for item in target.items:
            yield from bound_names(item)
    elif isinstance(target, Star):
        yield from bound_names(target.value)


def attribute_of(target: Expr, owner: str | None) -> str | None:
    """`x` for the target `owner.x`."""
    if owner is not None and isinstance(target, Attr) and isinstance(target.value, Name) and target.value.id == owner:
        return target.name
    return None


def import_binding(item: Import) -> str:
    """The local name that an import binds."""
    if item.asname:
        return item.asname
    return item.name if item.name is not None else item.module.split(".", 1)[0]


class Symbols:
    """All modules of the project, by path, by name and by import path."""

    def __init__(self, files: Sequence[FileFacts], known_roots: frozenset[str]) -> None:
        """`known_roots`: import roots that belong to libraries; a lone project file of that name does not shadow them."""
        self._known_roots = known_roots
        packages = {path.rpartition("/")[0] for path in (f.path for f in files) if path.endswith("__init__.py")}
        self._packages = packages
        # Python puts the folder of the script on the path, `__init__.py` or not.
        self._started = {path.rpartition("/")[0] for path in (f.path for f in files) if path.endswith("/manage.py")}
        self._started |= import_roots(files, packages, known_roots)
        self._imported_roots = {
            item.module.split(".", 1)[0]
            for facts in files
            for item in (facts.scopes[0].imports if facts.scopes else ())
            if item.level == 0
        } - known_roots
        self.modules: list[Module] = []
        self.by_path: dict[str, Module] = {}
        self._by_suffix: dict[str, list[Module]] = defaultdict(list)
        self.functions: list[Function] = []
        self.classes: list[ClassInfo] = []
        self.by_id: dict[str, Function] = {}
        for facts in files:
            self._add(facts)

    def _add(self, facts: FileFacts) -> None:
        parts = facts.path.removesuffix(".py").removesuffix(".pyi").split("/")
        is_package = parts[-1] == "__init__"
        if is_package:
            parts.pop()
        module = Module(self._module_name(parts, is_package), facts, is_package)
        self.modules.append(module)
        self.by_path[facts.path] = module
        for start in range(max(0, len(parts) - 9), len(parts)):
            self._by_suffix[".".join(parts[start:])].append(module)
        self._add_scopes(module)

    def _module_name(self, parts: list[str], is_package: bool) -> str:
        """The import name: from the first folder that the project imports by name; else as far up as there are packages."""
        if not parts:
            return "__init__"
        for start, part in enumerate(parts):
            if part in self._imported_roots and not self._is_inside("/".join(parts[:start])):
                return ".".join(parts[start:])
        depth = len(parts) if is_package else len(parts) - 1
        start = depth
        while start > 0 and "/".join(parts[:start]) in self._packages:
            start -= 1
        if start == depth and not is_package:
            start = 1 if len(parts) > 1 and parts[0] in {"src", "lib", "python"} else 0
        return ".".join(parts[min(start, len(parts) - 1) :])

    def _add_scopes(self, module: Module) -> None:
        class_of: dict[int, ClassInfo] = {}
        for scope in module.facts.scopes:
            parent = module.functions[scope.parent] if scope.parent >= 0 else None
            enclosing = class_of.get(scope.parent)
            function = Function(module, scope, enclosing, parent)
            if enclosing is None and parent is not None:
                function.cls = parent.cls if parent.kind in {"function", "lambda"} else None
            module.functions.append(function)
            function.id = self._unique_id(module, scope)
            self.by_id[function.id] = function
            self.functions.append(function)
            if scope.kind == "class":
                info = ClassInfo(module, function, function.id)
                function.cls = info
                class_of[scope.index] = info
                module.classes.append(info)
                self.classes.append(info)

    def _unique_id(self, module: Module, scope: Scope) -> str:
        wanted = module.name if scope.kind == "module" else f"{module.name}.{scope.qualname}"
        if wanted not in self.by_id:
            return wanted
        return next(name for n in range(2, 1_000_000) if (name := f"{wanted}#{n}") not in self.by_id)

    def class_of_body(self, body: Function) -> ClassInfo | None:
        """The class whose body this scope is."""
        return body.cls if body.kind == "class" else None

    def find_module(self, dotted: str, importer: Module) -> Module | None:
        """The project module that `import dotted` means inside `importer`, or None for a library."""
        candidates = self._by_suffix.get(dotted)
        if not candidates:
            return None
        best: Module | None = None
        best_score = (-1, 0)
        for module in candidates:
            if not self._importable(module, dotted):
                continue
            score = (_common_depth(module.path, importer.path), -module.path.count("/"))
            if score > best_score:
                best, best_score = module, score
        return best

    def _importable(self, module: Module, dotted: str) -> bool:
        """May `dotted` be the absolute name of this module: is the folder above its first part no package, or one that a script runs from?"""
        depth = dotted.count(".") + 1
        parts = module.path.split("/")
        above = parts[: len(parts) - depth - (1 if module.is_package else 0)]
        if module.path.endswith(".py") and not module.is_package:
            above = parts[:-depth]
        root = dotted.split(".", 1)[0]
        if above and "/".join(above) in self._packages:
            return "/".join(above) in self._started and root not in self._known_roots
        return not (root in self._known_roots and not self._is_own_package(above, root))

    def _is_inside(self, folder: str) -> bool:
        """Is a folder a package, so that what lies in it is imported under its name as well?"""
        return folder in self._packages and folder not in self._started

    def _is_own_package(self, above: list[str], root: str) -> bool:
        """A folder with `__init__.py` at the top of the repository outranks a library of the same name."""
        return "/".join([*above, root]) in self._packages

    def relative(self, importer: Module, level: int, module: str) -> str:
        """The path-like dotted name that a relative import means, from the repository root."""
        parts = importer.path.split("/")[:-1]
        if level > 1:
            parts = parts[: len(parts) - (level - 1)]
        return "/".join([*parts, *(module.split(".") if module else [])])

    def module_at(self, folder_path: str) -> Module | None:
        """The module `folder/name.py` or package `folder/name/__init__.py`."""
        return self.by_path.get(f"{folder_path}.py") or self.by_path.get(f"{folder_path}/__init__.py")


def _common_depth(a: str, b: str) -> int:
    depth = 0
    for left, right in zip(a.split("/"), b.split("/"), strict=False):
        if left != right:
            break
        depth += 1
    return depth
