"""Collections that the code itself spells out as records: the parts of one piece of work, not items that come from outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.symbols import Function


def is_table_of_parts(expr: f.Expr | None, function: Function) -> bool:
    """`[("event", Event), ("session", Session)]`, also under a name: kinds that belong together. Records with addresses are places."""
    display = _display(expr, function)
    if display is None or not display.items:
        return False
    records = all(isinstance(item, f.Seq) for item in display.items)
    return records and not any("://" in text for text in flow.strings_of(display))


def _display(expr: f.Expr | None, function: Function) -> f.Seq | None:
    if isinstance(expr, f.Seq):
        return expr
    if not isinstance(expr, f.Name) or expr.id in function.parameters:
        return None
    owner = function if expr.id in function.bindings else function.module.body
    bound = owner.bindings.get(expr.id, ())
    value = bound[0].value if len(bound) == 1 and bound[0].op == "=" else None
    return value if isinstance(value, f.Seq) else None


def is_path(test: f.Expr | None, function: Function) -> bool:
    """`folder.split("/")`: each within the last."""
    if isinstance(test, f.Name):
        bound = function.bindings.get(test.id, ())
        test = bound[0].value if len(bound) == 1 else test
    call = function.scope.calls[test.index] if isinstance(test, f.CallRef) else None
    if call is None or flow.last_name(call.func) not in {"split", "rsplit"} or len(call.args) != 1:
        return False
    (by,) = call.args
    return (isinstance(by, f.Str) and by.value in {"/", "\\"}) or flow.last_name(by) == "sep"
