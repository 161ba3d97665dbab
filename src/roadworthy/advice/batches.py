"""The fix for a loop that one bad item ends."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from roadworthy.advice.asides import statement_of
from roadworthy.advice.code import GAP, written
from roadworthy.facts import schema as f
from roadworthy.project import flow
from roadworthy.project.handling import mentions
from roadworthy.project.silence import logger_near
from roadworthy.project.symbols import bound_names

if TYPE_CHECKING:
    from roadworthy.project.batches import Fragile
    from roadworthy.project.handler import Handler
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite


def keep_inside(model: Model, loop: Fragile) -> str:
    """Catch what fails for one item where it fails, say which item it was, and go on."""
    function, sites = loop.function, loop.sites
    beside = _handler_beside(model, loop)
    first = _item(loop, sites[0].fact.region if beside is None else beside.region) if len(sites) == 1 else _outer(loop)
    tell = f'{logger_near(model, function)}.exception("{first} %s failed", {first})'
    statement = statement_of(sites[0]) if len(sites) == 1 else ""
    if beside is not None:
        code = f"except Exception:\n    {tell}"
        return f"Add a last handler to the `try` that ends in line {beside.end_line}, which goes on with the next:\n```python\n{code}\n```"
    if statement and loop.handler is None:
        body = [f"...  # line {sites[0].line}, as it is" if GAP in statement else statement, *_checks(sites[0])]
        code = "\n".join(
            ["try:", *(f"    {line}" for line in body), "except Exception:", f"    {tell}", "    continue"]
        )
        return f"Catch it inside the loop, say which `{first}` it was, and go on with the next:\n```python\n{code}\n```"
    region = function.scope.regions[loop.region]
    if loop.kind == "items":
        head = f"for {_bare(written(region.target, function))} in {written(region.test, function)}:"
    else:
        head = f"while True:\n    {loop.item} = {loop.items}"
    body_text = f"    try:\n        ...  # the body of the loop as it is\n    except Exception:\n        {tell}"
    code = dedent(body_text) if GAP in head else f"{head}\n{body_text}"  # a long head stays as it is, unshown
    return f"Catch inside the loop, say which `{first}` it was, and go on.\n```python\n{code}\n```"


def _bare(target: str) -> str:
    return target[1:-1] if target.startswith("(") and target.endswith(")") else target


def _outer(loop: Fragile) -> str:
    return loop.item.partition(",")[0].strip("( ")


def _handler_beside(model: Model, loop: Fragile) -> Handler | None:
    """The last narrow handler of a `try` in the loop around the only call that fails."""
    scope = loop.function.scope
    if len(loop.sites) != 1 or loop.handler is not None or loop.kind != "items":
        return None
    for handlers in model.handlers_around(loop.sites[0]):
        inside = [handler for handler in handlers if flow.within(scope, handler.region, loop.region)]
        if inside and not any(handler.broad for handler in inside):
            return inside[-1]
    return None


def _item(loop: Fragile, region: int) -> str:
    """The variable that says which one it was: that of the innermost loop around, where it is handed to what fails."""
    scope, site = loop.function.scope, loop.sites[0]
    for around in flow.loops_of(scope, region):
        here = scope.regions[around]
        if around == loop.region or here.kind != "for" or not flow.within(scope, around, loop.region):
            break
        names = _names_of(here, scope)
        if names and _is_about(site, names):
            return names[0]
    return _outer(loop)


def _names_of(region: f.Region, scope: f.Scope) -> list[str]:
    target = region.target
    if isinstance(region.test, f.CallRef) and isinstance(target, f.Seq) and len(target.items) > 1:
        numbered = flow.last_name(scope.calls[region.test.index].func) == "enumerate"
        target = target.items[1] if numbered else target
    return [name for name in bound_names(target) if name != "_"] if target is not None else []


def _is_about(site: CallSite, names: list[str]) -> bool:
    """Is the call handed the item, or something of it, or a name that was made of it?"""
    scope, found = site.function.scope, set(names)
    for assign in scope.assigns:
        if assign.order < site.fact.order and any(mentions(assign.value, name, scope) for name in found):
            found.update(bound_names(assign.target))
    given = (site.fact.func, *site.fact.args, *(value for _, value in site.fact.kwargs))
    return any(mentions(expr, name, scope) for expr in given for name in found)


def _checks(site: CallSite) -> list[str]:
    """`response.raise_for_status()` below the request fails for the same item."""
    scope = site.function.scope
    names = {
        name for assign in scope.assigns if _is_call(assign.value, site.index) for name in bound_names(assign.target)
    }
    return [
        f"{call.func.value.id}.raise_for_status()"
        for call in scope.calls
        if isinstance(call.func, f.Attr)
        and call.func.name == "raise_for_status"
        and isinstance(call.func.value, f.Name)
        and call.func.value.id in names
        and call.region == site.fact.region
        and call.order > site.fact.order
    ][:1]


def _is_call(expr: f.Expr | None, index: int) -> bool:
    expr = expr.value if isinstance(expr, f.Await) else expr
    return isinstance(expr, f.CallRef) and expr.index == index
