"""What the program loads by a text: classes by their dotted path, plug-ins by an entry point of its own, both also by the default of an option."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.arguments import argument
from roadworthy.project.values import (
    UNKNOWN,
    ClassValue,
    Container,
    FunctionValue,
    Instance,
    Library,
    LibraryObject,
    Literal,
    ProjectModule,
    Values,
    join,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from roadworthy.facts.schema import AuxFacts
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, Function, Module

ENTRY_POINTS = "project.entry-points."
"""Before the group and the name of an entry point, in the facts of `pyproject.toml` and `setup.cfg`."""
IMPORTED = "{imported}"
_OPTIONS = frozenset({"StrOpt", "Opt"})
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
_TARGET = re.compile(r"(?P<module>[\w.]+)(?:\s*:\s*(?P<attribute>[\w.]+))?\s*(?:\[.*\])?")
_PLUGGED = frozenset({"driver", "plugin", "obj"})
"""Attributes under which a manager of plug-ins, or one of its extensions, gives what it has loaded."""
_FEW = 4  # defaults of options that have the same name


class Imported:
    """Finds what a text names, where it is in the project."""

    def __init__(self, evaluator: Evaluator, around: Sequence[AuxFacts]) -> None:
        """`around` holds the entry points that the project declares. Options are looked for at the first question."""
        self._evaluator = evaluator
        self._points = [
            (setting.key.removeprefix(ENTRY_POINTS), setting.value)
            for facts in around
            for setting in facts.settings
            if setting.key.startswith(ENTRY_POINTS)
        ]
        self._options: dict[str, dict[str, None]] | None = None

    # --- by dotted path -----------------------------------------------------------------------------------------------

    def result(self, form: str, callee: Library, site: CallSite) -> Values:
        """What a call gives that imports: the thing itself, what calling it gives, or what calling one of its attributes gives."""
        rows = (row for row in self._evaluator.knowledge.calls(callee.name) if row.imports is not None)
        expr = next((expr for row in rows if (expr := argument(site.fact, row.imports)) is not None), None)
        if expr is None:
            return UNKNOWN
        given = self._evaluator.evaluate(expr, site.function, site.fact.order)
        found = join(*(self.named(text, site.function.module) for text in _texts(given)))
        attribute = form.removeprefix(IMPORTED).removesuffix("()").lstrip(".")
        if not attribute:
            return self._called(found, site) if form.endswith("()") else found
        return join(*(self._asked(value, attribute, site) for value in found))

    def named(self, text: str, importer: Module) -> Values:
        """`shop.orders`, `shop.orders.Orders`, `shop.orders:Orders`."""
        match = _TARGET.fullmatch(text.strip())
        if match is None:
            return UNKNOWN
        find, dotted = self._evaluator.symbols.find_module, match["module"]
        module = find(dotted, importer)
        if match["attribute"]:
            return self._evaluator.names.member(module, match["attribute"]) if module is not None else UNKNOWN
        if module is not None:
            return (ProjectModule(module),)
        above, _, last = dotted.rpartition(".")
        module = find(above, importer) if above else None
        return self._evaluator.names.member(module, last) if module is not None else UNKNOWN

    def _asked(self, value: object, attribute: str, site: CallSite) -> Values:
        """`get_backend()` of a module; one that hands out its own module says nothing that could be followed."""
        if not isinstance(value, ProjectModule):
            return UNKNOWN
        made = self._called(self._evaluator.attribute(value, attribute), site)
        return made or (value,)

    def _called(self, found: Values, site: CallSite) -> Values:
        made: list[Values] = []
        for value in found:
            match value:
                case ClassValue():
                    made.append((Instance(value.cls, site),))
                case FunctionValue():
                    made.append(
                        tuple(v for v in self._evaluator.returns_of(value.function) if not isinstance(v, Library))
                    )
        return join(*made)

    # --- by entry point -----------------------------------------------------------------------------------------------

    def plug_ins(self, owners: Values, name: str) -> Values:
        """`manager.driver`, `extension.obj`, where the manager was made with the name of a group of the project's own entry points."""
        if name not in _PLUGGED or not self._points:
            return UNKNOWN
        found: list[Values] = []
        for owner in owners:
            if isinstance(owner, LibraryObject) and owner.site is not None:
                classes = self._of_group(owner.site)
                made = name == "obj" or (name == "driver" and _is_invoked(owner.site.fact))
                found.append(self._called(classes, owner.site) if made else classes)
        return join(*found)

    def _of_group(self, site: CallSite) -> Values:
        call = site.fact
        given = (*call.args[:2], *(value for _, value in call.kwargs))
        texts = [text for expr in given if isinstance(text := self._evaluator.literal(expr, site.function), str)]
        for group in texts:
            mine = {
                key.removeprefix(f"{group}."): target for key, target in self._points if key.startswith(f"{group}.")
            }
            wanted = [target for name, target in mine.items() if name in texts] or list(mine.values())
            if mine:
                return join(*(self.named(target, site.function.module) for target in dict.fromkeys(wanted)))
        return UNKNOWN

    # --- by option ----------------------------------------------------------------------------------------------------

    def option(self, name: str) -> Values:
        """`CONF.manager` of `StrOpt("manager", default="shop.manager.Manager")`. Other defaults are for the operator to change."""
        if self._options is None:
            self._options = {}
            for function in self._evaluator.symbols.functions:
                for call in function.scope.calls:
                    self._add_option(call, function)
        texts = self._options.get(name, {})
        return tuple(Literal(text) for text in texts) if len(texts) <= _FEW else UNKNOWN

    def _add_option(self, call: f.Call, function: Function) -> None:
        if call.func is None or flow.last_name(call.func) not in _OPTIONS or not call.args:
            return
        name, default = call.args[0], next((value for key, value in call.kwargs if key == "default"), None)
        if not (isinstance(name, f.Str) and isinstance(default, f.Str) and _DOTTED.fullmatch(default.value)):
            return
        if self.named(default.value, function.module) and self._options is not None:
            self._options.setdefault(name.value.replace("-", "_"), {})[default.value] = None


def _texts(values: Values) -> Iterable[str]:
    for value in values:
        match value:
            case Literal(value=text) if isinstance(text, str):
                yield text
            case Container(kind="dict"):
                yield from _texts(value.items)


def _is_invoked(call: f.Call) -> bool:
    """`invoke_on_load=True`: the manager makes the object, and does not only load its class."""
    return any(
        key == "invoke_on_load" and not (isinstance(value, f.Const) and value.value is False)
        for key, value in call.kwargs
    )
