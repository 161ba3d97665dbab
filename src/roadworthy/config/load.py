"""From configuration files to `Settings`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.config.settings import ConfigError, PathRule, Settings
from roadworthy.config.toml_file import Table, read_toml
from roadworthy.findings.finding import RuleInfo, Severity
from roadworthy.text.ignore import PathPatterns
from roadworthy.text.source import Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

OWN_FILE = "roadworthy.toml"
SHARED_FILE = "pyproject.toml"

_KEYS = ("extend", "select", "ignore", "severity", "exclude", "paths", "libraries", "fail-on", "pedantic", "baseline")
_PATH_KEYS = ("path", "ignore", "severity", "role")
_SEVERITIES = tuple(severity.value for severity in Severity)
_NEVER = "never"
_MAX_EXTENDS = 20


@dataclass(frozen=True, slots=True)
class _Context:
    """What reading one file depends on."""

    root: Path
    names: frozenset[str]  # of rules, anti-patterns and pillars


@dataclass(frozen=True, slots=True)
class _Layer:
    """Settings of one file, and which keys it gives."""

    settings: Settings
    given: frozenset[str]


def load_settings(start: Path, root: Path, rules: Sequence[RuleInfo]) -> Settings:
    """Read the configuration that holds at `start`: the nearest one between there and the root of the project.

    Raises ConfigError when it is wrong, unknown keys and names included.
    """
    context = _Context(root, frozenset(names_of(rules)))
    for folder in (start, *start.parents):
        found = _configured(folder, root)
        if found is not None:
            return _read(found, folder, context, ()).settings
        if folder == root:
            break
    return Settings()


def settings_of_table(table: Table, folder: Path, rules: Sequence[RuleInfo]) -> Settings:
    """Read the settings that stand in a table of another file; its paths are relative to `folder`. Raises ConfigError."""
    return _read(table, folder, _Context(folder, frozenset(names_of(rules))), ()).settings


def names_of(rules: Iterable[RuleInfo]) -> set[str]:
    """List every name by which rules may be chosen."""
    return {name for rule in rules for name in (rule.id, rule.anti_pattern, rule.pillar.value)}


def parse_fail_on(word: str) -> Severity | None:
    """Read a severity or `never`, in any case. Raises ValueError."""
    return None if word.lower() == _NEVER else Severity(word.upper())


def _configured(folder: Path, root: Path) -> Table | None:
    """Find the table of settings in a folder, if there is one."""
    own = _own_table(folder / OWN_FILE, root)
    shared = _shared_table(folder / SHARED_FILE, root)
    if own is not None and shared is not None:
        raise ConfigError(f"{own.label} and {shared.label} both hold settings: keep one")
    return own if own is not None else shared


def _own_table(file: Path, root: Path) -> Table | None:
    if not file.is_file():
        return None
    label = _label(file, root)
    data, text = read_toml(file, label)
    return Table(label, text, data)


def _shared_table(file: Path, root: Path) -> Table | None:
    """Read `[tool.roadworthy]`. A broken file in which nobody speaks of us is not our business."""
    if not file.is_file():
        return None
    label = _label(file, root)
    try:
        data, text = read_toml(file, label)
    except ConfigError:
        with file.open("rb") as stream:
            if b"tool.roadworthy" in stream.read(1_000_000):
                raise
        return None
    tool = data.get("tool")
    if not isinstance(tool, dict) or "roadworthy" not in tool:
        return None
    return Table(label, text, tool, ("tool",)).table("roadworthy")


def _label(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else str(file)


def _read(table: Table, folder: Path, context: _Context, above: tuple[Path, ...]) -> _Layer:
    """Read one table on top of what it extends."""
    table.allow(_KEYS)
    layer = _Layer(Settings(), frozenset())
    for name in table.strings("extend"):
        layer = _merged(layer, _extended(table, folder / name, context, above))
    return _merged(layer, _Layer(_own(table, folder, context), frozenset(table.data)))


def _extended(table: Table, file: Path, context: _Context, above: tuple[Path, ...]) -> _Layer:
    """Read a file that `extend` names."""
    file = file.resolve()
    if file in above or len(above) >= _MAX_EXTENDS:
        raise table.error("extend", "goes round in a circle")
    if not file.is_file():
        raise table.error("extend", f"{_label(file, context.root)} does not exist")
    inner = _shared_table(file, context.root) if file.name == SHARED_FILE else _own_table(file, context.root)
    if inner is None:
        raise table.error("extend", f"{_label(file, context.root)} holds no settings")
    return _read(inner, file.parent, context, (*above, file))


def _own(table: Table, folder: Path, context: _Context) -> Settings:
    """Read what one table says by itself."""
    base = folder.relative_to(context.root).as_posix() if folder.is_relative_to(context.root) else ""
    base = "" if base == "." else base
    exclude = table.patterns("exclude")
    fail_on: Severity | None = Severity.HIGH
    if "fail-on" in table.data:
        fail_on = parse_fail_on(table.choice("fail-on", (*_SEVERITIES, _NEVER)))
    return Settings(
        pedantic=table.boolean("pedantic"),
        fail_on=fail_on,
        select=table.names("select", context.names, "rule, anti-pattern or pillar"),
        ignore=table.names("ignore", context.names, "rule, anti-pattern or pillar"),
        severity=_severities(table.table("severity"), context),
        exclude=(PathPatterns(exclude, base),) if exclude else (),
        paths=tuple(_path_rule(inner, base, context) for inner in table.tables("paths")),
        libraries=_libraries(table, folder),
        baseline=_baseline(table, folder),
    )


def _severities(table: Table, context: _Context) -> dict[str, Severity]:
    table.allow(context.names)
    return {name: Severity(table.choice(name, _SEVERITIES)) for name in table.data}


def _path_rule(table: Table, base: str, context: _Context) -> PathRule:
    table.allow(_PATH_KEYS)
    if "path" not in table.data:
        raise table.error("path", "is missing")
    role = Role(table.choice("role", tuple(role.value for role in Role))) if "role" in table.data else None
    return PathRule(
        paths=PathPatterns(table.patterns("path"), base),
        ignore=table.names("ignore", context.names, "rule, anti-pattern or pillar"),
        severity=_severities(table.table("severity"), context),
        role=role,
    )


def _baseline(table: Table, folder: Path) -> Path | None:
    if "baseline" not in table.data:
        return None
    path = folder / table.string("baseline")
    if not path.is_file():
        raise table.error("baseline", f"{path.name} does not exist; `roadworthy baseline write` makes it")
    return path


def _libraries(table: Table, folder: Path) -> tuple[Path, ...]:
    found = []
    for name in table.strings("libraries"):
        path = (folder / name).resolve()
        if not path.exists():
            raise table.error("libraries", f"{name} does not exist")
        found.append(path)
    return tuple(found)


def _merged(under: _Layer, over: _Layer) -> _Layer:
    """Lay one on the other: lists add up, single values replace where the upper layer gives them."""
    low, high = under.settings, over.settings
    settings = Settings(
        pedantic=(high if "pedantic" in over.given else low).pedantic,
        fail_on=(high if "fail-on" in over.given else low).fail_on,
        select=high.select or low.select,
        ignore=(*low.ignore, *high.ignore),
        severity={**low.severity, **high.severity},
        exclude=(*low.exclude, *high.exclude),
        paths=(*low.paths, *high.paths),
        libraries=(*low.libraries, *high.libraries),
        baseline=high.baseline or low.baseline,
    )
    return _Layer(settings, under.given | over.given)
