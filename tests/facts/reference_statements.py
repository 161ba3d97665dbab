"""The statements of the reference: `ast` -> facts."""

from __future__ import annotations

import ast
from typing import Any

from facts.reference_expressions import OPERATORS, Expressions, dotted, prefixes
from roadworthy.facts import schema as s


class Statements(Expressions):
    """One method for each kind of statement."""

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
            keys = [key for key in getattr(n, "keys", []) if dotted(key) is not None]
            found += [(key.lineno, key.col_offset, 0, dotted(key)) for key in keys]
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
