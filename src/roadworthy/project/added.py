"""Attributes that the application adds to the framework's request: `config.add_request_method(make, name="http", reify=True)`,
`state.request.storage = self.storage`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.values import UNKNOWN, ClassValue, FunctionValue, Instance, Literal, Value, Values, join

if TYPE_CHECKING:
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, Function

_ADDS = "add_request_method"
_OWNERS = frozenset({"request", "_request", "req"})
_FEW = 4  # places that add a name: where there are more, they hardly add the same
_READ_AT_ONCE = frozenset({"reify", "property"})


class AddedAttributes:
    """What `request.name` is worth, where the project registers `name`. Nothing else is known of such a request: it has no class."""

    def __init__(self, evaluator: Evaluator) -> None:
        """The registrations are looked for at the first question."""
        self._evaluator = evaluator
        self._sites: dict[str, list[CallSite]] | None = None
        self._assigned: dict[str, list[tuple[Function, f.Assign]]] | None = None

    def of(self, owner: f.Expr, name: str) -> Values:
        """The values of `owner.name`, where `owner` is called a request and some registration or assignment adds the name."""
        if flow.last_name(owner) not in _OWNERS:
            return UNKNOWN
        sites = self._registered().get(name)
        if sites:
            return join(*(self._made_by(site, value) for site in sites[:_FEW] for value in self._callables(site)))
        hung = self._hung_on().get(name, [])
        return join(*(
            self._evaluator.evaluate(assign.value, scope, assign.order) for scope, assign in hung if assign.value is not None
        )) if len(hung) <= _FEW else UNKNOWN  # fmt: skip

    def _hung_on(self) -> dict[str, list[tuple[Function, f.Assign]]]:
        """`request.storage = …` in a hook or a middleware: name -> where it is set."""
        if self._assigned is None:
            self._assigned = {}
            for function in self._evaluator.symbols.functions:
                for assign in function.scope.assigns:
                    target = assign.target
                    if isinstance(target, f.Attr) and assign.op == "=" and flow.last_name(target.value) in _OWNERS:
                        self._assigned.setdefault(target.name, []).append((function, assign))
        return self._assigned

    def _registered(self) -> dict[str, list[CallSite]]:
        if self._sites is None:
            self._sites = {}
            for function in self._evaluator.symbols.functions:
                for site in function.calls:
                    func = site.fact.func
                    name = _name_of(site.fact) if isinstance(func, f.Attr) and func.name == _ADDS else ""
                    if name:
                        self._sites.setdefault(name, []).append(site)
        return self._sites

    def _callables(self, site: CallSite) -> Values:
        """The factory; one that is named by its dotted path (`"app.flags.Flags"`) is looked up."""
        given = _argument(site.fact, 0, "callable")
        values = self._evaluator.evaluate(given, site.function, site.fact.order) if given is not None else UNKNOWN
        return join(*(self._named(v.value, site) if isinstance(v, Literal) else (v,) for v in values))

    def _named(self, path: object, site: CallSite) -> Values:
        module, _, last = str(path).rpartition(".")
        found = self._evaluator.symbols.find_module(module, site.function.module) if module else None
        return self._evaluator.names.member(found, last) if found is not None else UNKNOWN

    def _made_by(self, site: CallSite, value: Value) -> Values:
        if not _is_read_at_once(site.fact):
            return (value,) if isinstance(value, FunctionValue) else UNKNOWN
        match value:
            case ClassValue():
                return (Instance(value.cls, site),)
            case FunctionValue():
                return self._evaluator.returns_of(value.function)
            case Instance() if (call := value.cls.find_method("__call__")) is not None:
                return self._evaluator.returns_of(call)
        return UNKNOWN


def _argument(call: f.Call, position: int, keyword: str) -> f.Expr | None:
    given = next((value for key, value in call.kwargs if key == keyword), None)
    return given or (call.args[position] if len(call.args) > position else None)


def _name_of(call: f.Call) -> str:
    """The name given; else that of the callable."""
    name = _argument(call, 1, "name")
    if name is not None:
        return name.value if isinstance(name, f.Str) else ""
    given = _argument(call, 0, "callable")
    return (
        given.value.rpartition(".")[2]
        if isinstance(given, f.Str)
        else flow.last_name(given)
        if given is not None
        else ""
    )


def _is_read_at_once(call: f.Call) -> bool:
    """An attribute, not a method."""
    return any(
        key in _READ_AT_ONCE and isinstance(value, f.Const) and value.value is True for key, value in call.kwargs
    )
