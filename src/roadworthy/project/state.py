"""State that lives in one process: containers of modules, classes and long-lived objects, who changes them and who reads them."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project import flow
from roadworthy.project.symbols import attribute_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.schema import TypeRow
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, ClassInfo, Function

_MAKERS = re.compile(
    r"^(dict|list|set|deque|defaultdict|Counter|OrderedDict|WeakValueDictionary|.*(Cache|Dict|Store))$"
)
_CLOCK = re.compile(r"\bnow\(|time\(|monotonic\(|perf_counter\(|\bage\b|expire|stale|ttl", re.IGNORECASE)
_STORED = re.compile(r"redis|valkey|memcache|disk|file|shelve|sql|mongo|persist|django|database|remote", re.IGNORECASE)
_BUILDS = ("build_", "make_", "create_", "provide_")
_WAITED = frozenset({"create_future", "Future", "Event", "Lock", "Condition", "Semaphore"})
_CHANGES = frozenset({
    "append", "add", "update", "setdefault", "pop", "popitem", "remove", "discard", "clear", "extend", "insert", "appendleft", "set", "put",
    "popleft", "__setitem__", "increment",
})  # fmt: skip


@dataclass(eq=False)
class Held:
    """One container that lives as long as the process, and the functions that change and read it."""

    name: str  # `_store`, `RateLimiter.cache`
    owner: Function  # the scope whose assignment makes it: a module, a class body, or a method
    cls: ClassInfo | None
    line: int
    end_line: int
    writers: dict[Function, int] = field(default_factory=dict)  # function -> line of its first change
    readers: dict[Function, int] = field(default_factory=dict)
    demanders: dict[Function, int] = field(
        default_factory=dict
    )  # that refuse what it does not hold: `if key not in X: raise`

    @property
    def words(self) -> str:
        """All names around it, for a look at what it is for."""
        stem = self.owner.path.rpartition("/")[2].removesuffix(".py")
        return " ".join((self.name, self.cls.name if self.cls else "", stem))


def paces(held: Held, model: Model) -> bool:
    """A throttle of what this process itself sends: it makes its caller wait, and refuses nobody."""
    if held.cls is not None and _makes_wait(held.cls, model):
        return True
    for writer in held.writers:
        if held.cls is None and any(e.effect is Effect.SLEEP for site in writer.calls for e in model.effects_at(site)):
            return True
        for assign in writer.scope.assigns:
            if not isinstance(assign.target, f.Sub) or not isinstance(assign.value, f.CallRef):
                continue
            if flow.last_name(assign.target.value) == held.name.rpartition(".")[2]:
                resolution = model.graph.resolutions.get(writer.calls[assign.value.index])
                if resolution is not None and any(_makes_wait(value.cls, model) for value in resolution.classes):
                    return True
    return False


def holds_waiters(held: Held) -> bool:
    """Futures, events and locks of those who wait right now: they belong to this process, and end with it."""
    own = held.name.rpartition(".")[2]
    for writer in held.writers:
        scope = writer.scope
        put: list[f.Expr | None] = [
            a.value for a in scope.assigns if isinstance(a.target, f.Sub) and flow.last_name(a.target.value) == own
        ]
        for call in scope.calls:
            if isinstance(call.func, f.Attr) and call.func.name in _CHANGES and flow.last_name(call.func.value) == own:
                put.extend(call.args)
        values = [v for expr in put for v in (_bound(expr, writer) if isinstance(expr, f.Name) else [expr])]
        made = [scope.calls[value.index].func for value in values if isinstance(value, f.CallRef)]
        if any(flow.last_name(func) in _WAITED for func in made):
            return True
    return False


def _bound(name: f.Name, function: Function) -> list[f.Expr | None]:
    return [assign.value for assign in function.bindings.get(name.id, ())]


def is_filled_at_import(model: Model, function: Function, depth: int = 3) -> bool:
    """`QUOTAS.register(…)` at the top of a module, also through another method: every process fills it with the same."""
    callers = [edge.site.function for edge in model.edges_to(function)]
    return bool(callers) and all(
        caller.kind in {"module", "class"} or (depth > 0 and is_filled_at_import(model, caller, depth - 1))
        for caller in callers
    )


def is_refreshed(held: Held, model: Model) -> bool:
    """It mirrors what another system says, and is asked for anew when it is older than so long: nothing is lost with it."""
    name = held.name.rpartition(".")[2]
    return any(
        isinstance(assign.target, f.Sub)
        and assign.op == "="
        and flow.last_name(assign.target.value) == name
        and _when_old(writer, assign.region)
        and _is_read_outside(assign.value, writer, model)
        for writer in held.writers
        for assign in writer.scope.assigns
    )


def _when_old(function: Function, region: int) -> bool:
    """A condition around it compares a clock."""
    regions = function.scope.regions
    tests = (regions[r].test for r in flow.ancestors(function.scope, region) if regions[r].kind == "if")
    return any(test is not None and _CLOCK.search(flow.deep_text(test, function.scope)) for test in tests)


def _is_read_outside(expr: f.Expr | None, function: Function, model: Model, depth: int = 3) -> bool:
    """The value comes from a call that asks another system and changes nothing there."""
    while isinstance(expr, f.Sub | f.Attr):
        expr = expr.value
    if isinstance(expr, f.CallRef):
        effects = [e for e in model.effects_through(function.calls[expr.index]) if e.effect.word.external]
        return bool(effects) and not any(e.effect.word.persists for e in effects)
    if isinstance(expr, f.Name) and depth:
        return any(
            isinstance(assign.target, f.Name)
            and assign.target.id == expr.id
            and _is_read_outside(assign.value, function, model, depth - 1)
            for assign in function.scope.assigns
        )
    return False


def _makes_wait(cls: ClassInfo, model: Model) -> bool:
    """Does it sleep until there is room?"""
    sites = (site for method in cls.methods.values() for site in method.calls)
    return any(effect.effect is Effect.SLEEP for site in sites for effect in model.effects_at(site))


def held_state(model: Model) -> Iterator[Held]:
    """Containers of modules, of classes, and of instances (whether those are long-lived is for the caller to judge)."""
    for module in model.symbols.modules:
        if not model.is_reviewed(module.path):
            continue
        yield from _of_module(module.body)
    for cls in model.symbols.classes:
        if model.is_reviewed(cls.path):
            yield from _of_class(cls)


def _of_module(body: Function) -> Iterator[Held]:
    found = {
        assign.target.id: Held(assign.target.id, body, None, assign.line, assign.end_line)
        for assign in body.scope.assigns
        if isinstance(assign.target, f.Name) and _is_empty_container(assign.value, body)
    }
    if found:
        for function in body.module.functions[1:]:
            _uses(function, {name: held for name, held in found.items() if name not in function.parameters}, None)
        yield from (held for held in found.values() if held.writers)


def _of_class(cls: ClassInfo) -> Iterator[Held]:
    found: dict[str, Held] = {}
    for name, assigns in cls.attribute_assigns.items():
        for scope, assign in assigns:
            if _is_empty_container(assign.value, scope) and (
                (scope is cls.body and not _is_field(assign, cls))
                or scope.name in {"__init__", "__post_init__", "__new__"}
            ):
                found.setdefault(name, Held(f"{cls.name}.{name}", scope, cls, assign.line, assign.end_line))
    if found:
        for method in cls.methods.values():
            if method.scope.params:
                _uses(method, found, method.scope.params[0].name)
        yield from (held for held in found.values() if held.writers)


def _is_field(assign: f.Assign, cls: ClassInfo) -> bool:
    """`runs: list[Run] = []` of a record class: its base or decorator gives each instance a container of its own."""
    made = bool(cls.library_bases) or bool(cls.body.scope.decorators)
    return made and assign.annotation is not None and "ClassVar" not in flow.text_of(assign.annotation, cls.body.scope)


def _is_empty_container(expr: f.Expr | None, scope: Function) -> bool:
    """A container that starts empty: what is in it later came in at run time."""
    match expr:
        case f.Dict(items=items):
            return not items
        case f.Seq(items=items):
            return not items and expr.kind in {"list", "set"}
        case f.BoolOp(op="or", items=(f.Name(id=name), other)):
            # `initial or {}`: empty unless whoever makes it says otherwise
            return name in scope.parameters and _is_empty_container(other, scope)
        case f.CallRef():
            call = scope.scope.calls[expr.index]
            name = (
                call.func.id
                if isinstance(call.func, f.Name)
                else call.func.name
                if isinstance(call.func, f.Attr)
                else ""
            )
            if _STORED.search(name):
                return False  # `RedisCache()`: a view of what is kept elsewhere
            return bool(_MAKERS.match(name)) and not any(isinstance(a, f.Seq | f.Dict | f.Comp) for a in call.args)
    return False


def _uses(function: Function, found: dict[str, Held], owner: str | None) -> None:
    """Note the changes and reads of these containers in a function; `owner` is the name of its first parameter."""
    if function.name in {"__init__", "__post_init__"}:
        return
    scope = function.scope
    aliases = {
        assign.target.id: held
        for assign in scope.assigns
        if isinstance(assign.target, f.Name) and (held := _element_of(assign.value, found, owner, scope)) is not None
    }
    for call in scope.calls:
        if isinstance(call.func, f.Attr) and isinstance(call.func.value, f.Name) and call.func.name in _CHANGES:
            aliased = aliases.get(call.func.value.id)
            if aliased is not None:
                aliased.writers.setdefault(function, call.line)
                aliased.readers.setdefault(function, call.line)
    for assign in scope.assigns:
        held = _held_in(assign.target, found, owner, assign.op)
        if held is not None:
            held.writers.setdefault(function, assign.line)
            if assign.op != "=":
                held.readers.setdefault(function, assign.line)
    for test in scope.tests:
        if test.kind == "delete":
            held = _held_in(test.value, found, owner, "=")
            if held is not None:
                held.writers.setdefault(function, test.line)
    for call in scope.calls:
        if isinstance(call.func, f.Attr):
            held = _named(call.func.value, found, owner)
            base = _named(call.func.value.value, found, owner) if isinstance(call.func.value, f.Sub) else None
            changed = held or base
            if changed is not None:
                changes = call.func.name in _CHANGES
                if changes:
                    changed.writers.setdefault(function, call.line)
                if not changes or call.func.name in {"pop", "setdefault", "popleft"}:
                    changed.readers.setdefault(function, call.line)
    for region in scope.regions:
        for container in _looked_into(region.test) if region.kind == "if" and region.exits else ():
            asked = _named(container, found, owner)
            if asked is not None:
                asked.readers.setdefault(function, region.line)
                if region.exits == "raise":
                    asked.demanders.setdefault(function, region.line)
    for name, held in found.items():
        path = name if owner is None else f"{owner}.{name}"
        if scope.last_read.get(path, -1) >= 0 and function not in held.writers:
            held.readers.setdefault(function, function.line)


def _looked_into(test: f.Expr | None) -> Iterator[f.Expr]:
    """`if key in X: return`, `if key not in X: raise`: a decision by what X holds."""
    for part in flow.walk(test):
        if isinstance(part, f.Compare):
            yield from (right for op, right in zip(part.ops, part.rights, strict=True) if op in {"in", "not in"})


def _element_of(expr: f.Expr | None, found: dict[str, Held], owner: str | None, scope: f.Scope) -> Held | None:
    """`mine = X[key]`, `mine = X.setdefault(key, [])`, `mine = X.get(key)`: a change of `mine` is one of X."""
    if isinstance(expr, f.Sub):
        return _named(expr.value, found, owner)
    if isinstance(expr, f.CallRef):
        func = scope.calls[expr.index].func
        if isinstance(func, f.Attr) and func.name in {"get", "setdefault"}:
            return _named(func.value, found, owner)
    return None


def _held_in(target: f.Expr, found: dict[str, Held], owner: str | None, op: str) -> Held | None:
    """`X[k] = v`, `X[k] += 1`, `self.x[k] = v`; a plain `x = …` makes a new one and is no change."""
    if isinstance(target, f.Sub):
        inner = target.value
        return _named(inner, found, owner) or (_named(inner.value, found, owner) if isinstance(inner, f.Sub) else None)
    return _named(target, found, owner) if op not in {"=", "for", "with", "except"} else None


def _named(expr: f.Expr, found: dict[str, Held], owner: str | None) -> Held | None:
    if owner is None:
        return found.get(expr.id) if isinstance(expr, f.Name) else None
    name = attribute_of(expr, owner)
    return found.get(name) if name is not None else None


@dataclass(frozen=True, slots=True, eq=False)
class Planned:
    """A scheduler that keeps in memory what it is given to do later, and the calls that give it something."""

    made: CallSite
    added: tuple[CallSite, ...]


def planned_in_memory(model: Model) -> Iterator[Planned]:
    """Schedulers without a store; none where the project gives any of them a store in another way."""
    made: list[CallSite] = []
    added: list[CallSite] = []
    for site in model.sites():
        for library in model.graph.resolutions[site].libraries:
            row = _remembers(library.name, model)
            if row is not None and model.is_reviewed(site.path):
                given = {keyword for keyword, _ in site.fact.kwargs}
                if site.fact.args or given & {"**", *row.memory_unless}:
                    return
                made.append(site)
                continue
            owner, _, method = library.name.rpartition(".")
            row = _remembers(owner, model)
            if row is not None and method in row.memory_unless:
                return
            if row is not None and method in row.remembers:
                added.append(site)
    if added:
        yield from (Planned(site, tuple(added)) for site in made[:1])


def _remembers(name: str, model: Model) -> TypeRow | None:
    known = model.knowledge
    rows = (known.type(each) for each in (name, *known.type_bases(name)))
    return next((row for row in rows if row is not None and row.remembers), None)


class Lifetimes:
    """Which objects live as long as the process, by where they are made."""

    def __init__(self, model: Model) -> None:
        """Reads every construction of a project class once."""
        self._model = model
        self._made: dict[ClassInfo, list[CallSite]] = defaultdict(list)
        for site, resolution in model.graph.resolutions.items():
            for value in resolution.classes:
                for cls in value.cls.mro:
                    self._made[cls].append(site)

    def lives_long(self, held: Held) -> bool:
        """A module or class attribute does. An instance's does when the instance is made at import or start-up."""
        if held.cls is None or held.owner is held.cls.body:
            return True
        makers = [
            site
            for site in self._made.get(held.cls, ())
            if self._model.is_reviewed(site.path) and not self._model.is_script(site.path)
        ]
        if any(site.function.kind in {"module", "class"} for site in makers):
            return True
        # What a request makes for itself is what the request works on, whoever else makes one at the start.
        for_itself = any(
            r.inline and r.entry.serves_others for s in makers for r in self._model.exposure(s.function).entries
        )
        return not for_itself and any(
            _at_start(self._model, site.function) or _is_part(self._model, site, held.cls) for site in makers
        )


def _is_part(model: Model, site: CallSite, cls: ClassInfo) -> bool:
    """`def build_auth_handler(self): return AuthHandler(self)`: a part of an object that hands out its parts, asked for by name."""
    function = site.function
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", cls.name).lower()
    named = function.name.startswith(_BUILDS) and function.name.partition("_")[2] == words
    return named and function.cls is not None and site.fact.use == "returned" and not model.exposure(function).entries


def _at_start(model: Model, function: Function) -> bool:
    exposure = model.exposure(function)
    if exposure.entries and exposure.only_commands:
        return True
    outer = function.parent
    decorators = " ".join(model.text(expr, outer) for expr in function.scope.decorators) if outer is not None else ""
    return any(word in decorators.lower() for word in ("cache", "singleton", "once", "builder")) or function.name in {
        "create_app", "main", "setup", "startup", "lifespan", "build",
    }  # fmt: skip
