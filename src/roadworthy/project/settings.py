"""Settings that the project fixes in code: upper-case module constants, keys of literal dictionaries, environment names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.facts.schema import AuxFacts
    from roadworthy.project.symbols import Function, Symbols


_ASIDE = re.compile(r"(^|[/_.-])(ci|tests?|testing|dev|devel|development|devstack|local|example|sample)([/_.-]|$)")


@dataclass(frozen=True, slots=True)
class SettingValue:
    """One setting at one place."""

    name: str
    value: str | int | float | bool | None  # None: not a literal; the default where it is read from outside
    known: bool
    path: str
    line: int
    keyed: bool = False  # a key of a dictionary or an argument, not the name of a variable


class ProjectSettings:
    """All settings by name; a key inside a dictionary is known by its own name, and as `TABLE.key`."""

    def __init__(self, symbols: Symbols, around: Sequence[AuxFacts]) -> None:
        """Reads module scopes and classes of settings only."""
        self._found: dict[str, list[SettingValue]] = {}
        for module in symbols.modules:
            for setting in _of_scope(module.body):
                self._found.setdefault(setting.name, []).append(setting)
            for cls in module.classes:
                if any(word in cls.name.lower() for word in ("config", "settings", "common", "production", "base")):
                    for setting in _of_scope(cls.body):
                        self._found.setdefault(setting.name, []).append(setting)
        for file in around:
            for item in file.settings:
                name = item.key.rpartition(".")[2]
                self._found.setdefault(name, []).append(SettingValue(name, item.value, True, file.path, item.line))

    @property
    def names(self) -> frozenset[str]:
        """Every name that is set somewhere."""
        return frozenset(self._found)

    def get(self, *names: str) -> tuple[SettingValue, ...]:
        """All places where one of these is set; those of a service before those of a developer or a test."""
        found = [s for name in names for s in self._found.get(name, ())]
        return tuple(sorted(found, key=lambda s: bool(_ASIDE.search(s.path))))

    def seconds(self, *names: str) -> float | None:
        """The first of these that is set to a number."""
        numbers = (
            s.value for s in self.get(*names) if isinstance(s.value, int | float) and not isinstance(s.value, bool)
        )
        return next((float(number) for number in numbers), None)

    def is_true(self, *names: str, keyed: bool = False) -> SettingValue | None:
        """A place where one of these is switched on (a value that is not literal counts as on); `keyed`: only as a key of a table."""
        for setting in self.get(*names):
            if keyed and not setting.keyed:
                continue
            if not setting.known or setting.value in (True, "True", "true", "1", "yes", "on", 1):
                return setting
        return None


def _of_scope(scope: Function) -> Iterator[SettingValue]:
    for assign in scope.scope.assigns:
        if assign.value is None:
            continue
        target = assign.target
        name = target.id if isinstance(target, f.Name) else target.name if isinstance(target, f.Attr) else ""
        if isinstance(target, f.Sub) and isinstance(target.index, f.Str):
            name = target.index.value
        if name and (
            name.isupper() or not isinstance(target, f.Name) or scope.kind == "class" or _looks_configured(scope)
        ):
            yield _setting(name, assign.value, scope, assign.line, keyed=isinstance(target, f.Sub))
        for part in flow.walk(assign.value):
            if isinstance(part, f.Dict):
                for key, value in part.items:
                    if isinstance(key, f.Str):
                        yield _setting(key.value, value, scope, assign.line, keyed=True)
                        if name.isupper():
                            yield _setting(f"{name}.{key.value}", value, scope, assign.line)
    for call in scope.scope.calls:
        if _is_table(call.func):
            for keyword, expr in call.kwargs:
                yield _setting(keyword, expr, scope, call.line, keyed=True)


def _is_table(func: f.Expr) -> bool:
    """`dict(…)`, `app.conf.update(…)`: the keywords are settings."""
    if isinstance(func, f.Name):
        return func.id == "dict"
    return isinstance(func, f.Attr) and func.name in {"update", "conf", "configure", "config_from_object"}


def _looks_configured(scope: Function) -> bool:
    """Configuration modules use lower-case names too (gunicorn.conf.py, celeryconfig.py)."""
    stem = scope.path.rpartition("/")[2]
    return "conf" in stem or "settings" in stem


def _setting(name: str, expr: f.Expr, scope: Function, line: int, *, keyed: bool = False) -> SettingValue:
    if isinstance(expr, f.Str | f.Const):
        return SettingValue(name, expr.value, True, scope.path, line, keyed)
    if isinstance(expr, f.Bin) and expr.op == "*":
        factors = [part.value if isinstance(part, f.Const) else None for part in (expr.left, expr.right)]
        if all(isinstance(part, int) and not isinstance(part, bool) for part in factors):
            return SettingValue(name, factors[0] * factors[1], True, scope.path, line, keyed)  # type: ignore[operator]
    return SettingValue(name, _fallback(expr, scope), False, scope.path, line, keyed)


def _fallback(expr: f.Expr, scope: Function) -> int | float | None:
    """The number that holds where nothing else is set: `int(os.environ.get("LIMIT", 900))`, `env.int("LIMIT", default=900)`."""
    if not isinstance(expr, f.CallRef):
        return None
    call = scope.scope.calls[expr.index]
    if isinstance(call.func, f.Name) and call.func.id in {"int", "float"} and len(call.args) == 1:
        return _fallback(call.args[0], scope)
    given = dict(call.kwargs).get("default") or (
        call.args[1] if len(call.args) == 2 and isinstance(call.args[0], f.Str) else None
    )
    value = given.value if isinstance(given, f.Const) else None
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
