"""FLEET.toml: which repositories are reviewed, at which revision, where, under which settings, for whom."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from roadworthy.config import ConfigError
from roadworthy.config.load import settings_of_table
from roadworthy.config.toml_file import Table, read_toml
from roadworthy.engine.ruleset import ruleset_version
from roadworthy.fleet.identity import digest_of
from roadworthy.fleet.messages import Job, Limits
from roadworthy.rules.registry import load_rules
from roadworthy.text.source import UnreadableError, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from roadworthy.config import Settings

_KEYS = ("name", "listing", "repositories", "limits", "settings")
_REPOSITORY_KEYS = ("source", "name", "revision", "areas", "owners")
_LIMIT_KEYS = ("minutes", "fetch-minutes", "memory-mb", "files", "tree-mb", "attempts")
_MAX_LISTING = 20_000_000
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Repository:
    """One repository of a fleet."""

    name: str
    source: str  # an absolute path or a URL
    revision: str = ""  # empty: what HEAD names
    areas: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a fleet file says."""

    name: str
    file: Path
    repositories: tuple[Repository, ...]
    limits: Limits
    settings: Settings
    settings_text: str  # the same, as JSON that another process reads again

    def jobs(self) -> dict[str, Job]:
        """What is to be done, by repository, in words that another machine understands."""
        return {
            repository.name: Job(
                source=repository.source,
                limits=self.limits,
                revision=repository.revision,
                areas=repository.areas,
                settings=self.settings_text,
                settings_folder=str(self.file.resolve().parent),
            )
            for repository in self.repositories
        }

    def ruleset(self) -> str:
        """Equal where the same code is judged alike: by the program, the settings and what the library files say. Raises ConfigError."""
        try:
            texts = [read_file(str(path), _MAX_LISTING).decode("utf-8", "replace") for path in self.settings.libraries]
        except UnreadableError as error:
            raise ConfigError(f"{self.file.name}: libraries: {error}") from None
        return digest_of(ruleset_version(), self.settings_text, *texts)

    def digest(self) -> str:
        """Equal for equal plans: two runs with one digest do the same work."""
        parts = [repr(repository) for repository in self.repositories]
        return digest_of(self.name, self.settings_text, repr(self.limits), *parts)


def load_fleet(file: Path) -> Fleet:
    """Read a fleet file. Raises ConfigError, with file, line and key, where it is wrong."""
    data, text = read_toml(file, file.name)
    table = Table(file.name, text, data)
    table.allow(_KEYS)
    folder = file.resolve().parent
    own = table.table("settings")
    settings = settings_of_table(own, folder, [rule.info for rule in load_rules()])
    found = [_repository(inner, folder) for inner in table.tables("repositories")]
    for name in table.strings("listing"):
        found += _listed(folder / name, table)
    if not found:
        raise table.error("repositories", "names no repository; give [[repositories]] or a listing")
    return Fleet(
        name=table.string("name") if "name" in data else file.stem,
        file=file,
        repositories=_unique(found, table),
        limits=_limits(table.table("limits")),
        settings=settings,
        settings_text=json.dumps(own.data, sort_keys=True),
    )


def _repository(table: Table, folder: Path) -> Repository:
    table.allow(_REPOSITORY_KEYS)
    source = _source(table.string("source"), folder)
    return Repository(
        name=table.string("name") if "name" in table.data else _name(source),
        source=source,
        revision=table.string("revision") if "revision" in table.data else "",
        areas=table.strings("areas"),
        owners=table.strings("owners"),
    )


def _listed(file: Path, table: Table) -> Iterable[Repository]:
    """Read the output of a listing command: a repository a line, then words such as `revision=main owner=payments`."""
    try:
        text = read_file(str(file), _MAX_LISTING).decode("utf-8-sig")
    except (UnreadableError, UnicodeDecodeError) as error:
        raise table.error("listing", f"{file.name}: {error}") from None
    for number, line in enumerate(text.splitlines(), 1):
        try:
            words = shlex.split(line, comments=True)
            if words:
                yield _from_words(words, file.parent)
        except ValueError as error:
            raise ConfigError(f"{file.name}:{number}: {error}") from None


def _from_words(words: list[str], folder: Path) -> Repository:
    source = _source(words[0], folder)
    found = Repository(_name(source), source)
    for word in words[1:]:
        key, equals, value = word.partition("=")
        if not equals or not value or key not in ("name", "revision", "area", "owner"):
            raise ValueError(f"{word!r} is none of name=, revision=, area=, owner=")
        if key == "name":
            found = replace(found, name=value)
        elif key == "revision":
            found = replace(found, revision=value)
        elif key == "area":
            found = replace(found, areas=(*found.areas, value))
        else:
            found = replace(found, owners=(*found.owners, value))
    return found


def _source(written: str, folder: Path) -> str:
    if written.startswith("file://"):
        written = written.removeprefix("file://")
    if _URL.match(written):
        return written
    if re.match(r"[\w.-]+@[\w.-]+:", written):
        raise ConfigError(f"{written}: ssh is not spoken; write an https:// URL or the path of a clone")
    return str((folder / written).absolute())


def _name(source: str) -> str:
    """`owner/name` of a URL, the last folder of a path."""
    parts = [part for part in _URL.sub("", source).split("?")[0].removesuffix(".git").split("/") if part]
    return "/".join(parts[1:] or parts) if _URL.match(source) else parts[-1] if parts else source


def _unique(found: list[Repository], table: Table) -> tuple[Repository, ...]:
    """The repositories by name: the order of a listing means nothing, and one that says the same twice means once."""
    by_name: dict[str, Repository] = {}
    for repository in found:
        other = by_name.setdefault(repository.name, repository)
        if other != repository:
            raise table.error("repositories", f"two are called {repository.name}; give one of them another name")
    return tuple(by_name[name] for name in sorted(by_name))


def _limits(table: Table) -> Limits:
    table.allow(_LIMIT_KEYS)
    usual = Limits()
    return Limits(
        seconds=_number(table, "minutes", usual.seconds / 60) * 60,
        fetch_seconds=_number(table, "fetch-minutes", usual.fetch_seconds / 60) * 60,
        memory=int(_number(table, "memory-mb", usual.memory / 1_000_000) * 1_000_000),
        files=int(_number(table, "files", usual.files)),
        tree=int(_number(table, "tree-mb", usual.tree / 1_000_000) * 1_000_000),
        attempts=max(1, int(_number(table, "attempts", usual.attempts))),
    )


def _number(table: Table, key: str, usual: float) -> float:
    value = table.data.get(key, usual)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 10**9:
        raise table.error(key, "must be a number above 0")
    return float(value)


def owners_of(fleet: Fleet) -> Mapping[str, tuple[str, ...]]:
    """Owners by the name of their repository."""
    return {repository.name: repository.owners for repository in fleet.repositories}
