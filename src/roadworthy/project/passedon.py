"""What a function passes on of its callers: `def get(self, url, **options): return requests.get(url, **options)`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.arguments import has_spread

if TYPE_CHECKING:
    from collections.abc import Container

    from roadworthy.project.calls import CallGraph
    from roadworthy.project.symbols import CallSite, Function

_MANY = 200  # callers, beyond which nothing is said


def is_never_given(site: CallSite, spread: f.Expr, names: Container[str], graph: CallGraph) -> bool:
    """Is `**options` the parameter of a function of the project, none of whose callers gives one of these arguments?

    Who speaks of a limit in that function, or may be called from elsewhere, is left alone."""
    function = site.function
    own = [
        p for p in function.scope.params if p.kind == "kwargs" and isinstance(spread, f.Name) and p.name == spread.id
    ]
    edges = graph.incoming.get(function, [])
    hooked = function.cls is not None and bool(function.cls.library_bases)  # the library calls it, too
    if not own or hooked or not 0 < len(edges) <= _MANY or _is_changed(function, own[0].name):
        return False
    return all(edge.runs_here and _gives_nothing(edge.site, names) for edge in edges)


def _gives_nothing(site: CallSite, names: Container[str]) -> bool:
    given = [keyword for keyword, _ in site.fact.kwargs]
    return not has_spread(site.fact) and not any(k in names or "timeout" in k for k in given)


def _is_about_another(call: f.Call) -> bool:
    """`options.pop("as_root", True)`: about one key that is no limit."""
    first = call.args[0] if call.args else None
    return (
        flow.last_name(call.func) in {"get", "pop", "setdefault"}
        and isinstance(first, f.Str)
        and "timeout" not in first.value
    )


def _is_changed(function: Function, name: str) -> bool:
    """Anything is put into the options, or a limit is spoken of."""
    scope = function.scope
    if name in function.bindings or any("timeout" in key for key, _ in flow.item_assigns(scope, name)):
        return True
    for call in scope.calls:
        owner = call.func.value if isinstance(call.func, f.Attr) else None
        if isinstance(owner, f.Name) and owner.id == name and not _is_about_another(call):
            return True
        if any(isinstance(arg, f.Name) and arg.id == name for arg in call.args):
            return True
    texts = (keyword for call in scope.calls for keyword, _ in call.kwargs)
    return any("timeout" in text for text in (*texts, *scope.last_read, *function.parameters))
