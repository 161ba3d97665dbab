"""Files of which there is no older state: new in every run, read back by the run that wrote them only, or made again when they cannot be read."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.files import FileAccess
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function

_MADE_ANEW = re.compile(
    r"mkdtemp|mkstemp|TemporaryDirectory|NamedTemporaryFile|(^|[^A-Za-z])te?mp(orary)?(_?(dir|path|folder|file|uuid))?s?([^A-Za-z]|$)"
)
_OF_A_DAY = re.compile(r"%[dDFjUWx](?!.*%[SsfTXcM])|\btoday\b")
"""A stamp that many runs share."""
_WORKING_FOLDER = re.compile(r"(^|[^A-Za-z])(get)?cwd\b")
_SOURCE = re.compile(r"(^|/)(pyproject\.toml|setup\.(py|cfg)|package(-lock)?\.json|[\w.-]+\.(py|md|rst))$")
_BOUND = 3  # names between a path and the folder that was made for it
_READ_WHOLE = frozenset({"read", "read_text", "read_bytes"})
_MAKES_FOLDER = frozenset({"makedirs", "mkdir"})


def is_made_again(written: FileAccess, read: FileAccess) -> bool:
    """What could not be read is made anew and stored: a half file costs the work once more. By the same function: it goes on after a
    handler for everything that may go wrong while it reads, or writes only where what it read was empty, or where a flag still stands
    that reading would have taken back.
    """
    function, scope = written.function, written.function.scope
    if read.function is not function or read.site.fact.order > written.site.fact.order:
        return False
    first, last = read.site.fact.order, written.site.fact.order
    for region in scope.regions:
        if region.kind == "except" and first < region.start < last and not region.exits:
            names = [flow.text_of(expr, scope) for expr in region.types]
            if not names or {"Exception", "BaseException"} & set(names):
                return True
    taken = {flow.text_of(a.target, scope) for a in scope.assigns if first < a.order < last and a.value is not None}
    around = [scope.regions[index] for index in flow.ancestors(scope, written.site.fact.region)]
    tests = [r.test for r in around if r.kind == "if" and r.start > first]
    if any(isinstance(t, f.Unary) and t.op == "not" and flow.text_of(t.value, scope) in taken for t in tests):
        return True
    if _is_compared(written):
        return True
    return any(isinstance(t, f.Name) and _is_taken_back(t.id, written.function, first, last) for t in tests)


def _is_compared(written: FileAccess) -> bool:
    """`if file.read() == contents: return`, `stale = file.read() != digest`: what is in the file is at hand, and is written wherever the
    file differs from it.
    """
    scope = written.function.scope
    last = written.site.fact.order
    leaving = [r.test for r in scope.regions if r.kind == "if" and r.exits == "return" and r.start <= last]
    asked = [a.value for a in scope.assigns if a.order < last]
    for test, ops in (*((test, ("==",)) for test in leaving), *((value, ("!=",)) for value in asked)):
        if not isinstance(test, f.Compare) or test.ops != ops:
            continue
        sides = (test.left, *test.rights)
        if any(_reads(side, scope) for side in sides):
            return any(isinstance(side, f.Name) and _is_written(side, scope, last) for side in sides)
    return False


def _reads(expr: f.Expr, scope: f.Scope) -> bool:
    if not isinstance(expr, f.CallRef):
        return False
    func = scope.calls[expr.index].func
    if isinstance(func, f.Attr) and func.name == "strip":
        return _reads(func.value, scope)
    return flow.last_name(func) in _READ_WHOLE


def _is_written(name: f.Name, scope: f.Scope, order: int) -> bool:
    return any(call.order >= order and name in call.args for call in scope.calls)


def _is_taken_back(flag: str, function: Function, first: int, last: int) -> bool:
    """`generate = True`, then a file that is read and `generate = False`."""
    values = [(a.order, a.value) for a in function.bindings.get(flag, ()) if a.op == "="]
    if not all(isinstance(value, f.Const) and value.kind == "bool" for _, value in values):
        return False
    truths = [(order, isinstance(value, f.Const) and bool(value.value)) for order, value in values if order < last]
    return (
        any(truth for order, truth in truths if order < first)
        and not any(t for o, t in truths if o > first)
        and any(o > first for o, _ in truths)
    )


def is_made_anew(model: Model, written: FileAccess) -> bool:
    """A path that no other run has: in a folder that was just made, or under a name by chance or by the second."""
    function = written.function
    if (
        is_fresh(written.target, function)
        or _in_emptied_folder(written)
        or is_touch(written)
        or is_for_program(written)
    ):
        return True
    if is_by_chance(written.target, function, written.site.fact.order, model):
        return True
    origins = model.origin(written.target, function, written.site.fact.order)
    stamps = [origin.site for origin in origins if origin.kind == "clock" and origin.site is not None]
    near = {function, *(edge.callee for edge in model.edges_from(function))}  # here, or in what gives the folder
    now = [site for site in stamps if site.function in near]
    return bool(now) and not any(
        _OF_A_DAY.search(_stamp(site.function, site.fact.line, site.fact.end_line)) for site in now
    )


def is_by_chance(path: f.Expr, function: Function, order: int, model: Model) -> bool:
    """`folder / f"{uuid4()}.mp3"`: a hash of what is random may be the key of something that stays."""
    return any(origin.kind == "random" and not origin.hashed for origin in model.origin(path, function, order))


def _stamp(function: Function, first: int, last: int) -> str:
    """What is written around the call that looks at the clock: its own text and the format that it is given."""
    scope = function.scope
    calls = [call for call in scope.calls if first <= call.line and call.end_line <= last]
    texts = [flow.text_of(call.func, scope) for call in calls]
    return " ".join([*texts, *(text for call in calls for arg in call.args for text in flow.strings_of(arg))])


def is_touch(written: FileAccess) -> bool:
    """`open(path, "w")`, `open(path, "w").close()`, `with open(path, "w"): pass`: the file is there and empty; there is nothing that could be half."""
    fact, scope = written.site.fact, written.function.scope
    if fact.use == "receiver" and fact.outer >= 0:
        return flow.last_name(scope.calls[fact.outer].func) == "close"
    if fact.use == "context":
        opened = f.CallRef(written.site.index)
        return any(region.only_pass and region.items and region.items[-1][0] == opened for region in scope.regions)
    return fact.use == "discarded" and flow.last_name(fact.func) == "open"


def is_for_program(written: FileAccess) -> bool:
    """`path = cwd() / "lock.yml"` and then `run([tool, str(path)])`: the program that reads it is started here, when the file is whole."""
    function, target = written.function, written.target
    if not isinstance(target, f.Name) or not any(_WORKING_FOLDER.search(text) for text in texts_of(target, function)):
        return False
    return function.scope.last_read.get(target.id, -1) > written.site.fact.order


def is_source(written: FileAccess) -> bool:
    """A file that lies in the repository by its name: whoever rewrites it has the older state under version control."""
    function = written.function
    names = set(names_in(written.target, function.scope))
    bound = [*function.bindings.items(), *function.module.body.bindings.items()]
    values = [a.value for name, assigns in bound if name in names for a in assigns if a.value is not None]
    texts = (text for path in (written.target, *values) for text in flow.strings_of(path))
    return any(_SOURCE.search(text) for text in (*written.keys, *texts))


def _in_emptied_folder(written: FileAccess) -> bool:
    """The function takes the folder away and makes it again before it writes into it."""
    scope, order = written.function.scope, written.site.fact.order
    names = set(names_in(written.target, scope))
    for name in list(names):
        for assign in written.function.bindings.get(name, ()):
            names |= set(names_in(assign.value, scope)) if assign.value is not None else set()
    before = [call for call in scope.calls if call.order < order and call.args and isinstance(call.args[0], f.Name)]
    gone = {flow.text_of(call.args[0], scope) for call in before if flow.last_name(call.func) == "rmtree"}
    made = {flow.text_of(call.args[0], scope) for call in before if flow.last_name(call.func) in _MAKES_FOLDER}
    return bool(names & gone & made)


def is_fresh(path: f.Expr, function: Function, depth: int = 0) -> bool:
    """In a folder that was just made, by the words of the path or of what its names were bound to."""
    scope = function.scope
    if _MADE_ANEW.search(flow.deep_text(path, scope)):
        return True
    for name in names_in(path, scope):
        bound = [a.value for a in function.bindings.get(name, ()) if a.op in {"=", "with"}]
        given = [
            value for value in bound if value is not None and not isinstance(value, f.Const)
        ]  # `path = None` first
        if given and depth < _BOUND and all(is_fresh(value, function, depth + 1) for value in given):
            return True
    return False


def texts_of(path: f.Expr, function: Function) -> Iterator[str]:
    """The words of a path, and those of what its names are bound to."""
    yield flow.deep_text(path, function.scope)
    for name in names_in(path, function.scope):
        yield from (flow.deep_text(a.value, function.scope) for a in function.bindings.get(name, ()) if a.op == "=")


def names_in(expr: f.Expr, scope: f.Scope) -> Iterator[str]:
    """Names in a path, those in `os.path.join(folder, name)` included."""
    for part in flow.walk(expr):
        if isinstance(part, f.Name):
            yield part.id
        elif isinstance(part, f.CallRef):
            for arg in scope.calls[part.index].args:
                yield from names_in(arg, scope)


def is_of_the_run(written: FileAccess, read: FileAccess, model: Model) -> bool:
    """Read by the run that wrote it, and after it: no other state than its own is ever read there.

    The write stands on every way to the read: in the same function, or in the helper that is given the path afterwards.
    """
    function, fact = written.function, written.site.fact
    block = fact.region
    while function.scope.regions[block].kind == "with":  # whoever leaves it has passed through it
        block = function.scope.regions[block].parent
    if read.function is function:
        there = read.site.fact
        return flow.dominates(function.scope, fact.order, block, there.region, there.order) or _bound_after(
            written, read, block
        )
    sites = [edge.site for edge in model.edges_to(read.function) if edge.site.function is function]
    return bool(sites) and all(
        flow.dominates(function.scope, fact.order, block, site.fact.region, site.fact.order)
        and any(flow.text_of(arg, function.scope) == written.text for arg in site.fact.args)
        for site in sites
    )


def _bound_after(written: FileAccess, read: FileAccess, block: int) -> bool:
    """`path = path + ".gz"` after the file of that name was written: what reads `path` reads that file only where it was."""
    function, target = written.function, read.target
    if not isinstance(target, f.Name):
        return False
    scope = function.scope
    seen, _ = flow.reaching(scope, function.bindings.get(target.id, ()), read.site.fact.order)
    same = [a for a in seen if flow.text_of(a.value, scope) == written.text]
    return bool(same) and all(a.order > written.site.fact.order and flow.within(scope, a.region, block) for a in same)
