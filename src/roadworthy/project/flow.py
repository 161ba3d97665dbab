"""Order, coverage and reachability inside one scope. Facts in, answers out; no names are resolved here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from roadworthy.facts import schema as f

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

LOOPS = frozenset({"for", "while", "comprehension"})


def ancestors(scope: f.Scope, region: int) -> Iterator[int]:
    """The region itself and what encloses it, innermost first."""
    while region >= 0:
        yield region
        region = scope.regions[region].parent


def within(scope: f.Scope, inner: int, outer: int) -> bool:
    """Is region `inner` the region `outer` or inside it?"""
    while inner >= 0 and inner != outer:
        inner = scope.regions[inner].parent
    return inner == outer >= 0


def region_at(scope: f.Scope, order: int) -> int:
    """The innermost region in which an event lies."""
    regions = scope.regions
    for index in range(len(regions) - 1, 0, -1):  # what encloses a region comes before it
        region = regions[index]
        if region.start <= order < region.end:
            return index
    return 0


def loop_of(scope: f.Scope, region: int) -> int | None:
    """The innermost loop around a region."""
    while region >= 0:
        if scope.regions[region].kind in LOOPS:
            return region
        region = scope.regions[region].parent
    return None


def loops_of(scope: f.Scope, region: int) -> tuple[int, ...]:
    """All loops around a region, innermost first."""
    return tuple(r for r in ancestors(scope, region) if scope.regions[r].kind in LOOPS)


def reaching(scope: f.Scope, assigns: Sequence[f.Assign], order: int | None) -> tuple[list[f.Assign], bool]:
    """The assignments whose value may be seen at event `order`, latest first, and whether they leave nothing of before.

    An assignment on every path to the place hides the earlier ones; inside a loop later ones are seen too.
    """
    if order is None:
        return list(reversed(assigns[-6:])), False
    place = region_at(scope, order) if len(assigns) > 1 or scope.regions[0].end else 0
    found: list[f.Assign] = []
    hidden = False
    for assign in reversed([a for a in assigns if a.order < order]):
        found.append(assign)
        if (
            assign.op in {"=", ":=", "with", "for", "except"}
            and assign.value is not None
            and within(scope, place, assign.region)
        ):
            hidden = True
            break
    loops = loops_of(scope, place)
    if loops:
        found.extend(
            a
            for a in assigns
            if a.order >= order and a.op != "for" and any(within(scope, a.region, loop) for loop in loops)
        )
    return found[:8], hidden


def try_regions(scope: f.Scope, region: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Each `try` body around a region, innermost first, with its `except` regions."""
    for index in ancestors(scope, region):
        if scope.regions[index].kind == "try":
            yield index, handlers_of(scope, index)


def siblings(scope: f.Scope, region: int) -> tuple[int, ...]:
    """The regions of the same statement: try/except/else/finally, if/else, loop/loop_else."""
    group = scope.regions[region].group
    return tuple(index for index, other in enumerate(scope.regions) if other.group == group)


def handlers_of(scope: f.Scope, try_region: int) -> tuple[int, ...]:
    """The `except` regions of a `try`."""
    return tuple(r for r in siblings(scope, try_region) if scope.regions[r].kind == "except")


def sibling_of_kind(scope: f.Scope, region: int, kind: str) -> int | None:
    """The region of the same statement that has this kind."""
    return next((r for r in siblings(scope, region) if scope.regions[r].kind == kind), None)


def is_stub(scope: f.Scope) -> bool:
    """A body that only raises NotImplementedError, passes, or is a docstring: it is there to be overridden."""
    if scope.kind != "function" or not scope.regions:
        return False
    if scope.regions[0].only_pass:
        return True
    leaves = [leave for leave in scope.leaves if leave.kind != "yield"]
    if len(leaves) == 1 and leaves[0].kind == "raise" and not scope.assigns and len(scope.calls) <= 1:
        return _names_not_implemented(leaves[0].value, scope)
    return False


def _names_not_implemented(expr: f.Expr | None, scope: f.Scope) -> bool:
    if isinstance(expr, f.CallRef):
        expr = scope.calls[expr.index].func
    return isinstance(expr, f.Name) and expr.id in {"NotImplementedError", "NotImplemented"}


def calls_in(scope: f.Scope, region: int) -> Iterator[f.Call]:
    """Calls inside a region, nested regions included."""
    inside = scope.regions[region]
    for call in scope.calls:
        if inside.start <= call.order < inside.end and within(scope, call.region, region):
            yield call


def leaves_in(scope: f.Scope, region: int) -> Iterator[f.Leave]:
    """return, raise, yield, continue, break inside a region, nested regions included."""
    for leave in scope.leaves:
        if within(scope, leave.region, region):
            yield leave


def assigns_in(scope: f.Scope, region: int) -> Iterator[f.Assign]:
    """Assignments inside a region, nested regions included."""
    for assign in scope.assigns:
        if within(scope, assign.region, region):
            yield assign


def item_assigns(scope: f.Scope, name: str) -> Iterator[tuple[str, f.Assign]]:
    """(key, assignment) of every `name["key"] = value`."""
    for assign in scope.assigns:
        match assign.target:
            case f.Sub(value=f.Name(id=owner), index=f.Str(value=key)) if owner == name and assign.value is not None:
                yield key, assign


def on_one_path(scope: f.Scope, first: int, second: int) -> bool:
    """May control pass through the first region and then the second: not in different branches of the same if/case/try handler
    pair, and not out of a block that returns into what follows it? The caller knows which comes first in the text.
    """
    chain_first = list(ancestors(scope, first))
    chain_second = list(ancestors(scope, second))
    common = next((r for r in chain_first if r in chain_second), 0)
    left = chain_first[chain_first.index(common) - 1] if common != first else None
    right = chain_second[chain_second.index(common) - 1] if common != second else None
    if left == right or left is None:
        return True
    inside = chain_first[: chain_first.index(common)]
    if right is None:
        return not _never_comes_out(scope, inside, common)
    a, b = scope.regions[left], scope.regions[right]
    if a.group != b.group:
        if left_before(a, b):
            return not _never_comes_out(scope, inside, common)
        return not _never_comes_out(scope, chain_second[: chain_second.index(common)], common)
    exclusive = {"if", "else", "case", "except"}
    if {a.kind, b.kind} <= exclusive:
        return False
    return {a.kind, b.kind} != {"except", "try_else"}


def left_before(a: f.Region, b: f.Region) -> bool:
    """Does region `a` start before `b`?"""
    return a.start <= b.start


def _never_comes_out(scope: f.Scope, inside: list[int], common: int) -> bool:
    """Does one of these blocks, innermost first, leave for good, so that what follows in `common` is not reached from the first?

    An exception may be caught by a `try` on the way; `continue` and `break` only leave for good when their loop holds all of it.
    """
    for position, index in enumerate(inside):
        region = scope.regions[index]
        if region.kind not in {"if", "else", "except", "case"}:
            continue
        outer = inside[position + 1 :]
        if region.exits in {"return", "raise", "mixed"}:
            caught = region.exits != "return" and any(scope.regions[r].kind == "try" for r in outer)
            if not caught:
                return True
        elif region.exits in {"continue", "break"}:
            loop = loop_of(scope, region.parent)
            if loop is not None and loop not in outer and within(scope, common, loop):
                return True
    return False


def dominates(scope: f.Scope, earlier_order: int, earlier_region: int, later_region: int, later_order: int) -> bool:
    """Is the earlier event passed on every path that reaches the later one?"""
    return earlier_order < later_order and within(scope, later_region, earlier_region)


def may_precede(scope: f.Scope, first: f.Call, second: f.Call) -> bool:
    """Can `first` have run when `second` runs, in one pass through the scope?"""
    return first.order < second.order and on_one_path(scope, first.region, second.region)


def strings_of(expr: f.Expr) -> Iterator[str]:
    """Every literal text inside an expression (not inside its calls)."""
    for part in walk(expr):
        if isinstance(part, f.Str):
            yield part.value


def walk(expr: f.Expr | None) -> Iterator[f.Expr]:
    """The expression and its parts; calls are not entered (they are `CallRef`s)."""
    stack = [expr] if expr is not None else []
    while stack:
        here = stack.pop()
        yield here
        split = _PARTS.get(type(here))
        if split is not None:
            stack.extend(reversed(split(here)))


def last_name(expr: f.Expr) -> str:
    """`c` for `a.b.c` and for `c`; empty for anything that is no name."""
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""


def parts(expr: f.Expr) -> Sequence[f.Expr]:
    """The direct parts of an expression."""
    split = _PARTS.get(type(expr))
    return () if split is None else split(expr)


_PARTS: dict[type, Callable[[Any], Sequence[f.Expr]]] = {
    f.Attr: lambda expr: (expr.value,),
    f.Await: lambda expr: (expr.value,),
    f.Star: lambda expr: (expr.value,),
    f.Unary: lambda expr: (expr.value,),
    f.Walrus: lambda expr: (expr.value,),
    f.FStr: lambda expr: expr.parts,
    f.Seq: lambda expr: expr.items,
    f.BoolOp: lambda expr: expr.items,
    f.Dict: lambda expr: [e for pair in expr.items for e in pair if e is not None],
    f.Bin: lambda expr: (expr.left, expr.right),
    f.Compare: lambda expr: (expr.left, *expr.rights),
    f.IfExp: lambda expr: (expr.test, expr.body, expr.orelse),
    f.Sub: lambda expr: (expr.value, expr.index),
    f.Comp: lambda expr: (expr.element,) if expr.key is None else (expr.key, expr.element),
    f.Yield: lambda expr: (expr.value,) if expr.value is not None else (),
}
"""Kinds that are not named (most are: names, calls, literals) have no parts."""


def deep_text(expr: f.Expr | None, scope: f.Scope, depth: int = 0) -> str:
    """The expression with the arguments of its calls, for a look at what occurs in it."""
    if expr is None or depth > 6:
        return ""
    text = text_of(expr, scope)
    for part in walk(expr):
        if isinstance(part, f.CallRef):
            call = scope.calls[part.index]
            inner = " ".join(deep_text(e, scope, depth + 1) for e in (*call.args, *(v for _, v in call.kwargs)))
            text = f"{text} {text_of(call.func, scope)}({inner})"
        elif isinstance(part, f.Bin):
            text = f"{text} {part.op}"
    return text


def every_text(expr: f.Expr | None, scope: f.Scope) -> str:
    """The text of an expression and of all its parts, comparisons and the arguments of calls included: to search words in."""
    return (
        " ".join(f"{text_of(part, scope)} {deep_text(part, scope)}" for part in walk(expr)) if expr is not None else ""
    )


def spelled(expr: f.Expr | None, scope: f.Scope) -> str:
    """The expression with every part of its texts, to tell two of them apart: `f"user:{id}"` and `f"team:{id}"`."""
    return " ".join(text_of(part, scope) for part in walk(expr)) + deep_text(expr, scope)


def _operand(expr: f.Expr, op: str, scope: f.Scope, depth: int) -> str:
    """As an operand of `not`, `and`, `or`: in brackets where it would fall apart."""
    text = text_of(expr, scope, depth + 1)
    loose = isinstance(expr, f.BoolOp | f.IfExp) and not (isinstance(expr, f.BoolOp) and expr.op == op)
    return f"({text})" if loose else text


def text_of(expr: f.Expr | None, scope: f.Scope, depth: int = 0) -> str:
    """The expression as a reader would write it, short."""
    if expr is None:
        return ""
    if depth > 6:
        return "…"
    match expr:
        case f.Name():
            return expr.id
        case f.Attr():
            owner = text_of(expr.value, scope, depth + 1)
            return (
                f"({owner}).{expr.name}"
                if isinstance(expr.value, f.BoolOp | f.IfExp | f.Bin)
                else f"{owner}.{expr.name}"
            )
        case f.CallRef():
            call = scope.calls[expr.index]
            return f"{text_of(call.func, scope, depth + 1)}({'…' if call.args or call.kwargs else ''})"
        case f.Str():
            return repr(expr.value if len(expr.value) <= 40 else expr.value[:37] + "...")
        case f.Const():
            return {"none": "None", "ellipsis": "...", "bytes": "b'…'"}.get(expr.kind, str(expr.value))
        case f.Sub():
            return f"{text_of(expr.value, scope, depth + 1)}[{text_of(expr.index, scope, depth + 1)}]"
        case f.Await():
            return f"await {text_of(expr.value, scope, depth + 1)}"
        case f.Star():
            return f"*{text_of(expr.value, scope, depth + 1)}"
        case f.Bin():
            return f"{text_of(expr.left, scope, depth + 1)} {expr.op} {text_of(expr.right, scope, depth + 1)}"
        case f.FStr():
            return "f'…'"
        case f.Seq():
            inner = ", ".join(text_of(i, scope, depth + 1) for i in expr.items[:4])
            return f"[{inner}]" if expr.kind == "list" else f"({inner})"
        case f.Dict():
            return "{…}" if expr.items else "{}"
        case f.Compare(left=left, ops=ops, rights=rights):
            pairs = zip(ops, rights, strict=False)
            rest = " ".join(f"{op} {text_of(right, scope, depth + 1)}" for op, right in pairs)
            return f"{text_of(left, scope, depth + 1)} {rest}"
        case f.BoolOp(op=op, items=items):
            return f" {op} ".join(_operand(item, op, scope, depth) for item in items[:4])
        case f.Unary(op=op):
            return f"{op}{' ' if op == 'not' else ''}{_operand(expr.value, op, scope, depth)}"
        case f.Other():
            return expr.text
    return "…"


def root_name(expr: f.Expr | None, scope: f.Scope, depth: int = 0) -> str | None:
    """The name that a path begins with: `event` of `event["data"].get("id")`; None where it begins with none."""
    match expr:
        case f.Name():
            return expr.id
        case f.Attr() | f.Sub() | f.Await() | f.Star() if depth < 12:
            return root_name(expr.value, scope, depth + 1)
        case f.CallRef() if depth < 12:
            call = scope.calls[expr.index]
            inner = call.func.value if isinstance(call.func, f.Attr) else call.args[0] if call.args else None
            return root_name(inner, scope, depth + 1)
    return None


def is_among(index: int, exprs: Iterable[f.Expr]) -> bool:
    """Is the call with this index one of the expressions, or part of a display or comprehension among them?"""
    return any(isinstance(part, f.CallRef) and part.index == index for expr in exprs for part in walk(expr))
