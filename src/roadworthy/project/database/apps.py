"""Which files are migrations, and which name a framework puts before the tables of a folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f

if TYPE_CHECKING:
    from roadworthy.project.symbols import Function, Module, Symbols


class Apps:
    """Folders with migrations, and the labels of applications."""

    def __init__(self, symbols: Symbols) -> None:
        """Read from file paths and module scopes only."""
        self._migrations: dict[Module, str] = {}
        self._folders: set[str] = set()
        self._labels: dict[str, str] = {}
        for module in symbols.modules:
            style = _style(module)
            if style:
                self._migrations[module] = style
            if "/migrations/" in f"/{module.path}":
                self._folders.add(_above(module.path, "migrations"))
            if module.path.endswith("apps.py"):
                self._read_label(module)

    def is_migration(self, module: Module) -> bool:
        """Is this file a step of a migration chain?"""
        return module in self._migrations

    def of_style(self, style: str) -> list[Module]:
        """Migration files that are written as "operations" of a class or as an "upgrade" function."""
        return [module for module, found in self._migrations.items() if found == style]

    def label(self, path: str) -> str:
        """The label of the application to which a file belongs."""
        parts = path.split("/")[:-1]
        for depth in range(len(parts), 0, -1):
            folder = "/".join(parts[:depth])
            if folder in self._labels:
                return self._labels[folder]
            if folder in self._folders:
                return parts[depth - 1]
        if parts and parts[-1] == "models":
            parts = parts[:-1]
        return parts[-1] if parts else ""

    def label_of_migration(self, module: Module) -> str:
        """The label of the application whose migrations folder holds a file."""
        folder = _above(module.path, "migrations")
        return self._labels.get(folder) or folder.rpartition("/")[2]

    def _read_label(self, module: Module) -> None:
        folder = module.path.rpartition("/")[0]
        for cls in module.classes:
            assigns = cls.body.bindings.get("label")
            value = assigns[-1].value if assigns else None
            if isinstance(value, f.Str):
                self._labels[folder] = value.value


def _style(module: Module) -> str:
    body = module.body
    if "upgrade" in body.children and ("revision" in body.bindings or "down_revision" in body.bindings):
        return "upgrade"
    return "operations" if any(operations_of(cls.body) is not None for cls in module.classes) else ""


def operations_of(body: Function) -> f.Assign | None:
    """The `operations = […]` of a migration class."""
    if body.name != "Migration" or "operations" not in body.bindings:
        return None
    return body.bindings["operations"][0]


def _above(path: str, folder: str) -> str:
    """The path above the last folder of this name."""
    parts = path.split("/")
    for index in range(len(parts) - 2, -1, -1):
        if parts[index] == folder:
            return "/".join(parts[:index])
    return "/".join(parts[:-1])
