"""Functions that the installed project makes into commands: `[project.scripts]`, `console_scripts` of `setup.py` and `setup.cfg`."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.values import FunctionValue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.facts.schema import AuxFacts
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import Function, Module, Symbols

_TABLES = ("project.scripts.", "tool.poetry.scripts.", "project.entry-points.console_scripts.")
_TARGET = re.compile(r"(?P<module>[\w.]+)\s*:\s*(?P<function>\w+)\s*(\[.*\])?")
_ROOTS = ("", "src", "lib", "python")  # where packages lie beside the file that declares them


def console_scripts(
    symbols: Symbols, evaluator: Evaluator, around: Sequence[AuxFacts]
) -> Iterator[tuple[str, Function]]:
    """(name of the command, the function that it runs), in the order of the files."""
    for path, name, target in (*_of_settings(around), *_of_setups(symbols)):
        match = _TARGET.fullmatch(target.strip())
        module = module_below(symbols, posixpath.dirname(path), match["module"]) if match is not None else None
        if match is not None and module is not None:
            for value in evaluator.evaluate(f.Name(match["function"]), module.body):
                if isinstance(value, FunctionValue):
                    yield name, value.function


def _of_settings(around: Sequence[AuxFacts]) -> Iterator[tuple[str, str, str]]:
    for facts in around:
        for setting in facts.settings:
            for table in _TABLES:
                if setting.key.startswith(table):
                    yield facts.path, setting.key.removeprefix(table), setting.value


def _of_setups(symbols: Symbols) -> Iterator[tuple[str, str, str]]:
    """`setup(entry_points={"console_scripts": ["name = package.module:function"]})`, also as the text of a configuration file."""
    for module in symbols.modules:
        if posixpath.basename(module.path) != "setup.py":
            continue
        for function in module.functions:
            for call in function.scope.calls:
                for keyword, value in call.kwargs:
                    if keyword == "entry_points":
                        for line in _lines(value):
                            name, _, target = line.partition("=")
                            yield module.path, name.strip(), target


def _lines(points: f.Expr) -> Iterator[str]:
    if isinstance(points, f.Str):
        _, _, after = points.value.partition("[console_scripts]")
        yield from after.partition("\n[")[0].splitlines()
    elif isinstance(points, f.Dict):
        for key, value in points.items:
            if isinstance(key, f.Str) and key.value == "console_scripts":
                items = value.items if isinstance(value, f.Seq) else (value,)
                for item in items:
                    if isinstance(item, f.Str):
                        yield from item.value.splitlines()


def module_below(symbols: Symbols, folder: str, dotted: str) -> Module | None:
    """The module of this name in a folder, or in one of those within it that hold sources."""
    inside = dotted.replace(".", "/")
    for root in _ROOTS:
        base = posixpath.normpath(posixpath.join(folder, root, inside))
        found = symbols.by_path.get(f"{base}.py") or symbols.by_path.get(f"{base}/__init__.py")
        if found is not None:
            return found
    return None
