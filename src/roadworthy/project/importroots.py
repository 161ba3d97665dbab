"""Packages whose content is imported without their name, because something puts their folder on the path.

`sys.path.insert(0, "site/apps")` in a settings module, `PYTHONPATH` in an image: `site/apps` has an `__init__.py`, and yet everybody
writes `from orders.models import Order`. How the folder comes to be on the path is not asked, for it may stand anywhere; that the
project imports from it in this way, and hardly ever in the other, shows it.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence, Set

    from roadworthy.facts.schema import FileFacts, Import

_LEAST = 3
"""Fewer imports are rather those of a library that is called like a package of the project."""
_FAR_MORE = 4
"""How many imports without the package there are for each one that names it."""


def import_roots(files: Sequence[FileFacts], packages: Set[str], known_roots: Set[str]) -> frozenset[str]:
    """Folders with `__init__.py` from which the project imports as from the top; `known_roots` are names of libraries."""
    paths = {facts.path for facts in files}
    holders = _holders(packages, paths, known_roots)
    if not holders:
        return frozenset()
    bare: Counter[str] = Counter()
    for _, item in _imports(files):
        root = item.module.split(".", 1)[0]
        if item.level == 0 and root in holders and (item.module != root or item.name):
            bare.update(folder for folder in holders[root] if _is_there(folder, item, paths))
    candidates = {folder for folder, count in bare.items() if count >= _LEAST}
    if not candidates:
        return frozenset()
    full = Counter(folder for facts, item in _imports(files) for folder in _named(facts.path, item, candidates))
    return frozenset(folder for folder in candidates if bare[folder] > _FAR_MORE * full[folder])


def _imports(files: Sequence[FileFacts]) -> Iterable[tuple[FileFacts, Import]]:
    return ((facts, item) for facts in files for item in (facts.scopes[0].imports if facts.scopes else ()))


def _holders(packages: Set[str], paths: Set[str], known_roots: Set[str]) -> dict[str, list[str]]:
    """Name of a package within packages -> the folders above; those that can be imported as they are need no help."""
    found: dict[str, list[str]] = defaultdict(list)
    tops: set[str] = set()
    for folder in packages:
        above, _, name = folder.rpartition("/")
        if above not in packages:
            tops.add(name)
        elif name not in known_roots and name not in sys.stdlib_module_names:
            found[name].append(above)
    return {name: above for name, above in found.items() if name not in tops and f"{name}.py" not in paths}


def _is_there(folder: str, item: Import, paths: Set[str]) -> bool:
    """Is what is imported a file of the folder: the module, or the name as a module of the package?"""
    base = f"{folder}/{item.module.replace('.', '/')}"
    if "." not in item.module:
        return f"{base}/{item.name}.py" in paths or f"{base}/{item.name}/__init__.py" in paths
    return f"{base}.py" in paths or f"{base}/__init__.py" in paths


def _named(path: str, item: Import, candidates: set[str]) -> Iterable[str]:
    """The folders that an import goes through by name, or by dots from one of their packages into another."""
    if item.level == 0:
        dotted = f"{item.module}.{item.name or ''}".replace(".", "/")
        for folder in candidates:
            parts = folder.split("/")
            if any(dotted.startswith("/".join(parts[start:]) + "/") for start in range(len(parts))):
                yield folder
        return
    above = path.split("/")[: -item.level]
    target = "/".join([*above, *filter(None, [item.module.replace(".", "/"), item.name or ""])])
    for folder in candidates:
        inside = f"{folder}/"
        if target.startswith(inside) and path.startswith(inside):
            own, other = (text.removeprefix(inside).split("/", 1)[0] for text in (path, target))
            if own != other and own != "__init__.py":
                yield folder
