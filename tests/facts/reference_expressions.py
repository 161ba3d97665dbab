"""The expressions of the reference: `ast` -> facts."""

from __future__ import annotations

import ast
from typing import Any

from roadworthy.facts import schema as s

OPERATORS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.MatMult: "@", ast.LShift: "<<", ast.RShift: ">>", ast.BitOr: "|", ast.BitAnd: "&", ast.BitXor: "^",
    ast.Not: "not", ast.USub: "-", ast.UAdd: "+", ast.Invert: "~", ast.And: "and", ast.Or: "or",
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Is: "is",
    ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip


class Base:
    """What one scope has collected, and the place at which we are."""

    def __init__(self, file: Any, index: int, qualname: str) -> None:
        self.file = file
        self.index = index
        self.qualname = qualname
        self.calls: list[Any] = []
        self.assigns: list[s.Assign] = []
        self.leaves: list[s.Leave] = []
        self.tests: list[s.Test] = []
        self.imports: list[s.Import] = []
        self.regions: list[Any] = []
        self.globals: list[str] = []
        self.reads: dict[str, int] = {}
        self.order = 0
        self.region = -1
        self.is_generator = False
        self.types = False
        self.checking = False
        self.trying = False

    # --- bookkeeping

    def tick(self) -> int:
        self.order += 1
        return self.order - 1

    def enter(self) -> tuple[int, int, int]:
        self.regions.append((self.region, self.order))
        self.region = len(self.regions) - 1
        return self.region

    def leave(self, index: int, kind: str, lines: Any, group: int, exits: str, only_pass: bool, **more: Any) -> None:
        parent, start = self.regions[index]
        self.region = parent
        self.regions[index] = s.Region(
            kind, parent, *lines, start, self.order, group, exits, only_pass=only_pass, **more
        )  # fmt: skip

    def read(self, *paths: str) -> None:
        for path in paths:
            self.reads[path] = self.order

    def define(self, node: Any, decorators: tuple[Any, ...] = ()) -> int:
        raise NotImplementedError


class Expressions(Base):
    """One method for each kind of expression."""

    def expr(self, node: Any, use: str, outer: int = -1) -> Any:
        return getattr(self, "e_" + type(node).__name__, self.e_other)(node, use, outer)

    def annotation(self, node: Any) -> Any:
        if node is None:
            return None
        was, self.types = self.types, True
        value = self.expr(node, "stored")
        self.types = was
        return value

    def target(self, node: Any) -> Any:
        if isinstance(node, ast.Name):
            return s.Name(node.id)
        if isinstance(node, ast.Attribute):
            return s.Attr(self.expr(node.value, "attribute"), node.attr)
        if isinstance(node, ast.Tuple | ast.List):
            kind = "list" if isinstance(node, ast.List) else "tuple"
            return s.Seq(kind, tuple(map(self.target, node.elts)))
        if isinstance(node, ast.Starred):
            return s.Star(self.target(node.value))
        return self.expr(node, "stored")

    def e_other(self, node: Any, use: str, outer: int) -> Any:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.expr(child, "stored", outer)
        text = ast.get_source_segment(self.file.source, node) or ""
        return s.Other(text[:80])

    def e_Name(self, node: Any, use: str, outer: int) -> Any:
        self.read(node.id)
        return s.Name(node.id)

    def e_Attribute(self, node: Any, use: str, outer: int) -> Any:
        direct = use == "receiver" and isinstance(node.value, ast.Call | ast.IfExp | ast.BoolOp | ast.Await)
        direct = direct or (use == "receiver" and not isinstance(node.value, ast.Attribute))
        value = self.expr(node.value, "receiver" if direct else "attribute", outer)
        path = dotted(node)
        if path is not None:
            self.read(*prefixes(path))
        return s.Attr(value, node.attr)

    def e_Call(self, node: Any, use: str, outer: int, awaited: bool = False) -> Any:
        index = len(self.calls)
        self.calls.append(None)
        func = self.expr(node.func, "receiver", index)
        items = sorted([*node.args, *node.keywords], key=lambda n: (n.lineno, n.col_offset))
        args, kwargs = self.arguments(items, "argument", index)
        self.calls[index] = s.Call(
            self.tick(), self.region, node.lineno, node.end_lineno, node.col_offset, func, args, kwargs, awaited, use, outer
        )  # fmt: skip
        return s.CallRef(index)

    def arguments(self, items: list[Any], use: str, index: int) -> tuple[Any, Any]:
        args, kwargs = [], []
        for item in items:
            if isinstance(item, ast.keyword):
                kwargs.append((item.arg or "**", self.expr(item.value, use, index)))
            else:
                args.append(self.expr(item, use, index))
        return tuple(args), tuple(kwargs)

    def e_Await(self, node: Any, use: str, outer: int) -> Any:
        return s.Await(self.awaited(node.value, use, outer))

    def awaited(self, node: Any, use: str, outer: int) -> Any:
        if isinstance(node, ast.Call):
            return self.e_Call(node, use, outer, True)
        if isinstance(node, ast.IfExp):
            test = self.expr(node.test, "condition", outer)
            return s.IfExp(test, self.awaited(node.body, use, outer), self.awaited(node.orelse, use, outer))
        if isinstance(node, ast.BoolOp):
            early = "condition" if use == "discarded" else use
            uses = [early] * (len(node.values) - 1) + [use]
            items = tuple(self.awaited(v, u, outer) for v, u in zip(node.values, uses, strict=True))
            return s.BoolOp(OPERATORS[type(node.op)], items)
        return self.expr(node, use, outer)

    def e_Constant(self, node: Any, use: str, outer: int) -> Any:
        value = node.value
        if isinstance(value, str):
            return self.string(node, value, outer)
        if isinstance(value, complex):
            return self.e_other(node, use, outer)
        kind = {bytes: "bytes", bool: "bool", int: "int", float: "float", type(None): "none"}.get(
            type(value), "ellipsis"
        )
        if kind in ("bytes", "ellipsis") or (kind == "int" and value > 2**63 - 1):
            value = None
        return s.Const(kind, value)

    def string(self, node: Any, value: str, outer: int) -> Any:
        plain = s.Str(value.encode("utf-8", "replace").decode()[:20_000])
        if not self.types:
            return plain
        text = ast.get_source_segment(self.file.source, node) or ""
        if "\\" in text or text[:1] not in ("'", '"') or not value.strip() or "\n" in value:
            return plain
        if text[1:].count(text[0]) > 1 and len(text) != len(value) + 6:  # joined: "a" "b"
            return plain
        try:
            tree = ast.parse(value.strip(), mode="eval").body
        except (SyntaxError, ValueError):
            return plain
        shift = 3 if len(text) == len(value) + 6 else 1
        for n in ast.walk(tree):
            if isinstance(n, ast.expr | ast.keyword):
                n.lineno = n.end_lineno = node.lineno
                n.col_offset += node.col_offset + shift + len(value) - len(value.lstrip())
        return self.expr(tree, "stored", outer)

    def e_JoinedStr(self, node: Any, use: str, outer: int) -> Any:
        parts: list[Any] = []
        for value in node.values:
            if isinstance(value, ast.Constant):
                parts.append(s.Str(value.value.encode("utf-8", "replace").decode()[:20_000]))
            else:
                parts.append(self.expr(value.value, "stored", outer))
                if value.format_spec is not None:
                    for spec in value.format_spec.values:
                        if isinstance(spec, ast.FormattedValue):
                            self.expr(spec.value, "stored", outer)
        joined: list[Any] = []
        for part in parts:
            if joined and isinstance(part, s.Str) and isinstance(joined[-1], s.Str):
                part = s.Str(joined.pop().value + part.value)
            joined.append(part)
        joined = joined or [s.Str("")]
        return joined[0] if len(joined) == 1 and isinstance(joined[0], s.Str) else s.FStr(tuple(joined))

    def seq(self, kind: str, node: Any, outer: int) -> Any:
        return s.Seq(kind, tuple(self.expr(e, "stored", outer) for e in node.elts))

    def e_Tuple(self, node: Any, use: str, outer: int) -> Any:
        return self.seq("tuple", node, outer)

    def e_List(self, node: Any, use: str, outer: int) -> Any:
        return self.seq("list", node, outer)

    def e_Set(self, node: Any, use: str, outer: int) -> Any:
        return self.seq("set", node, outer)

    def e_Dict(self, node: Any, use: str, outer: int) -> Any:
        items = []
        for key, value in zip(node.keys, node.values, strict=True):
            k = None if key is None else self.expr(key, "stored", outer)
            items.append((k, self.expr(value, "stored", outer)))
        return s.Dict(tuple(items))

    def e_BinOp(self, node: Any, use: str, outer: int) -> Any:
        left = self.expr(node.left, "stored", outer)
        return s.Bin(OPERATORS[type(node.op)], left, self.expr(node.right, "stored", outer))

    def e_BoolOp(self, node: Any, use: str, outer: int) -> Any:
        early = "condition" if use == "discarded" else use
        uses = [early] * (len(node.values) - 1) + [use]
        items = tuple(self.expr(v, u, outer) for v, u in zip(node.values, uses, strict=True))
        return s.BoolOp(OPERATORS[type(node.op)], items)

    def e_UnaryOp(self, node: Any, use: str, outer: int) -> Any:
        inner = "condition" if use == "condition" and isinstance(node.op, ast.Not) else "stored"
        return s.Unary(OPERATORS[type(node.op)], self.expr(node.operand, inner, outer))

    def e_Compare(self, node: Any, use: str, outer: int) -> Any:
        left = self.expr(node.left, "stored", outer)
        rights = tuple(self.expr(c, "stored", outer) for c in node.comparators)
        return s.Compare(left, tuple(OPERATORS[type(o)] for o in node.ops), rights)

    def e_IfExp(self, node: Any, use: str, outer: int) -> Any:
        test = self.expr(node.test, "condition", outer)
        return s.IfExp(test, self.expr(node.body, use, outer), self.expr(node.orelse, use, outer))

    def e_Subscript(self, node: Any, use: str, outer: int) -> Any:
        value = self.expr(node.value, "stored", outer)
        was = self.types
        last_name = value.name if isinstance(value, s.Attr) else value.id if isinstance(value, s.Name) else ""
        if last_name == "Literal":
            self.types = False
        if last_name == "Annotated" and isinstance(node.slice, ast.Tuple):
            items = []
            for item in node.slice.elts:
                items.append(self.expr(item, "stored", outer))
                self.types = False
            index: Any = s.Seq("tuple", tuple(items))
        else:
            index = self.expr(node.slice, "stored", outer)
        self.types = was
        return s.Sub(value, index)

    def e_Starred(self, node: Any, use: str, outer: int) -> Any:
        return s.Star(self.expr(node.value, use, outer))

    def e_NamedExpr(self, node: Any, use: str, outer: int) -> Any:
        value = self.expr(node.value, "assigned", outer)
        self.assigns.append(
            s.Assign(self.tick(), self.region, node.lineno, node.end_lineno, s.Name(node.target.id), value, ":=")
        )  # fmt: skip
        return s.Walrus(node.target.id, value)

    def e_Yield(self, node: Any, use: str, outer: int) -> Any:
        self.is_generator = True
        value = None if node.value is None else self.expr(node.value, "yielded", outer)
        self.leaves.append(s.Leave("yield", self.tick(), self.region, node.lineno, value))
        return s.Yield(value, isinstance(node, ast.YieldFrom))

    e_YieldFrom = e_Yield

    def e_Lambda(self, node: Any, use: str, outer: int) -> Any:
        return s.LambdaRef(self.define(node))

    def comp(self, kind: str, node: Any, outer: int) -> Any:
        opened, tests = [], []
        for clause in node.generators:
            test = self.expr(clause.iter, "iterated", outer)
            index = self.enter()
            to = self.target(clause.target)
            self.assigns.append(
                s.Assign(self.tick(), index, clause.target.lineno, clause.iter.end_lineno, to, test, "for")
            )  # fmt: skip
            opened.append((index, test, to, bool(clause.is_async)))
            tests.extend(self.expr(condition, "condition", outer) for condition in clause.ifs)
        key = self.expr(node.key, "stored", outer) if kind == "dict" else None
        element = self.expr(node.value if kind == "dict" else node.elt, "stored", outer)
        for index, test, to, is_async in reversed(opened):
            lines = node.lineno, node.end_lineno
            self.leave(index, "comprehension", lines, index, "", False, test=test, target=to, is_async=is_async)
        return s.Comp(kind, opened[0][0], element, key, tuple(tests))

    def e_ListComp(self, node: Any, use: str, outer: int) -> Any:
        return self.comp("list", node, outer)

    def e_SetComp(self, node: Any, use: str, outer: int) -> Any:
        return self.comp("set", node, outer)

    def e_DictComp(self, node: Any, use: str, outer: int) -> Any:
        return self.comp("dict", node, outer)

    def e_GeneratorExp(self, node: Any, use: str, outer: int) -> Any:
        return self.comp("generator", node, outer)


def dotted(node: Any) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return None if inner is None else f"{inner}.{node.attr}"
    return None


def prefixes(path: str) -> list[str]:
    words = path.split(".")
    return [".".join(words[:n]) for n in range(1, len(words) + 1)]
