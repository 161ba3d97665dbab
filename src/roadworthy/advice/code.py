"""Code of the reviewed project written again from its facts, for snippets: whole where it is short, `…` where it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from roadworthy.facts.schema import Expr
    from roadworthy.project.symbols import CallSite, Function

GAP = "…"
"""Stands for what stays as it is."""

WIDTH = 100
WHOLE = 320
"""Columns of a call that stands in a snippet, where its line is broken inside of its brackets."""
_DEPTH = 7
_LONGEST_TEXT = 80
_NESTED = 200
_LINKS = 12
_LONGEST_NAME = 110
_BRACKETS = {"tuple": ("(", ")"), "list": ("[", "]"), "set": ("{", "}"), "generator": ("(", ")"), "dict": ("{", "}")}
_LOOSE = (f.Bin, f.BoolOp, f.Compare, f.IfExp, f.LambdaRef, f.Walrus, f.Yield, f.Await, f.Unary)


def written(expr: Expr | None, function: Function, depth: int = 0) -> str:
    """An expression as its author wrote it, with its arguments."""
    if expr is None:
        return ""
    if depth > _DEPTH:
        return GAP
    match expr:
        case f.Name():
            return expr.id
        case f.Attr():
            return f"{_tight(expr.value, function, depth)}.{expr.name}"
        case f.CallRef():
            return call_text(function.calls[expr.index], width=_NESTED, depth=depth + 1)
        case f.Str():
            return _string(expr.value)
        case f.Const():
            return {"none": "None", "ellipsis": "...", "bytes": f'b"{GAP}"'}.get(expr.kind, repr(expr.value))
        case f.FStr():
            return _f_string(expr, function, depth)
        case f.Seq() | f.Dict() | f.Comp():
            return _display(expr, function, depth)
        case f.Other():
            return " ".join(expr.text.split())
    return _operation(expr, function, depth)


def _tight(expr: Expr, function: Function, depth: int) -> str:
    """As an operand: in brackets when it would fall apart."""
    text = written(expr, function, depth + 1)
    return f"({text})" if isinstance(expr, _LOOSE) else text


def _string(value: str) -> str:
    if len(value) > _LONGEST_TEXT or "\n" in value:
        return f'"{GAP}"'
    plain = repr(value)
    return f'"{value}"' if plain[0] == "'" and '"' not in value and "\\" not in plain else plain


def _f_string(expr: f.FStr, function: Function, depth: int) -> str:
    parts = []
    for part in expr.parts:
        if isinstance(part, f.Str):
            parts.append(part.value.replace("{", "{{").replace("}", "}}"))
        else:
            parts.append("{" + written(part, function, depth + 1) + "}")
    text = "".join(parts)
    fine = len(text) <= _LONGEST_TEXT and "\n" not in text and '"' not in text and "\\" not in text
    return f'f"{text}"' if fine else f'f"{GAP}"'


def _display(expr: f.Seq | f.Dict | f.Comp, function: Function, depth: int) -> str:
    opening, closing = _BRACKETS["dict" if isinstance(expr, f.Dict) else expr.kind]
    if isinstance(expr, f.Comp):
        return f"{opening}{_comprehension(expr, function, depth)}{closing}"
    if isinstance(expr, f.Dict):
        items = [
            f"**{written(value, function, depth + 1)}"
            if key is None
            else f"{written(key, function, depth + 1)}: {written(value, function, depth + 1)}"
            for key, value in expr.items
        ]
    else:
        items = [written(item, function, depth + 1) for item in expr.items]
    body = ", ".join(items)
    if len(body) > 240:
        body = GAP
    elif isinstance(expr, f.Seq) and expr.kind == "tuple" and len(items) == 1:
        body += ","
    return f"{opening}{body}{closing}"


def _comprehension(expr: f.Comp, function: Function, depth: int) -> str:
    """`fetch(url) for url in urls if url`; a gap for more than one `for`."""
    regions = function.scope.regions
    inner = {part.region for part in flow.walk(expr.element) if isinstance(part, f.Comp)}
    more = any(r.kind == "comprehension" and r.parent == expr.region and i not in inner for i, r in enumerate(regions))
    region = regions[expr.region]
    if more or region.kind != "comprehension" or region.target is None:
        return GAP
    key = f"{written(expr.key, function, depth + 1)}: " if expr.key is not None else ""
    names = written(region.target, function, depth + 1)
    names = names[1:-1] if isinstance(region.target, f.Seq) and len(region.target.items) > 1 else names
    tests = "".join(f" if {_tight(test, function, depth)}" for test in expr.tests)
    word = "async for" if region.is_async else "for"
    text = (
        f"{key}{written(expr.element, function, depth + 1)} {word} {names} in {_tight(region.test, function, depth)}{tests}"
        if region.test is not None
        else GAP
    )
    return text if len(text) <= _NESTED else GAP


def _operation(expr: Expr, function: Function, depth: int) -> str:
    def tight(part: Expr) -> str:
        return _tight(part, function, depth)

    match expr:
        case f.Bin():
            chained = isinstance(expr.left, f.Bin) and expr.left.op == expr.op
            left = written(expr.left, function, depth + 1) if chained else tight(expr.left)
            return f"{left} {expr.op} {tight(expr.right)}"
        case f.BoolOp():
            return f" {expr.op} ".join(tight(item) for item in expr.items)
        case f.Compare():
            rest = " ".join(f"{op} {tight(right)}" for op, right in zip(expr.ops, expr.rights, strict=False))
            return f"{tight(expr.left)} {rest}"
        case f.Unary():
            return f"not {tight(expr.value)}" if expr.op == "not" else f"{expr.op}{tight(expr.value)}"
        case f.IfExp():
            return f"{tight(expr.body)} if {tight(expr.test)} else {tight(expr.orelse)}"
        case f.Sub():
            index = written(expr.index, function, depth + 1)
            pair = isinstance(expr.index, f.Seq) and len(expr.index.items) > 1 and index.startswith("(")
            return f"{tight(expr.value)}[{index[1:-1] if pair else index}]"  # `dict[str, int]`
        case f.Await():
            return f"await {tight(expr.value)}"
        case f.Star():
            return f"*{tight(expr.value)}"
        case f.LambdaRef():
            return _lambda(expr, function, depth)
    return GAP


def _lambda(expr: f.LambdaRef, function: Function, depth: int) -> str:
    inner = function.module.functions[expr.scope]
    names = ", ".join(param.name for param in inner.scope.params)
    body = next((leave.value for leave in inner.scope.leaves if leave.value is not None), None)
    shown = written(body, inner, depth + 1) if body is not None else GAP
    return f"lambda {names}: {shown}" if names else f"lambda: {shown}"


def argument_texts(site: CallSite, without: Sequence[str] = (), depth: int = 0) -> list[str]:
    """Each argument as written, keywords after positions; those named in `without` left out."""
    found = [written(arg, site.function, depth) for arg in site.fact.args]
    for keyword, value in site.fact.kwargs:
        text = written(value, site.function, depth)
        if keyword == "**":
            found.append(f"**{text}")
        elif keyword not in without:
            found.append(f"{keyword}={text}")
    return found


def callee_text(site: CallSite) -> str:
    """The callee as written: `self.session.get`."""
    text = written(site.fact.func, site.function)
    if len(text) <= (_LONGEST_NAME if text.replace(".", "").isidentifier() else 60):
        return text
    return f"{GAP}.{text.rpartition('.')[2]}" if "." in text else GAP


def call_text(
    site: CallSite, extra: Sequence[str] = (), without: Sequence[str] = (), width: int = WIDTH, depth: int = 0
) -> str:
    """The call as written with `extra` arguments behind its own, kept short by leaving out the longest of its own."""
    args = argument_texts(site, without, depth)
    if (
        len(args) == 1
        and not extra
        and isinstance(site.fact.args[0] if site.fact.args else None, f.Comp)
        and args[0][:1] == "("
    ):
        args = [args[0][1:-1]]  # the brackets of the call are those of the generator
    callee = callee_text(site)
    if width >= WHOLE and GAP in callee:
        callee = chain_text(site)
    return apply_text(callee, args, extra, width)


def chain_text(site: CallSite) -> str:
    """The callee as written with every call that it is called on: `session.query(Order).filter_by(number=number).first`; a gap where that is long."""
    links = [site]
    while isinstance(links[-1].fact.func, f.Attr) and isinstance(links[-1].fact.func.value, f.CallRef):
        if len(links) > _LINKS:
            return callee_text(site)
        links.append(site.function.calls[links[-1].fact.func.value.index])
    first, *rest = reversed(links)
    text = written(first.fact.func, first.function)
    for before, link in zip((first, *rest), rest, strict=False):
        name = link.fact.func.name if isinstance(link.fact.func, f.Attr) else ""
        text = f"{apply_text(text, argument_texts(before), width=WHOLE)}.{name}"
    return text if len(text) <= WHOLE and GAP not in text else callee_text(site)


def statement_text(site: CallSite) -> str:
    """The statement whose value a call is: `row = find(…)`, `return create(…)`, or the call alone; a gap where it is a part of more."""
    call = call_text(site, width=WHOLE)
    call = f"await {call}" if site.fact.awaited else call
    if site.fact.use == "returned":
        return f"return {call}"
    if site.fact.use == "discarded":
        return call
    for assign in site.function.scope.assigns:
        value = assign.value.value if isinstance(assign.value, f.Await) else assign.value
        if isinstance(value, f.CallRef) and value.index == site.index and assign.op == "=":
            target = written(assign.target, site.function)
            return f"{target[1:-1] if isinstance(assign.target, f.Seq) and len(assign.target.items) > 1 else target} = {call}"
    return GAP


def is_call(expr: f.Expr, site: CallSite) -> bool:
    """Is an expression this very call?"""
    return isinstance(expr, f.CallRef) and expr.index == site.index


def apply_text(callee: str, args: Sequence[str], extra: Sequence[str] = (), width: int = WIDTH) -> str:
    """`callee(args, extra)` within `width` columns."""
    shown = list(args)
    for index in sorted(range(len(shown)), key=lambda i: -len(shown[i])):
        if _length(callee, shown, extra) <= width:
            break
        keyword, equals, _ = shown[index].partition("=")
        shown[index] = f"{keyword}={GAP}" if equals and keyword.isidentifier() else GAP
    if _length(callee, shown, extra) > width:
        shown = [GAP] if args else []
    return f"{callee}({', '.join([*_merged(shown), *extra])})"


def inside(first: str, args: Sequence[str], width: int = WIDTH - 25) -> str:
    """`first, args` for the inside of another call's brackets, kept short."""
    text = apply_text("", [first, *args] if args else [first], width=width)[1:-1]
    return text if text.startswith(first) else f"{first}, {GAP}"


def _length(callee: str, args: Sequence[str], extra: Sequence[str]) -> int:
    return len(callee) + 2 + sum(len(arg) + 2 for arg in (*args, *extra))


def _merged(args: Sequence[str]) -> list[str]:
    """Neighbouring gaps are one."""
    merged: list[str] = []
    for arg in args:
        if arg != GAP or not merged or merged[-1] != GAP:
            merged.append(arg)
    return merged


def signature_text(
    function: Function, width: int = WHOLE, without: Collection[str] = (), is_async: bool | None = None
) -> str:
    """`async def send(order_id: int, *, retry: bool = False):` as it is declared, without some parameters.

    What cannot be written again in full (a long default in an annotation) is left out for all parameters alike: a framework reads them.
    """
    outside = function.parent or function
    types = {p.name: written(p.annotation, outside) for p in function.scope.params if p.annotation is not None}
    if any(GAP in text or "\n" in text for text in types.values()):
        types = {}
    names = []
    keyword_only = False
    for param in function.scope.params:
        if param.name in without:
            continue
        if param.kind == "keyword" and not keyword_only and not any(p.kind == "args" for p in function.scope.params):
            names.append("*")
            keyword_only = True
        stars = {"args": "*", "kwargs": "**"}.get(param.kind, "")
        typed = f": {types[param.name]}" if param.name in types else ""
        equals = " = " if typed else "="
        default = f"{equals}{written(param.default, outside)}" if param.default is not None else ""
        names.append(f"{stars}{param.name}{typed}{default}")
    define = "async def" if (function.is_async if is_async is None else is_async) else "def"
    head = f"{define} {function.name}("
    gives = written(function.scope.returns, outside) if types and function.scope.returns is not None else ""
    tail = f") -> {gives}:" if gives and GAP not in gives and is_async is None else "):"
    return (
        f"{head}{', '.join(names)}{tail}" if len(head) + sum(len(n) + 2 for n in names) <= width else f"{head}{GAP}):"
    )
