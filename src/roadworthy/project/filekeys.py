"""Names by which a file is recognised wherever the project writes or reads it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.bindings import argument_for
from roadworthy.project.fresh import is_by_chance, is_fresh

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

CALLERS = 20  # of a helper that is given a path
_HANDED_ON = 3  # helpers that a path goes through
_OWN_NAME = re.compile(r"\w[\w-]*(\.[\w-]+)+")
_NEW_EACH_TIME = re.compile(r"random|temp|tmp|unique|uuid", re.IGNORECASE)
_SHAPES = frozenset(
    {
        "join",
        "joinpath",
        "Path",
        "PurePath",
        "str",
        "open",
        "expanduser",
        "abspath",
        "absolute",
        "resolve",
        "realpath",
        "normpath",
        "with_name",
        "with_suffix",
        "with_stem",
        "relative_to",
        "rename",
        "fspath",
        "format",
        "replace",
        "strip",
        "rstrip",
        "lstrip",
        "lower",
        "get",
    }
)
"""Calls that shape a path and do not tell which one it is."""


def keys_of(expr: f.Expr, function: Function, depth: int, model: Model, order: int | None = None) -> Iterator[str]:
    """Names by which a path is known: the attribute, constant or helper that gives it, and its last literal part.

    `order`: where a name is asked for, so that what it is bound to later counts only in a loop.
    """
    match expr:
        case f.Str(value=text):
            yield _file_name(text)
        case f.Attr():
            yield f".{expr.name}"
            if function.cls is not None and _is_own(expr, function):
                yield _attribute(expr.name, function.cls)
                yield from _bound_to(expr.name, function.cls, depth, model)
        case f.Name():
            yield from _kept_as(expr, function)
            if function.parent is not None and expr.id not in function.bindings and expr.id not in function.parameters:
                outer = function.parent
                while outer.parent is not None and expr.id not in outer.bindings and expr.id not in outer.parameters:
                    outer = outer.parent
                if outer.kind == "function":  # a lambda or a helper inside: the name is the outer function's own
                    if expr.id not in outer.parameters and depth < 4:
                        yield from keys_of(expr, outer, depth + 1, model)
                    return
            local = [a for a in function.bindings.get(expr.id, ()) if a.op == "=" and a.value is not None]
            if function.kind != "module" and local and depth < 4:
                seen = flow.reaching(function.scope, local, order)[0] if order is not None else local[-2:]
                for assign in seen:
                    if assign.value is not None:
                        yield from keys_of(assign.value, function, depth + 1, model)
            elif expr.id in function.parameters:
                if expr.id not in function.bindings and depth < _HANDED_ON:
                    yield from _given(expr.id, function, depth, model)
            elif function.kind == "module" or expr.id not in function.bindings:
                yield from _constant(expr, function, model)
        case f.CallRef():
            call = function.scope.calls[expr.index]
            name = (
                call.func.name
                if isinstance(call.func, f.Attr)
                else call.func.id
                if isinstance(call.func, f.Name)
                else ""
            )
            for arg in reversed(call.args):
                found = list(keys_of(arg, function, depth + 1, model)) if depth < 4 else []
                yield from found
                if found and not _is_given(
                    arg, function
                ):  # what callers give is one file of many: the folder counts, too
                    break
            if name and name not in _SHAPES and not _NEW_EACH_TIME.search(name):
                yield from _helpers(function.site(call), name, model)
        case f.Bin():
            yield from keys_of(expr.right, function, depth + 1, model)
        case f.FStr(parts=parts):
            last = parts[-1] if parts else None
            if isinstance(last, f.Str):
                yield _file_name(last.value)


def _helpers(site: CallSite, name: str, model: Model) -> Iterator[str]:
    """The helpers that give the path: of two classes' methods of one name each is its own."""
    resolution = model.graph.resolutions.get(site)
    found = resolution.functions if resolution is not None else ()
    for helper in found:
        key = f"{helper.path}:{helper.qualname}()"
        yield (
            f".{key}" if _takes_name(helper) else key
        )  # a file of many, which only the same module knows by the helper
    if not found:
        yield f"{name}()"


def _takes_name(helper: Function) -> bool:
    """`def checked(path): return root / path`: whoever calls it names the file, the helper tells only where such files lie."""
    given = [leave.value for leave in helper.scope.leaves if leave.kind == "return" and leave.value is not None]
    return bool(given) and all(_last_part(value, helper) in helper.parameters for value in given)


def _last_part(path: f.Expr, function: Function, depth: int = 0) -> str:
    """The name that gives the last part of a path, followed through what local names are bound to."""
    match path:
        case f.Name(id=name):
            bound = [a.value for a in function.bindings.get(name, ()) if a.op == "=" and a.value is not None]
            return _last_part(bound[-1], function, depth + 1) if bound and depth < 4 else name
        case f.Bin(right=right):
            return _last_part(right, function, depth)
        case f.CallRef(index=index):
            call = function.scope.calls[index]
            if flow.last_name(call.func) not in _SHAPES:
                return ""
            inner = call.args[-1] if call.args else call.func.value if isinstance(call.func, f.Attr) else None
            return _last_part(inner, function, depth + 1) if inner is not None and depth < 4 else ""
    return ""


def _attribute(name: str, cls: ClassInfo) -> str:
    """An attribute of one class, which a helper elsewhere may be given."""
    return f"{cls.path}:{cls.name}.{name}"


def _bound_to(name: str, cls: ClassInfo, depth: int, model: Model) -> Iterator[str]:
    """`self.path = folder / "state.json"`: the file's own name, by which others find it without the object."""
    if depth < _HANDED_ON:
        for method, assign in cls.attribute_assigns.get(name, ()):
            if assign.op == "=" and assign.value is not None and not isinstance(assign.value, f.Attr):
                found = keys_of(assign.value, method, depth + 2, model, assign.order)
                yield from (key for key in found if _OWN_NAME.fullmatch(key))


def _kept_as(name: f.Name, function: Function) -> Iterator[str]:
    """`self.path = path` beside `open(path)` in the same method: the other methods know the file by the attribute."""
    if function.cls is None or any(assign.op != "=" for assign in function.bindings.get(name.id, ())):
        return
    for assign in function.scope.assigns:
        target = assign.target
        if assign.op == "=" and isinstance(target, f.Attr) and _is_own(target, function) and assign.value == name:
            yield _attribute(target.name, function.cls)


def _is_own(expr: f.Attr, function: Function) -> bool:
    first = function.scope.params[0].name if function.scope.params else ""
    return isinstance(expr.value, f.Name) and expr.value.id == first


def _is_given(expr: f.Expr, function: Function) -> bool:
    return isinstance(expr, f.Name) and expr.id in function.parameters and expr.id not in function.bindings


def _given(name: str, function: Function, depth: int, model: Model) -> Iterator[str]:
    """The paths that callers give to a helper (`write_json(self._file, data)`); an attribute is known in its own class only."""
    for edge in model.edges_to(function)[:CALLERS]:
        caller = edge.site.function
        resolution = model.graph.resolutions.get(edge.site)
        implicit = resolution.implicit if resolution is not None else False
        expr = argument_for(function, name, edge.site, implicit) if edge.kind == "call" else None
        fresh = expr is None or is_fresh(expr, caller) or is_by_chance(expr, caller, edge.site.fact.order, model)
        if expr is None or fresh or replaces(model, caller):
            continue  # a temporary file, or the caller moves it into its place
        if isinstance(expr, f.Attr):
            yield _attribute(expr.name, caller.cls) if caller.cls is not None else f".{expr.name}"
            continue
        yield from (
            key for key in keys_of(expr, caller, depth + 1, model, edge.site.fact.order) if not key.startswith(".")
        )


def _constant(name: f.Name, function: Function, model: Model) -> Iterator[str]:
    """A constant is known by the file that it names; one whose text is not known by its own name, in its own module."""
    if name.id == "__file__":
        yield f"{function.path}:{name.id}"
        return
    told = model.literal(name, function)
    own = name.id in function.module.body.bindings
    yield _file_name(told) if isinstance(told, str) else f"{function.path}:{name.id}" if own else name.id


def _file_name(text: str) -> str:
    """The last part of a literal path; what begins with a dot (`path + ".meta"`) is told apart from the name of an attribute."""
    name = text.rpartition("/")[2] or text
    return f"*{name}" if name.startswith(".") else name


def replaces(model: Model, function: Function) -> list[CallSite]:
    """Renames over another file in a function."""
    return [site for site in function.calls if any(e.effect is Effect.FILE_REPLACE for e in model.effects_at(site))]
