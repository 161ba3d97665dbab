"""Which signals the project handles, where, and whether the handler does anything that somebody notices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roadworthy.facts import schema as f
from roadworthy.knowledge.schema import Argument, GuardRow, SpawnerRow
from roadworthy.project.arguments import arguments
from roadworthy.project.values import FunctionValue, Library, LibraryObject, Partial
from roadworthy.project.values import Literal as LiteralValue

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function

Action = Literal["handler", "default", "ignore"]
STOPS = ("TERM", "INT")

_ANY = Argument(argument="*", position=0)
_LEAVES = frozenset({"exit", "_exit", "Exit", "Abort", "SystemExit", "quit"})
_TALK = frozenset({
    "print", "str", "repr", "format", "Signals", "getpid", "getLogger", "debug", "info", "warning", "warn", "error", "exception", "critical",
    "log", "echo", "secho",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Registration:
    """One call that says what happens when a signal comes."""

    site: CallSite
    signals: tuple[str, ...]  # "TERM", "INT" …; empty: not known, it may be any
    action: Action
    handlers: tuple[Function, ...] = ()

    def covers(self, name: str) -> bool:
        """May this be the registration for the signal of this name?"""
        return not self.signals or name in self.signals

    def names(self, name: str) -> bool:
        """Is this the registration for the signal for certain?"""
        return name in self.signals


class Signals:
    """All registrations of the reviewed project."""

    def __init__(self, model: Model) -> None:
        """Found once, in source order."""
        self._model = model
        self._rows: dict[str, SpawnerRow | GuardRow | None] = {}
        self.all = tuple(self._registrations())

    def _registrations(self) -> Iterator[Registration]:
        for function in self._model.functions:
            for site in function.calls:
                found = self._at(site)
                if found is not None:
                    yield found

    def _at(self, site: CallSite) -> Registration | None:
        for name in self._model.library_names(site):
            if name not in self._rows:
                self._rows[name] = self._row(name)
            row = self._rows[name]
            if isinstance(row, SpawnerRow):
                return self._hook(site, row)
            if row is not None:
                return Registration(site, self._signals(arguments(site.fact, row.call or _ANY), site), "handler")
        if self._installs_by_name(site):
            return Registration(site, (), "handler")
        return None

    def _row(self, name: str) -> SpawnerRow | GuardRow | None:
        """How this library call says what a signal does, if it does."""
        for hook in self._model.knowledge.spawners(name):
            if hook.hook == "signal":
                return hook
        for guard in self._model.knowledge.guards(name):
            if guard.kind == "shutdown-hook" and "context" in guard.form and guard.call is not None:
                return guard
        return None

    def _installs_by_name(self, site: CallSite) -> bool:
        """A call that cannot be followed and says in its name that it handles signals."""
        last = _last(site.fact.func).lower()
        return (
            "signal" in last
            and not self._model.targets(site)
            and any(word in last for word in ("handle", "install", "setup", "set_up", "regist", "add"))
        )

    def _hook(self, site: CallSite, row: SpawnerRow) -> Registration:
        signals = self._signals(site.fact.args[:1], site)
        exprs = list(arguments(site.fact, row.runs))
        values = [v for e in exprs for v in self._model.values(e, site.function, site.fact.order)]
        names = {v.name.rpartition(".")[2] for v in values if isinstance(v, Library) and v.receiver is None}
        if "SIG_DFL" in names:
            return Registration(site, signals, "default")
        if "SIG_IGN" in names:
            return Registration(site, signals, "ignore")
        return Registration(site, signals, "handler", tuple(self._functions(exprs, site)))

    def _signals(self, exprs: Iterable[f.Expr], site: CallSite) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for expr in exprs:
            names = list(self._names(expr, site))
            if not names:
                return ()
            found.update(dict.fromkeys(names))
        return tuple(found)

    def _names(self, expr: f.Expr, site: CallSite) -> Iterator[str]:
        if isinstance(expr, f.Seq):
            for item in expr.items:
                yield from self._names(item, site)
            return
        for value in self._model.values(expr, site.function, site.fact.order):
            text = ""
            if isinstance(value, Library):
                text = value.name.rpartition(".")[2]
            elif isinstance(value, LibraryObject):
                text = value.type.rpartition(".")[2]
            elif isinstance(value, LiteralValue) and isinstance(value.value, str | int):
                text = {"15": "SIGTERM", "2": "SIGINT"}.get(str(value.value), str(value.value))
            if text.startswith("SIG"):
                yield text[3:]

    def _functions(self, exprs: Iterable[f.Expr], site: CallSite) -> Iterator[Function]:
        for expr in exprs:
            for value in self._model.values(expr, site.function, site.fact.order):
                value = value.target if isinstance(value, Partial) else value
                if isinstance(value, FunctionValue):
                    yield value.function

    # --- what a handler does ------------------------------------------------------------------------------------------

    def unread_flag(self, found: Registration) -> str:
        """The flag that the handler sets and nothing reads; empty when it does something, or that is not known."""
        flags: list[str] = []
        for handler in found.handlers:
            flag = self._only_sets(handler)
            if flag is None:
                return ""
            flags.append(flag)
        return flags[0] if flags and not any(self._is_read(flag) for flag in flags) else ""

    def unawaited(self, found: Registration) -> Function | None:
        """The coroutine that a handler makes and nobody awaits: a signal handler is only called."""
        for handler in found.handlers:
            made = handler if handler.is_async else self._made_by(handler)
            if made is not None:
                return made
        return None

    def _made_by(self, handler: Function) -> Function | None:
        """`lambda: stop()`, where `stop` is a coroutine function: its coroutine is what the lambda gives, and it is dropped."""
        if handler.kind != "lambda":
            return None
        for leave in handler.scope.leaves:
            if isinstance(leave.value, f.CallRef):
                called = self._model.graph.resolutions[handler.calls[leave.value.index]].functions
                if called and all(function.is_async and not function.scope.is_generator for function in called):
                    return called[0]
        return None

    def does_nothing(self, found: Registration) -> bool:
        """A handler of the project that at most logs."""
        return bool(found.handlers) and all(self._at_most_logs(handler) for handler in found.handlers)

    def _at_most_logs(self, handler: Function) -> bool:
        scope = handler.scope
        if handler.kind == "lambda" or scope.assigns or any(leave.kind in {"raise", "yield"} for leave in scope.leaves):
            return False
        return all(self.is_talk(site) for site in handler.calls)

    def is_talk(self, site: CallSite) -> bool:
        """A call that only says something."""
        effects = self._model.effects_at(site)
        if self._model.graph.resolutions[site].functions:
            return False
        if effects:
            return all(effect.effect.word.telemetry for effect in effects)
        name = _last(site.fact.func)
        return name in _TALK

    def leaves(self, site: CallSite) -> bool:
        """`sys.exit()` and its kin."""
        return not self._model.graph.resolutions[site].functions and _last(site.fact.func) in _LEAVES

    def _only_sets(self, handler: Function) -> str | None:
        """The attribute or global that a handler sets, when that is all it does besides logging."""
        scope = handler.scope
        if handler.kind == "lambda" or any(leave.kind in {"raise", "yield"} for leave in scope.leaves):
            return None
        if not all(self.is_talk(site) for site in handler.calls):
            return None
        names = []
        for assign in scope.assigns:
            target = assign.target
            if isinstance(target, f.Attr):
                names.append(target.name)
            elif isinstance(target, f.Name) and target.id in scope.globals:
                names.append(target.id)
            elif not isinstance(target, f.Name):
                return None
        return names[0] if len(names) == 1 else None

    def _is_read(self, flag: str) -> bool:
        """Does anything in the project load a name or attribute of this name?"""
        end = "." + flag
        return any(
            path == flag or path.endswith(end)
            for function in self._model.symbols.functions
            for path in function.scope.last_read
        )


def interrupt_regions(scope: f.Scope) -> Iterator[int]:
    """The `except KeyboardInterrupt` blocks of a scope."""
    for index, region in enumerate(scope.regions):
        if region.kind == "except" and any(_last(kind) == "KeyboardInterrupt" for kind in region.types):
            yield index


def _last(expr: f.Expr) -> str:
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""
