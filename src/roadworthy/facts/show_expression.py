"""An expression fact as text, close to the source."""

from __future__ import annotations

import json
from typing import Final

from roadworthy.facts.schema import (
    Attr,
    Await,
    Bin,
    BoolOp,
    CallRef,
    Comp,
    Compare,
    Const,
    Dict,
    Expr,
    FStr,
    IfExp,
    LambdaRef,
    Name,
    Other,
    Seq,
    Star,
    Str,
    Sub,
    Unary,
    Walrus,
    Yield,
)

_BRACKETS: Final = {
    "tuple": ("(", ")"),
    "list": ("[", "]"),
    "set": ("{", "}"),
    "dict": ("{", "}"),
    "generator": ("(", ")"),
}
_MAX_STRING: Final = 200


def show_expression(value: Expr | None) -> str:
    """An expression as text. Operations stand in parentheses, `#0` is a call, `λ1` a lambda, `‹…›` is source text."""
    match value:
        case None:
            return "-"
        case Name(id=name):
            return name
        case Attr(value=inner, name=name):
            return f"{show_expression(inner)}.{name}"
        case CallRef(index=index):
            return f"#{index}"
        case LambdaRef(scope=index):
            return f"λ{index}"
        case Str(value=text):
            return json.dumps(text if len(text) <= _MAX_STRING else text[:_MAX_STRING] + "…", ensure_ascii=False)
        case Const():
            return _constant(value)
        case Other(text=text):
            return f"‹{text}›"
        case Seq() | Dict() | Comp() | FStr():
            return _display(value)
        case _:
            return _operation(value)


def _constant(value: Const) -> str:
    if value.kind == "ellipsis":
        return "..."
    if value.kind == "int" and value.value is None:
        return "‹int›"
    return 'b""' if value.kind == "bytes" else str(value.value)


def _display(value: Seq | Dict | Comp | FStr) -> str:
    if isinstance(value, FStr):
        parts = [
            p.value.replace("{", "{{").replace("}", "}}") if isinstance(p, Str) else "{" + show_expression(p) + "}"
            for p in value.parts
        ]
        return "f" + json.dumps("".join(parts), ensure_ascii=False)
    if isinstance(value, Dict):
        pairs = [
            f"**{show_expression(v)}" if k is None else f"{show_expression(k)}: {show_expression(v)}"
            for k, v in value.items
        ]
        return "{" + ", ".join(pairs) + "}"
    opening, closing = _BRACKETS[value.kind]
    if isinstance(value, Comp):
        key = "" if value.key is None else f"{show_expression(value.key)}: "
        return f"{opening}{key}{show_expression(value.element)} in r{value.region}{closing}"
    comma = "," if value.kind == "tuple" and len(value.items) == 1 else ""
    return opening + ", ".join(map(show_expression, value.items)) + comma + closing


def _operation(value: Expr) -> str:
    match value:
        case Bin(op=op, left=left, right=right):
            return f"({show_expression(left)} {op} {show_expression(right)})"
        case BoolOp(op=op, items=items):
            return "(" + f" {op} ".join(map(show_expression, items)) + ")"
        case Compare(left=left, ops=ops, rights=rights):
            pairs = zip(ops, rights, strict=False)
            return f"({show_expression(left)} " + " ".join(f"{o} {show_expression(r)}" for o, r in pairs) + ")"
        case Unary(op=op, value=inner):
            return f"({op} {show_expression(inner)})" if op == "not" else f"{op}{show_expression(inner)}"
        case IfExp(test=test, body=body, orelse=orelse):
            return f"({show_expression(body)} if {show_expression(test)} else {show_expression(orelse)})"
        case Sub(value=inner, index=index):
            return f"{show_expression(inner)}[{show_expression(index)}]"
        case Await(value=inner):
            return f"await {show_expression(inner)}"
        case Star(value=inner):
            return f"*{show_expression(inner)}"
        case Walrus(name=name, value=inner):
            return f"({name} := {show_expression(inner)})"
        case Yield(value=inner, is_from=is_from):
            return (
                "(yield"
                + (" from" if is_from else "")
                + (f" {show_expression(inner)}" if inner is not None else "")
                + ")"
            )
        case _:
            return _missing(value)


def _missing(value: Expr) -> str:
    raise TypeError(type(value).__name__)
