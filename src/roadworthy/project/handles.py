"""What becomes of the handle of started work: dropped, kept, waited for, cancelled, handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.arguments import given_to_awaited
from roadworthy.project.bindings import argument_for
from roadworthy.project.symbols import bound_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

Fate = Literal["dropped", "unread", "kept", "cancelled", "waited", "returned"]
"""dropped: the handle is discarded at once. unread: bound to a name that is never read again. kept: stored in an attribute or
container, or only given a callback. cancelled: kept, and somebody cancels it. waited: awaited, gathered, joined, asked for its result,
or handed to code that may do so. returned: the caller decides."""

_WAITS = frozenset({
    "gather", "wait", "wait_for", "as_completed", "result", "join", "shield", "exception", "run_until_complete", "timeout", "wait_closed",
    "joinall", "communicate", "DeferredList", "gatherResults",
})  # fmt: skip
_ENDS = frozenset({"result", "run_until_complete"})
"""An ordinary function that calls one comes back when the work is done."""
_STARTS = frozenset({"start", "set_name", "setDaemon", "add_done_callback"})
_STORES = frozenset({"append", "add", "extend", "put", "put_nowait", "appendleft", "insert", "setdefault", "update"})
_UNWRAPS = frozenset({
    "list", "tuple", "set", "sorted", "values", "items", "copy", "pop", "popleft", "get", "chain", "filter", "popitem", "reversed",
})  # fmt: skip


def fate_of(model: Model, site: CallSite) -> tuple[Fate, str]:
    """What becomes of the handle that a starting call returns, and the name that holds it."""
    fact = site.fact
    if fact.awaited or _owner_waits(site):
        return "waited", ""
    if fact.use == "discarded":
        return _kept_by_launcher(model, site) or ("dropped", "")
    if fact.use in {"returned", "yielded"}:
        return "returned", ""
    if fact.use in {"argument", "receiver", "stored"} and fact.outer >= 0:
        return _given_to(model, site)
    for assign in site.function.scope.assigns:
        if assign.value is not None and _holds(assign.value, site.index):
            return _bound(model, site, assign)
        if isinstance(assign.target, f.Sub) and _holds(assign.target.index, site.index):
            return _container(site.function, assign.target.value)  # `names[pool.submit(work)] = name`
    return "kept", ""


def _owner_waits(site: CallSite) -> bool:
    """`with Executor() as pool: …`, `async with TaskGroup() as group: …`: leaving the block waits, as does a later `pool.shutdown()`."""
    func = site.fact.func
    if not isinstance(func, f.Attr) or not isinstance(func.value, f.Name):
        return False
    owner, scope = func.value.id, site.function.scope
    here: Function | None = site.function
    while here is not None:
        if any(a.op == "with" and owner in bound_names(a.target) for a in here.bindings.get(owner, ())):
            return True
        here = here.parent if owner not in here.bindings else None
    return any(
        isinstance(call.func, f.Attr) and call.func.name in {"shutdown", "join"} and flow.text_of(call.func.value, scope) == owner
        and not any(key == "wait" and isinstance(value, f.Const) and value.value is False for key, value in call.kwargs)
        for call in scope.calls
    )  # fmt: skip


def _kept_by_launcher(model: Model, site: CallSite, depth: int = 3) -> tuple[Fate, str] | None:
    """`app.launch(work())`: a launcher of the project that keeps the handles of what it starts, wherever it does so."""
    resolution = model.graph.resolutions.get(site)
    functions = resolution.functions if resolution is not None else ()
    found = [_keeps(model, function, depth) for function in functions]
    kept = [fate for fate in found if fate is not None]
    if not kept or len(kept) < len(found):
        return None
    fate, name = kept[0]
    return ("waited" if fate == "waited" else "kept"), name


def _keeps(model: Model, function: Function, depth: int) -> tuple[Fate, str] | None:
    """Where a function stores the handle that it also gives back (one that only stores it tells so by itself), or waits for the end."""
    if not function.is_async and any(flow.last_name(site.fact.func) in _ENDS for site in function.calls):
        return "waited", ""
    for site in function.calls:
        if depth and site.fact.use == "returned":
            inner = _kept_by_launcher(model, site, depth - 1)
            if inner is not None:
                return inner
        if not any(row.handle for name in model.library_names(site) for row in model.knowledge.spawners(name)):
            continue
        for assign in function.scope.assigns:
            if assign.value is not None and isinstance(assign.target, f.Name) and _holds(assign.value, site.index):
                stored = _stored(function, assign.target.id)
                if stored is not None:
                    return stored
    return None


def _holds(expr: f.Expr, index: int) -> bool:
    return any(isinstance(part, f.CallRef) and part.index == index for part in flow.walk(expr))


def _given_to(model: Model, site: CallSite) -> tuple[Fate, str]:
    outer = site.function.calls[site.fact.outer]
    name = flow.last_name(outer.fact.func)
    if name in _WAITS:
        return "waited", ""
    if site.fact.use == "receiver":
        dropped = name in _STARTS and outer.fact.use == "discarded"
        return ("dropped", "") if dropped else ("kept", "")
    if any(row.handle for n in model.library_names(outer) for row in model.knowledge.spawners(n)):
        return fate_of(model, outer)  # `ensure_future(gather(…))`: one handle for all
    if name in _STORES and isinstance(outer.fact.func, f.Attr):
        return _container(site.function, outer.fact.func.value)
    return _through_call(model, outer, site.index)


def _through_call(model: Model, outer: CallSite, index: int) -> tuple[Fate, str]:
    """The handle is an argument of a project function: a tracker that stores it, or code that may wait for it."""
    resolution = model.graph.resolutions.get(outer)
    for callee in resolution.functions if resolution is not None else ():
        for name in callee.parameters:
            expr = argument_for(callee, name, outer, resolution.implicit if resolution is not None else False)
            if expr is not None and _holds(expr, index):
                return _tracked(model, callee, name)
    if outer.fact.use == "returned":
        return "returned", ""
    return (
        ("waited", "") if resolution is None or resolution.how == "unresolved" else ("kept", model.callee_text(outer))
    )


def _tracked(model: Model, callee: Function, name: str) -> tuple[Fate, str]:
    """What a project function does with a handle that it is given."""
    if waits_in(callee, {name}):
        return "waited", name
    stored = _stored(callee, name)
    if stored is not None:
        return stored
    if callee.scope.last_read.get(name, -1) < 0:
        return "dropped", name
    handed_on = any(_passes(call, name) and not _is_start(call) for call in callee.scope.calls)
    return ("waited", name) if handed_on else ("kept", name)


# --- bound to a name ---------------------------------------------------------------------------------------------------


def _bound(model: Model, site: CallSite, assign: f.Assign) -> tuple[Fate, str]:
    target, function = assign.target, site.function
    if not isinstance(target, f.Name):
        return _container(function, target)
    name = target.id
    if name in function.scope.globals or function.kind in {"module", "class"}:
        return _container(function, target)
    if _read_by_inner(function, name):
        return ("kept", name) if _only_callbacks(function, name) else ("waited", name)
    if function.scope.last_read.get(name, -1) < assign.order:
        return "unread", name
    if waits_in(function, {name}):
        return "waited", name
    if any(
        _mentions(leave.value, {name}, function.scope) for leave in function.scope.leaves if leave.value is not None
    ):
        return "returned", name
    return _handed_over(model, function, name)


def _handed_over(model: Model, function: Function, name: str) -> tuple[Fate, str]:
    """A local handle that is not waited for here: stored, given away, cancelled, or only started."""
    stored = _stored(function, name)
    if stored is not None:
        return stored
    for site in function.calls:
        if _passes(site.fact, name):
            fate = _through_named(model, site, name)
            if fate is not None:
                return fate
    return ("cancelled", name) if cancels_in(function, {name}) else ("kept", name)


def _through_named(model: Model, site: CallSite, name: str) -> tuple[Fate, str] | None:
    """`track(task)`, `Holder(task)`: follow the name into a project function; a library call may do anything with it."""
    resolution = model.graph.resolutions.get(site)
    if resolution is None or _is_start(site.fact):
        return None
    for callee in resolution.functions:
        for parameter in callee.parameters:
            expr = argument_for(callee, parameter, site, resolution.implicit)
            if isinstance(expr, f.Name) and expr.id == name:
                return _tracked(model, callee, parameter)
    if resolution.classes:
        return "waited", name
    return None


def _stored(function: Function, name: str) -> tuple[Fate, str] | None:
    """`tasks.add(task)`, `self.tasks[key] = task`, `self.task = task`."""
    for call in function.scope.calls:
        if isinstance(call.func, f.Attr) and call.func.name in _STORES and _passes(call, name):
            return _container(function, call.func.value)
    for assign in function.scope.assigns:
        if (
            assign.value is not None
            and not isinstance(assign.target, f.Name)
            and _mentions(assign.value, {name}, function.scope)
        ):
            return _container(function, assign.target)
    return None


def _passes(call: f.Call, name: str) -> bool:
    exprs = (*call.args, *(value for _, value in call.kwargs))
    return any(isinstance(part, f.Name) and part.id == name for expr in exprs for part in flow.walk(expr))


def _is_start(call: f.Call) -> bool:
    return flow.last_name(call.func) in _STARTS


def _only_callbacks(function: Function, name: str) -> bool:
    """Is the name read inside by lambdas only, none of which waits for it?"""
    readers = [
        inner
        for inner in function.module.functions
        if name in inner.scope.last_read and inner.scope.parent == function.scope.index
    ]
    return all(inner.kind == "lambda" and not waits_in(inner, {name}) for inner in readers)


def _read_by_inner(function: Function, name: str) -> bool:
    """Is a local name read by a function or lambda inside?"""
    inside = {function.scope.index}
    for inner in function.module.functions[function.scope.index + 1 :]:
        if inner.scope.parent in inside:
            inside.add(inner.scope.index)
            if name in inner.scope.last_read and name not in inner.parameters:
                return True
    return False


# --- containers and attributes -----------------------------------------------------------------------------------------


def _container(function: Function, owner: f.Expr) -> tuple[Fate, str]:
    """The handle lies in an attribute, a container or a global: waited for when anybody who can reach it waits."""
    while isinstance(owner, f.Sub | f.CallRef):
        if isinstance(owner, f.Sub):
            owner = owner.value
        else:
            func = function.scope.calls[owner.index].func
            owner = func.value if isinstance(func, f.Attr) else func
            if isinstance(owner, f.Name) and not isinstance(func, f.Attr):
                return "kept", owner.id
    text = flow.text_of(owner, function.scope)
    scopes = list(_who_reaches(function, owner))
    if any(waits_in(scope, {text, _tail(text)}) for scope in scopes) or given_to_awaited(function.scope, owner):
        return "waited", text
    return ("cancelled", text) if any(cancels_in(scope, {text, _tail(text)}) for scope in scopes) else ("kept", text)


def _tail(text: str) -> str:
    """`connection.tasks` is also `.tasks` of the same connection under another name."""
    return f".{text.rpartition('.')[2]}" if "." in text else text


def _who_reaches(function: Function, owner: f.Expr) -> Iterator[Function]:
    yield function
    if isinstance(owner, f.Name) and owner.id in function.bindings and owner.id not in function.scope.globals:
        yield from (child for children in function.children.values() for child in children)
        return
    family = list(function.cls.mro) if function.cls is not None else []
    modules = {id(cls.module): cls.module for cls in family}
    modules[id(function.module)] = function.module
    for module in modules.values():
        yield from module.functions


# --- waits -------------------------------------------------------------------------------------------------------------


def waits_in(function: Function, names: set[str]) -> bool:
    """Is one of these names awaited, gathered, joined or asked for its result here, also under another name?"""
    scope = function.scope
    known = _aliases(function, names)
    for call in scope.calls:
        if flow.last_name(call.func) in _WAITS and _mentions_any(_inputs(call), known, scope):
            return True
        if _is_watched(call, known, scope):
            return True
    return any(
        isinstance(part, f.Await) and _is_or_unwraps(part.value, known, scope)
        for expr in _exprs(scope)
        for part in flow.walk(expr)
    )


def _is_watched(call: f.Call, names: set[str], scope: f.Scope) -> bool:
    """`while …: if task.done(): break`: a loop looks again and again whether it has ended."""
    loop, func = flow.loop_of(scope, call.region), call.func
    asks = isinstance(func, f.Attr) and func.name in {"done", "is_alive"} and _is_named(func.value, names, scope)
    return asks and loop is not None and scope.regions[loop].kind == "while"


def cancels_in(function: Function, names: set[str]) -> bool:
    """Is one of these names cancelled here, also under another name?"""
    known = _aliases(function, names)
    return any(
        isinstance(call.func, f.Attr) and call.func.name in {"cancel", "kill", "terminate", "killall"} and _mentions_any(_inputs(call), known, function.scope)
        for call in function.scope.calls
    )  # fmt: skip


def _aliases(function: Function, names: set[str]) -> set[str]:
    """The names, and local names bound to them or to their items: `tasks = list(self.tasks)`, `for task in tasks`."""
    known, scope = set(names), function.scope
    if not any(part in scope.last_read or part.startswith(".") for part in known):
        return known
    for _ in range(3):
        before = len(known)
        for assign in scope.assigns:
            if assign.value is not None and _is_or_unwraps(assign.value, known, scope):
                known.update(bound_names(assign.target))
        for region in scope.regions:
            if region.kind in {"for", "comprehension"} and _is_or_unwraps(region.test, known, scope):
                known.update(bound_names(region.target) if region.target is not None else ())
        if len(known) == before:
            break
    return known


def _is_or_unwraps(expr: f.Expr | None, names: set[str], scope: f.Scope, depth: int = 0) -> bool:
    """The name itself, its items, or a copy of it."""
    if depth > 6:
        return False
    match expr:
        case f.Name() | f.Attr():
            return _is_named(expr, names, scope)
        case f.Sub() | f.Star() | f.Await():
            return _is_or_unwraps(expr.value, names, scope, depth + 1)
        case f.Seq() | f.BoolOp():
            return any(_is_or_unwraps(item, names, scope, depth + 1) for item in expr.items)
        case f.IfExp():
            return any(_is_or_unwraps(side, names, scope, depth + 1) for side in (expr.body, expr.orelse))
        case f.Comp():
            return _is_or_unwraps(expr.element, names, scope, depth + 1)
        case f.CallRef():
            call = scope.calls[expr.index]
            if call.func == f.Name("getattr"):
                return any(isinstance(arg, f.Str) and f".{arg.value}" in names for arg in call.args[1:2])
            if flow.last_name(call.func) not in _UNWRAPS:
                return False
            inner = (*call.args, call.func.value) if isinstance(call.func, f.Attr) else call.args
            return any(_is_or_unwraps(item, names, scope, depth + 1) for item in inner)
    return False


def _is_named(expr: f.Expr, names: set[str], scope: f.Scope) -> bool:
    text = flow.text_of(expr, scope)
    return text in names or (isinstance(expr, f.Attr) and f".{expr.name}" in names)


def _inputs(call: f.Call) -> list[f.Expr]:
    owner = [call.func.value] if isinstance(call.func, f.Attr) else []
    return [*call.args, *(value for _, value in call.kwargs), *owner]


def _mentions_any(exprs: Iterable[f.Expr], names: set[str], scope: f.Scope, depth: int = 0) -> bool:
    return any(_mentions(expr, names, scope, depth) for expr in exprs)


def _mentions(expr: f.Expr, names: set[str], scope: f.Scope, depth: int = 0) -> bool:
    for part in flow.walk(expr):
        if isinstance(part, f.Name | f.Attr) and _is_named(part, names, scope):
            return True
        if (
            isinstance(part, f.CallRef)
            and depth < 6
            and _mentions_any(_inputs(scope.calls[part.index]), names, scope, depth + 1)
        ):
            return True
    return False


def _exprs(scope: f.Scope) -> Iterator[f.Expr]:
    yield from (test.value for test in scope.tests)
    yield from (assign.value for assign in scope.assigns if assign.value is not None)
    yield from (leave.value for leave in scope.leaves if leave.value is not None)
    yield from (region.test for region in scope.regions if region.test is not None)
    for call in scope.calls:
        yield from (arg for arg in call.args if isinstance(arg, f.Await))
