"""What the reviewed project is built on: the libraries it imports, and the names under which a module has them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from packaging.utils import canonicalize_name

from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project.phrases import LOG_METHODS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function, Module


@dataclass(frozen=True, slots=True)
class Stack:
    """Distributions that production code imports, and how many of its files do."""

    uses: dict[str, int]
    by_path: dict[str, frozenset[str]]
    python: tuple[int, ...]
    required: frozenset[str] = frozenset()  # named by the project's own requirement files, imported or not

    def near(self, path: str) -> frozenset[str]:
        """What the file itself imports."""
        return self.by_path.get(path, frozenset())


_STACKS: WeakKeyDictionary[Model, Stack] = WeakKeyDictionary()


def stack_of(model: Model) -> Stack:
    """The stack of a project, found once."""
    known = _STACKS.get(model)
    if known is None:
        known = _STACKS[model] = _build(model)
    return known


def _build(model: Model) -> Stack:
    counts: Counter[str] = Counter()
    by_path: dict[str, frozenset[str]] = {}
    names: dict[str, str] = {}
    for module in model.symbols.modules:
        if not model.is_reviewed(module.path):
            continue
        found = frozenset(_imported(model, module, names))
        by_path[module.path] = found
        if not model.is_script(module.path):
            counts.update(found)
    return Stack(dict(sorted(counts.items())), by_path, _python(model), frozenset(_required(model)))


def _required(model: Model) -> Iterator[str]:
    """What requirement files name. Of a lock, which names what others need too, only drivers of databases."""
    for name, places in model.versions.known.items():
        library = model.knowledge.library(name)
        if any(not place.locked for place in places) or (library is not None and "sql-driver" in library.role):
            yield name


def _imported(model: Model, module: Module, names: dict[str, str]) -> Iterator[str]:
    for scope in module.facts.scopes:
        for item in scope.imports:
            if item.level:
                continue
            name = f"{item.module}.{item.name}" if item.name not in (None, "*") else item.module
            family = names.get(name)
            if family is None:
                own = model.symbols.find_module(item.module, module) is not None
                family = names[name] = "" if own else family_of(model, name)
            if family:
                yield family


def family_of(model: Model, name: str) -> str:
    """The distribution to which a dotted library name belongs; "" when no library file knows it."""
    library = model.knowledge.library_of(name)
    if library is None:
        return ""
    first = (library.distributions or (library.library,))[0]
    return canonicalize_name(library.library if first == "python" else first)


def _python(model: Model) -> tuple[int, ...]:
    text = model.versions.version_of("python") or "3.11"
    parts = text.split(".")[:2]
    return tuple(int(part) for part in parts) if all(part.isdigit() for part in parts) else (3, 11)


def logger_of(model: Model, function: Function) -> str:
    """The logger that a function's module has at hand: by its calls, its bindings, or as everywhere else in the project."""
    module = function.module
    counts = Counter(
        model.callee_text(site).rpartition(".")[0]
        for scope in module.functions
        for site in scope.calls
        if model.callee_text(site).rpartition(".")[2] in LOG_METHODS
        and any(effect.effect is Effect.LOG for effect in model.effects_at(site))
    )
    near = [(-count, name) for name, count in counts.items() if name and "(" not in name and "…" not in name]
    if near:
        return min(near)[1]
    for name in ("logger", "log", "LOGGER", "LOG", "_logger"):
        if name in module.body.bindings or name in module.body.imports:
            return name
    return "logger"
