"""Runs the migration chain over an empty database: files in the order of their dependencies, operations in source order."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.database.apps import operations_of
from roadworthy.project.database.tables import MIGRATION, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.database.apps import Apps
    from roadworthy.project.database.operations import Operations
    from roadworthy.project.database.reading import Reader
    from roadworthy.project.database.statements import Statements
    from roadworthy.project.effects import Effects
    from roadworthy.project.symbols import CallSite, Function, Module

_DDL = re.compile(r"\s*(create|alter|drop)\s", re.IGNORECASE)


class Chain:
    """The migrations of the project."""

    def __init__(
        self, reader: Reader, apps: Apps, operations: Operations, statements: Statements, effects: Effects
    ) -> None:
        """`operations` and `statements` change the same tables."""
        self._reader = reader
        self._apps = apps
        self._operations = operations
        self._statements = statements
        self._effects = effects

    def run(self) -> None:
        """Apply every migration once."""
        for module in self._operation_files():
            label = self._apps.label_of_migration(module)
            for cls in module.classes:
                if operations_of(cls.body) is not None:
                    self._apply(cls.body.calls, label)
        for module in self._upgrade_files():
            self._apply(list(_calls_from(module.body.children["upgrade"][-1], self._reader)), "")

    def _apply(self, sites: tuple[CallSite, ...] | list[CallSite], label: str) -> None:
        for site in sites:
            found = self._operations.operation(site)
            if found is not None:
                self._operations.apply(found, label)
                continue
            for effect in self._effects.at.get(site, ()):
                if effect.sql and _DDL.match(effect.sql):
                    self._statements.run(effect.sql, Place(site.path, site.line, site.fact.end_line, MIGRATION))

    # --- order --------------------------------------------------------------------------------------------------------

    def _operation_files(self) -> list[Module]:
        """By application, inside one by dependency, squashed files only where what they replace is gone."""
        groups: dict[str, dict[str, Module]] = defaultdict(dict)
        for module in self._apps.of_style("operations"):
            groups[module.path.rpartition("/")[0]][_stem(module)] = module
        ordered: list[Module] = []
        for folder in sorted(groups):
            files = groups[folder]
            replaced = {name: self._replaced(module) for name, module in files.items()}
            squashes = {name for name, old in replaced.items() if old and all(stem in files for stem in old)}
            gone = {stem for name, old in replaced.items() if old and name not in squashes for stem in old}
            kept = {name: module for name, module in files.items() if name not in squashes and name not in gone}
            after = {name: [d for d in self._dependencies(module) if d in kept] for name, module in kept.items()}
            ordered.extend(kept[name] for name in in_order(after))
        return ordered

    def _replaced(self, module: Module) -> list[str]:
        return [name for cls in module.classes for name in _second_words(cls.body, "replaces")]

    def _dependencies(self, module: Module) -> list[str]:
        return [name for cls in module.classes for name in _second_words(cls.body, "dependencies")]

    def _upgrade_files(self) -> list[Module]:
        """By revision; the files of one folder are one chain."""
        by_revision: dict[str, Module] = {}
        for module in self._apps.of_style("upgrade"):
            revision = self._words(module, "revision")
            by_revision[f"{module.path.rpartition('/')[0]}:{revision[0] if revision else module.path}"] = module
        after = {}
        for key, module in by_revision.items():
            folder = key.partition(":")[0]
            after[key] = [
                name for word in self._words(module, "down_revision") if (name := f"{folder}:{word}") in by_revision
            ]
        return [by_revision[key] for key in in_order(after)]

    def _words(self, module: Module, name: str) -> list[str]:
        assigns = module.body.bindings.get(name)
        return self._reader.strings(assigns[-1].value, module.body) if assigns and assigns[-1].value is not None else []


def in_order(after: dict[str, list[str]]) -> list[str]:
    """Names so that each comes after those it depends on; among equals by name. Cycles are broken where they are met."""
    waiting: dict[str, set[str]] = {name: set(needed) - {name} for name, needed in after.items()}
    needed_by: dict[str, list[str]] = defaultdict(list)
    for name, needed in waiting.items():
        for other in needed:
            needed_by[other].append(name)
    ready = sorted((name for name, needed in waiting.items() if not needed), reverse=True)
    done: list[str] = []
    seen: set[str] = set()
    while len(done) < len(after):
        if not ready:
            ready = [min(name for name in after if name not in seen)]
        name = ready.pop()
        if name in seen:
            continue
        seen.add(name)
        done.append(name)
        fresh = []
        for other in needed_by[name]:
            waiting[other].discard(name)
            if not waiting[other] and other not in seen:
                fresh.append(other)
        ready.extend(sorted(fresh, reverse=True))
    return done


def _stem(module: Module) -> str:
    return module.path.rpartition("/")[2].removesuffix(".py")


def _second_words(body: Function, name: str) -> Iterator[str]:
    """`[("app", "0001_initial"), …]`: the second words."""
    for assign in body.bindings.get(name, ()):
        for part in flow.walk(assign.value):
            if isinstance(part, f.Seq) and len(part.items) == 2 and isinstance(part.items[1], f.Str):
                yield part.items[1].value


def _calls_from(function: Function, reader: Reader, depth: int = 0) -> Iterator[CallSite]:
    """Calls of a function and of the helpers in its file that it calls, in source order."""
    for site in function.calls:
        yield site
        resolution = reader.graph.resolutions.get(site)
        for callee in resolution.functions if resolution and depth < 3 else ():
            if callee.module is function.module and callee is not function:
                yield from _calls_from(callee, reader, depth + 1)
