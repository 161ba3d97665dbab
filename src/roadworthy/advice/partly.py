"""The fix for a retry, or a handler that stands for one, that leaves out a part of what its client raises."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

from roadworthy.advice.fixes import fix
from roadworthy.advice.repeating import as_imported
from roadworthy.facts import schema as f
from roadworthy.project.partial import list_of

if TYPE_CHECKING:
    from roadworthy.project.guard import Guard
    from roadworthy.project.partial import Partial
    from roadworthy.project.symbols import Function

_OF_THE_NETWORK = ("ConnectionError", "TimeoutError")
"""The part of `OSError` that may pass by itself; a full disk and a missing file do not."""


def name_the_rest(partial: Partial) -> str:
    """The list of exceptions as it is, with those that it lacks, as the module at hand writes them."""
    names, imports = _named(_scope(partial), partial.caught, partial.missing)
    where = f" ({' and '.join(f'`{line}`' for line in imports)})" if imports else ""
    what = "Name it" if len(partial.missing) == 1 else "Name them"
    if "OSError" in partial.missing:
        what = "Name what passes by itself"
    guard = partial.retried.guard if partial.retried is not None else None
    if guard is not None and guard.form == "house" and guard.through is not None:
        return _to_own_retry(partial, guard, names, imports)
    given = partial.retried is not None and partial.retried.given
    handles = not given and (partial.retried is None or partial.retried.guard.form == "loop")
    code = f"({', '.join(names)})"
    if handles:
        code = f"except {code}{_bound(partial)}:\n    ...  # as it is"
    return fix(f"{what}, too{where}:", "", code)


def _to_own_retry(partial: Partial, guard: Guard, names: list[str], imports: list[str]) -> str:
    """The project's retry has a list of its own, of which what is named at its use is a part: only what is new is told."""
    assert guard.through is not None
    new = " and ".join(f"`{name}`" for name in names[len(dict.fromkeys(partial.caught)) :])
    where = f" ({' and '.join(f'`{line}`' for line in imports)})" if imports else ""
    return f"Add {new}{where} to the errors that `{guard.through.name}()` gets for `{partial.effect.function.name}` (line {guard.line})."


def _scope(partial: Partial) -> Function:
    """Where the exceptions are written down."""
    if partial.handler is not None:
        return partial.handler.function
    assert partial.retried is not None
    listed = list_of(partial.retried.guard) if not partial.retried.given else None
    return listed[0] if listed is not None else partial.retried.function


def _named(function: Function, caught: tuple[str, ...], missing: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """(all exceptions, imports for the new ones) as this module writes them: `from x import y` where it has others of x."""
    imports: dict[str, list[str]] = {}
    names = [as_imported(function, name) for name in caught]
    wanted = [name for name in missing if name != "OSError"]
    if len(wanted) < len(missing):
        wanted += [name for name in _OF_THE_NETWORK if name not in caught]
    for name in wanted:
        home, _, last = name.rpartition(".")
        written = as_imported(function, name)
        beside = any(i.module == home and i.name for found in function.module.body.imports.values() for i in found)
        if home and beside and written != last and last not in dir(builtins):
            imports.setdefault(home, []).append(last)
            written = last
        names.append(written)
    return list(dict.fromkeys(names)), [f"from {home} import {', '.join(found)}" for home, found in imports.items()]


def _bound(partial: Partial) -> str:
    """` as error`, by the name that the handler gives it."""
    if partial.handler is None:
        return ""
    assigns = partial.handler.function.scope.assigns
    found = next((a.target for a in assigns if a.op == "except" and a.region == partial.handler.region), None)
    return f" as {found.id}" if isinstance(found, f.Name) else ""
