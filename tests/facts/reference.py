"""The facts of a module once more, from the standard library's `ast`: slow and plain, to hold the extractor to.

Only for files that `ast` parses and that are not nested deeply. Comments are left out.
"""

from __future__ import annotations

import ast
from collections import deque
from typing import Any

from roadworthy.facts import schema as s

OPERATORS = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%", ast.Pow: "**",
    ast.MatMult: "@", ast.LShift: "<<", ast.RShift: ">>", ast.BitOr: "|", ast.BitAnd: "&", ast.BitXor: "^",
    ast.Not: "not", ast.USub: "-", ast.UAdd: "+", ast.Invert: "~", ast.And: "and", ast.Or: "or",
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Is: "is",
    ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip


def reference(path: str, source: str) -> s.FileFacts:
    """The facts of a module without comments and problems."""
    return _File(source).facts(path)


class _File:
    def __init__(self, source: str) -> None:
        self.source = source
        self.scopes: list[s.Scope | None] = [None]
        self.queue: deque[tuple[Any, ...]] = deque()

    def facts(self, path: str) -> s.FileFacts:
        lines = self.source.count("\n") + (not self.source.endswith("\n") and bool(self.source))
        _Scope(self, 0, "<module>").module(ast.parse(self.source), max(1, lines))
        while self.queue:
            scope, *rest = self.queue.popleft()
            scope.definition(*rest)
        return s.FileFacts(path, lines, tuple(x for x in self.scopes if x is not None), (), ())


class _Scope:
    def __init__(self, file: _File, index: int, qualname: str) -> None:
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

    # --- scopes

    def module(self, tree: ast.Module, lines: int) -> None:
        self.enter()
        exits, only_pass = self.block(tree.body)
        self.leave(0, "body", (1, lines), 0, exits, only_pass)
        self.close(-1, "module", "<module>", (1, lines, 0), False, (), (), (), (), (), None, doc(tree), 0, 0)

    def definition(self, parent: int, node: Any, order: int, region: int, head: tuple[Any, ...]) -> None:
        lines = node.lineno, node.end_lineno
        self.enter()
        if isinstance(node, ast.Lambda):
            value = self.expr(node.body, "returned")
            self.leaves.append(s.Leave("return", self.tick(), 0, node.lineno, value))
            exits, only_pass, kind, text = "return", False, "lambda", ""
        else:
            exits, only_pass = self.block(node.body)
            kind, text = "class" if isinstance(node, ast.ClassDef) else "function", doc(node)
        self.leave(0, "body", lines, 0, exits, only_pass)
        is_async = isinstance(node, ast.AsyncFunctionDef)
        name = getattr(node, "name", "<lambda>")
        place = (*lines, node.col_offset)
        self.close(parent, kind, name, place, is_async, *head, text, region, order)

    def close(
        self, parent: int, kind: str, name: str, place: tuple[int, int, int], is_async: bool, decorators: Any, lines: Any,
        bases: Any, keywords: Any, params: Any, returns: Any, text: str, region: int, order: int,
    ) -> None:  # fmt: skip
        self.file.scopes[self.index] = s.Scope(
            self.index, parent, kind, name, self.qualname, *place, is_async, self.is_generator, decorators, lines, bases,
            keywords, params, returns, text, region, order, tuple(self.regions), tuple(self.calls), tuple(self.assigns),
            tuple(self.leaves), tuple(self.tests), tuple(self.imports), tuple(self.globals), self.reads,
        )  # fmt: skip

    def define(self, node: Any, decorators: tuple[Any, ...] = ()) -> int:
        lines: tuple[int, ...] = tuple(d.lineno for d in getattr(node, "decorator_list", ()))
        bases: Any = ()
        keywords: Any = ()
        params: Any = ()
        returns = None
        if isinstance(node, ast.ClassDef):
            items = sorted([*node.bases, *node.keywords], key=lambda n: (n.lineno, n.col_offset))
            bases, keywords = self.arguments(items, "stored", -1)
        else:
            params = self.params(node.args)
            returns = self.annotation(getattr(node, "returns", None))
        name = getattr(node, "name", "<lambda>")
        index = len(self.file.scopes)
        self.file.scopes.append(None)
        qualname = f"{self.qualname}.{name}" if self.index else name
        inner = _Scope(self.file, index, qualname)
        head = (decorators, lines, bases, keywords, params, returns)
        self.file.queue.append((inner, self.index, node, self.tick(), self.region, head))
        return index

    def params(self, args: ast.arguments) -> tuple[s.Param, ...]:
        positional = [*args.posonlyargs, *args.args]
        missing: list[Any] = [None] * (len(positional) - len(args.defaults))
        rows: list[tuple[Any, str, Any]] = [
            (a, "positional", d) for a, d in zip(positional, missing + args.defaults, strict=True)
        ]
        if args.vararg:
            rows.append((args.vararg, "args", None))
        rows += [(a, "keyword", d) for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
        if args.kwarg:
            rows.append((args.kwarg, "kwargs", None))
        return tuple(
            s.Param(a.arg, kind, self.annotation(a.annotation), None if d is None else self.expr(d, "default"))
            for a, kind, d in rows
        )

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

    # --- statements

    def block(self, body: list[ast.stmt]) -> tuple[str, bool]:
        exits, only_pass = "", True
        for node in body:
            silent = isinstance(node, ast.Pass) or (
                isinstance(node, ast.Expr)
                and (
                    (isinstance(node.value, ast.Constant) and isinstance(node.value.value, str | bytes))
                    or is_plain(node.value)
                    or (isinstance(node.value, ast.Constant) and node.value.value is ...)
                )
            )
            out = getattr(self, "s_" + type(node).__name__)(node) or ""
            if not silent:
                only_pass = False
                exits = exits or out
        return exits, only_pass

    def s_Pass(self, node: Any) -> None: ...

    def s_Expr(self, node: Any) -> str:
        value = self.expr(node.value, "discarded")
        inner = value.value if isinstance(value, s.Await) else value
        if not isinstance(inner, s.CallRef | s.Str | s.Const | s.Yield | s.Walrus):
            self.tests.append(s.Test("expr", self.tick(), self.region, node.lineno, value))
        is_exit = isinstance(node.value, ast.Call) and ast.unparse(node.value.func) in (
            "exit", "quit", "sys.exit", "os._exit",
        )  # fmt: skip
        return "raise" if is_exit else ""

    def bind(self, node: Any, target: Any, value: Any, op: str, annotation: Any = None) -> None:
        to = self.target(target) if op not in ("aug",) else target
        self.assigns.append(
            s.Assign(self.tick(), self.region, node.lineno, node.end_lineno, to, value, op, annotation)
        )  # fmt: skip

    def s_Assign(self, node: Any) -> None:
        value = self.expr(node.value, "assigned")
        for target in node.targets:
            self.bind(node, target, value, "=")

    def s_AnnAssign(self, node: Any) -> None:
        value = None if node.value is None else self.expr(node.value, "assigned")
        self.bind(node, node.target, value, "=", self.annotation(node.annotation))

    def s_AugAssign(self, node: Any) -> None:
        to = self.expr(node.target, "stored")
        value = self.expr(node.value, "assigned")
        op = OPERATORS[type(node.op)] + "="
        self.assigns.append(s.Assign(self.tick(), self.region, node.lineno, node.end_lineno, to, value, op))

    def s_Return(self, node: Any) -> str:
        value = None if node.value is None else self.expr(node.value, "returned")
        self.leaves.append(s.Leave("return", self.tick(), self.region, node.lineno, value))
        return "return"

    def s_Raise(self, node: Any) -> str:
        value = None if node.exc is None else self.expr(node.exc, "raised")
        cause = None if node.cause is None else self.expr(node.cause, "raised")
        self.leaves.append(s.Leave("raise", self.tick(), self.region, node.lineno, value, cause))
        return "raise"

    def s_Break(self, node: Any) -> str:
        self.leaves.append(s.Leave("break", self.tick(), self.region, node.lineno))
        return "break"

    def s_Continue(self, node: Any) -> str:
        self.leaves.append(s.Leave("continue", self.tick(), self.region, node.lineno))
        return "continue"

    def s_Assert(self, node: Any) -> None:
        value = self.expr(node.test, "condition")
        if node.msg is not None:
            self.expr(node.msg, "stored")
        self.tests.append(s.Test("assert", self.tick(), self.region, node.lineno, value))

    def s_Delete(self, node: Any) -> None:
        for target in node.targets:
            value = self.target(target)
            self.tests.append(s.Test("delete", self.tick(), self.region, node.lineno, value))

    def s_Global(self, node: Any) -> None:
        self.globals += [n for n in dict.fromkeys(node.names) if n not in self.globals]

    s_Nonlocal = s_Global

    def s_Import(self, node: Any) -> None:
        for alias in node.names:
            self.imported(node, alias.name, 0, None, alias.asname)

    def s_ImportFrom(self, node: Any) -> None:
        for alias in node.names:
            self.imported(node, node.module or "", node.level, alias.name, alias.asname)

    def imported(self, node: Any, module: str, level: int, name: str | None, asname: str | None) -> None:
        self.imports.append(
            s.Import(self.tick(), node.lineno, module, level, name, asname, self.checking, self.trying)
        )  # fmt: skip

    def s_FunctionDef(self, node: Any) -> None:
        self.define(node, tuple(self.expr(d, "decorator") for d in node.decorator_list))

    s_AsyncFunctionDef = s_FunctionDef
    s_ClassDef = s_FunctionDef

    # --- compound statements

    def s_If(self, node: Any) -> str:
        test = self.expr(node.test, "condition")
        was, self.checking = self.checking, self.checking or ast.unparse(node.test).endswith("TYPE_CHECKING")
        group = self.enter()
        exits, only_pass = self.block(node.body)
        self.leave(group, "if", (node.lineno, last(node.body)), group, exits, only_pass, test=test)
        self.checking = was
        if not node.orelse:
            return ""
        index = self.enter()
        other, only_pass = self.block(node.orelse)
        self.leave(index, "else", (0, last(node.orelse)), group, other, only_pass)
        return join(exits, other)

    def s_For(self, node: Any) -> str:
        test = self.expr(node.iter, "iterated")
        group = self.enter()
        to = self.target(node.target)
        self.assigns.append(
            s.Assign(self.tick(), self.region, node.target.lineno, node.iter.end_lineno, to, test, "for")
        )  # fmt: skip
        exits, only_pass = self.block(node.body)
        is_async = isinstance(node, ast.AsyncFor)
        self.leave(
            group, "for", (node.lineno, last(node.body)), group, exits, only_pass, test=test, target=to, is_async=is_async
        )  # fmt: skip
        otherwise = self.plain("loop_else", node.orelse, group)
        return "" if breaks(node.body) else otherwise

    s_AsyncFor = s_For

    def s_While(self, node: Any) -> str:
        group = self.enter()
        test = self.expr(node.test, "condition")
        first = len(self.leaves)
        exits, only_pass = self.block(node.body)
        ways = {leave.kind for leave in self.leaves[first:]} & {"return", "raise"}
        self.leave(group, "while", (node.lineno, last(node.body)), group, exits, only_pass, test=test)
        otherwise = self.plain("loop_else", node.orelse, group)
        if breaks(node.body):
            return ""
        if isinstance(node.test, ast.Constant) and node.test.value and not isinstance(node.test.value, str | bytes):
            return "mixed" if len(ways) > 1 else min(ways, default="raise")
        return otherwise

    def plain(self, kind: str, body: list[ast.stmt], group: int) -> str:
        if not body:
            return ""
        index = self.enter()
        exits, only_pass = self.block(body)
        self.leave(index, kind, (0, last(body)), group, exits, only_pass)
        return exits

    def s_Try(self, node: Any) -> str:
        was, self.trying = self.trying, True
        group = self.enter()
        main, only_pass = self.block(node.body)
        self.leave(group, "try", (node.lineno, last(node.body)), group, main, only_pass)
        handlers = [self.handler(h, group) for h in node.handlers]
        otherwise = self.plain("try_else", node.orelse, group)
        final = self.plain("finally", node.finalbody, group)
        self.trying = was
        result = main or otherwise
        for exits in handlers:
            result = join(result, exits)
        return final or result

    s_TryStar = s_Try

    def handler(self, node: Any, group: int) -> str:
        index = self.enter()
        types: tuple[Any, ...] = ()
        if node.type is not None:
            caught = self.expr(node.type, "stored")
            types = caught.items if isinstance(caught, s.Seq) else (caught,)
        to = None if node.name is None else s.Name(node.name)
        if to is not None:
            caught = s.Seq("tuple", types)
            self.assigns.append(s.Assign(self.tick(), index, node.lineno, node.lineno, to, caught, "except"))
        exits, only_pass = self.block(node.body)
        self.leave(index, "except", (node.lineno, last(node.body)), group, exits, only_pass, types=types, target=to)
        return exits

    def s_With(self, node: Any) -> str:
        items = []
        for item in node.items:
            context = self.expr(item.context_expr, "context")
            to = None
            if item.optional_vars is not None:
                to = self.target(item.optional_vars)
                lines = item.context_expr.lineno, item.optional_vars.end_lineno
                self.assigns.append(s.Assign(self.tick(), self.region, *lines, to, context, "with"))
            items.append((context, to))
        group = self.enter()
        exits, only_pass = self.block(node.body)
        is_async = isinstance(node, ast.AsyncWith)
        lines = node.lineno, last(node.body)
        self.leave(group, "with", lines, group, exits, only_pass, items=tuple(items), is_async=is_async)
        calls = [ast.unparse(i.context_expr.func) for i in node.items if isinstance(i.context_expr, ast.Call)]
        return "" if any(c.split(".")[-1] == "suppress" for c in calls) else exits

    s_AsyncWith = s_With

    def s_Match(self, node: Any) -> str:
        subject = self.expr(node.subject, "condition")
        group = len(self.regions)
        outcomes, complete = [], False
        for case in node.cases:
            index = self.enter()
            self.pattern(case.pattern)
            if case.guard is not None:
                self.expr(case.guard, "condition")
            exits, only_pass = self.block(case.body)
            lines = case.pattern.lineno, last(case.body)
            self.leave(index, "case", lines, group, exits, only_pass, test=subject, target=s.Other("pattern"))
            outcomes.append(exits)
            catch_all = isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None
            complete = complete or (catch_all and case.guard is None)
        result = outcomes[0]
        for exits in outcomes[1:]:
            result = join(result, exits)
        return result if complete else ""

    def pattern(self, node: Any) -> None:
        found = []
        for n in ast.walk(node):
            if isinstance(n, ast.MatchValue | ast.MatchClass):
                value = n.value if isinstance(n, ast.MatchValue) else n.cls
                name = dotted(value)
                if name is not None:
                    found.append((value.lineno, value.col_offset, 0, name))
            name = getattr(n, "rest", None) if isinstance(n, ast.MatchMapping) else getattr(n, "name", None)
            if name is not None:
                place = (n.lineno, n.col_offset)
                if isinstance(n, ast.MatchMapping) or getattr(n, "pattern", None) is not None:
                    place = (n.end_lineno, n.end_col_offset)
                found.append((*place, 1, name))
        for line, _, is_binding, name in sorted(found):
            if is_binding:
                self.assigns.append(
                    s.Assign(self.tick(), self.region, line, line, s.Name(name), s.Other("pattern"), "case")
                )  # fmt: skip
            else:
                self.read(*prefixes(name))

    # --- expressions

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
        text = ast.get_source_segment(self.file.source, node) or ""
        if not self.types or "\\" in text or text[:1] not in ("'", '"') or not value.strip() or "\n" in value:
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
        opened = []
        for clause in node.generators:
            test = self.expr(clause.iter, "iterated", outer)
            index = self.enter()
            to = self.target(clause.target)
            self.assigns.append(
                s.Assign(self.tick(), index, clause.target.lineno, clause.iter.end_lineno, to, test, "for")
            )  # fmt: skip
            opened.append((index, test, to, bool(clause.is_async)))
            for condition in clause.ifs:
                self.expr(condition, "condition", outer)
        key = self.expr(node.key, "stored", outer) if kind == "dict" else None
        element = self.expr(node.value if kind == "dict" else node.elt, "stored", outer)
        for index, test, to, is_async in reversed(opened):
            lines = node.lineno, node.end_lineno
            self.leave(index, "comprehension", lines, index, "", False, test=test, target=to, is_async=is_async)
        return s.Comp(kind, opened[0][0], element, key)

    def e_ListComp(self, node: Any, use: str, outer: int) -> Any:
        return self.comp("list", node, outer)

    def e_SetComp(self, node: Any, use: str, outer: int) -> Any:
        return self.comp("set", node, outer)

    def e_DictComp(self, node: Any, use: str, outer: int) -> Any:
        return self.comp("dict", node, outer)

    def e_GeneratorExp(self, node: Any, use: str, outer: int) -> Any:
        return self.comp("generator", node, outer)


def join(first: str, second: str) -> str:
    return "" if not first or not second else first if first == second else "mixed"


def last(body: list[ast.stmt]) -> int:
    return body[-1].end_lineno or 0


def breaks(body: list[ast.stmt]) -> bool:
    """Whether a `break` in the block leaves the loop around it."""
    for node in body:
        if isinstance(node, ast.Break):
            return True
        if isinstance(node, ast.For | ast.AsyncFor | ast.While):
            if breaks(node.orelse):
                return True
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = [c for f in ("body", "orelse", "finalbody") for c in getattr(node, f, [])]
            inner += [c for h in getattr(node, "handlers", []) + getattr(node, "cases", []) for c in h.body]
            if breaks(inner):
                return True
    return False


def is_plain(node: Any) -> bool:
    """Whether an f-string is none."""
    return isinstance(node, ast.JoinedStr) and all(isinstance(v, ast.Constant) for v in node.values)


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


def doc(node: Any) -> str:
    text = ast.get_docstring(node, clean=False)
    if text is None:
        return ""
    text = "\n".join(line.strip() for line in text.strip()[:600].splitlines())
    return text.partition("\n\n")[0][:300].strip()
