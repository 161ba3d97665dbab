"""Stage markers against the project model: `# calls:`, `# effect:`, `# guard:`, `# entry:`.

The only test code that knows how the model is asked; when its questions change, change `_WORDS` here.
A marker is checked only where it is written. `none` says that there is nothing of the kind on the line.
"""

from __future__ import annotations

from collections import defaultdict
from enum import Enum
from typing import TYPE_CHECKING

from support.compare import Differences, render
from support.markers import STAGE_KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from roadworthy.project.model import Model
    from roadworthy.project.symbols import Function
    from support.cases import Case

NONE = "none"


def stage_differences(case: Case, model: Model) -> str:
    """Empty when the model says what the stage markers say."""
    told: Differences = defaultdict(list)
    for kind in STAGE_KINDS:
        expected: dict[tuple[str, int], list[str]] = defaultdict(list)
        for marker in case.of_kind(kind):
            expected[marker.path, marker.line].append(marker.word)
        for (path, line), words in expected.items():
            found = _WORDS[kind](model, path, line)
            wanted = set(words) - {NONE}
            if (NONE in words and found) or not wanted <= found:
                told[path, line].append(f"- expected {kind}:  {', '.join(words)}")
                told[path, line].append(f"+ the model has:  {', '.join(sorted(found)) or NONE}")
    return render(case, told)


def word_of(value: object) -> str:
    """The vocabulary's word, or the dotted name, for what a question returned."""
    if isinstance(value, str):
        return value
    if isinstance(value, Enum):
        return str(value.value)
    for name in ("kind", "effect", "word", "name", "id"):
        inner = getattr(value, name, None)
        if isinstance(inner, str | Enum):
            return word_of(inner)
    raise TypeError(f"no word in {value!r}")


def _calls(model: Model, path: str, line: int) -> set[str]:
    return {word_of(target) for site in model.sites_at(path, line) for target in model.targets(site)}


def _effects(model: Model, path: str, line: int) -> set[str]:
    return {word_of(effect) for site in model.sites_at(path, line) for effect in model.effects_at(site)}


def _guards(model: Model, path: str, line: int) -> set[str]:
    return {word_of(guard) for site in model.sites_at(path, line) for guard in model.guards_on(site)}


def _entries(model: Model, path: str, line: int) -> set[str]:
    function = innermost_function(model, path, line)
    if function is None:
        return set()
    return {word_of(reached.entry) for reached in model.exposure(function).entries}


def innermost_function(model: Model, path: str, line: int) -> Function | None:
    """The function around a line; the marker stands on the line of `def` or inside."""
    around = [f for f in model.functions if f.path == path and f.scope.line <= line <= f.scope.end_line]
    return min(around, key=lambda f: f.scope.end_line - f.scope.line, default=None)


_WORDS: dict[str, Callable[[Model, str, int], set[str]]] = {
    "calls": _calls,
    "effect": _effects,
    "guard": _guards,
    "entry": _entries,
}
