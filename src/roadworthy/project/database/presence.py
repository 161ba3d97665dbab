"""Under which branches of a function nothing was found by a given call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project import flow

if TYPE_CHECKING:
    from roadworthy.project.symbols import CallSite, Function

_ABSENT_ERRORS = ("doesnotexist", "noresultfound", "notfound", "objectdoesnotexist", "nosuch", "missing", "unknown")
_COUNTING = frozenset({"len", "bool", "any", "list", "set", "tuple", "next", "first", "count", "scalar", "scalars", "exists", "all", "one_or_none",
                       "scalar_one_or_none", "fetchone", "fetchall", "unique", "get", "one", "aexists", "afirst", "acount"})  # fmt: skip
_COLLECTING = frozenset(
    {"list", "set", "tuple", "sorted", "frozenset", "reversed", "enumerate", "dict", "chunked", "batched"}
)
_ABORTS = frozenset({"abort"})
_GATHERS = frozenset({"append", "add", "extend"})
_EMPTY = (0, None, False)
_LEAVES = frozenset({"return", "raise", "continue", "break", "mixed"})


class Presence:
    """Follows the result of one call through names and conditions of its function."""

    def __init__(self, function: Function, site: CallSite) -> None:
        """Names that hold the result, with +1 where a true value means that something was found and -1 where it means the opposite."""
        self._function = function
        self._scope = function.scope
        self._site = site
        self.by_membership = False
        self.mapped: tuple[str, ...] | None = (
            None  # attributes by which the rows were put into a mapping or set; () unreadable
        )
        self._names: dict[str, int] = {}
        self._lacking: set[str] = set()  # names that hold what was not found
        for _ in range(2):
            for assign in self._scope.assigns:
                if assign.value is None or assign.order < site.fact.order or assign.op not in {"=", ":="}:
                    continue
                sign = self.sign(assign.value)
                if isinstance(assign.target, f.Name) and self._is_lack(assign.value):
                    self._lacking.add(assign.target.id)
                elif sign and isinstance(assign.target, f.Name):
                    self._names.setdefault(assign.target.id, sign)
                elif sign and isinstance(assign.target, f.Seq) and isinstance(assign.value, f.CallRef | f.Await):
                    self._names.update({item.id: sign for item in assign.target.items[:1] if isinstance(item, f.Name)})

    @property
    def names(self) -> tuple[str, ...]:
        """Names that hold the result."""
        return tuple(self._names)

    # --- values -------------------------------------------------------------------------------------------------------

    def sign(self, expr: f.Expr | None, depth: int = 0) -> int:
        """+1: true means found; -1: true means not found; 0: says nothing."""
        if expr is None or depth > 10:
            return 0
        match expr:
            case f.Name():
                return self._names.get(expr.id, 0)
            case f.CallRef():
                return self._sign_of_call(expr.index, depth)
            case f.Await() | f.Walrus() | f.Star():
                return self.sign(expr.value, depth + 1)
            case f.Unary(op="not"):
                return -self.sign(expr.value, depth + 1)
            case f.Compare(left=left, ops=(op,), rights=(right,)):
                return self._sign_of_comparison(left, op, right, depth)
            case f.BoolOp():
                signs = [self.sign(item, depth + 1) for item in expr.items]
                wanted = 1 if expr.op == "and" else -1
                return wanted if wanted in signs else next((s for s in signs if s), 0)
            case f.Comp():
                region = self._scope.regions[expr.region]
                if self.sign(region.test, depth + 1) != 1:
                    return 0
                if expr.kind in {"dict", "set", "list"}:
                    self.mapped = _attributes(expr.key if expr.kind == "dict" else expr.element)
                return 1
            case f.Sub() | f.IfExp():
                inner = expr.value if isinstance(expr, f.Sub) else expr.test
                return self.sign(inner, depth + 1)
        return 0

    def _sign_of_call(self, index: int, depth: int) -> int:
        if index == self._site.index:
            return 1
        call = self._scope.calls[index]
        func = call.func
        if isinstance(func, f.Attr):
            inner = self.sign(func.value, depth + 1)
            if inner:
                return inner
            name = func.name
        else:
            name = func.id if isinstance(func, f.Name) else ""
        if name in _COUNTING and call.args:
            return self.sign(call.args[0], depth + 1)
        if name == "map" and len(call.args) > 1:
            return self.sign(call.args[1], depth + 1)
        return 0

    def _sign_of_comparison(self, left: f.Expr, op: str, right: f.Expr, depth: int) -> int:
        if op in {"in", "not in"}:
            inner = self.sign(right, depth + 1)
            if inner == 1:
                self.by_membership = True
                return 1 if op == "in" else -1
            return 0
        inner = self.sign(left, depth + 1)
        if not inner or not isinstance(right, f.Const):
            return 0
        if op in {"is", "=="} and (right.value in _EMPTY and right.kind != "ellipsis"):
            return -inner
        if op in {"is not", "!="} and right.value in _EMPTY:
            return inner
        if (op == ">" and right.value == 0) or (op == ">=" and right.value == 1):
            return inner
        if (op == "<" and right.value == 1) or (op == "<=" and right.value == 0):
            return -inner
        return inner if op in {"is", "=="} and right.value is True else 0

    def depends(self, expr: f.Expr | None, depth: int = 0) -> bool:
        """Does the call's result, or a name that holds it, occur in an expression?"""
        if expr is None or depth > 6:
            return False
        for part in flow.walk(expr):
            if isinstance(part, f.Name) and part.id in self._names:
                return True
            if isinstance(part, f.CallRef):
                if part.index == self._site.index:
                    return True
                call = self._scope.calls[part.index]
                inner = (call.func, *call.args, *(value for _, value in call.kwargs))
                if any(self.depends(e, depth + 1) for e in inner):
                    return True
        return False

    # --- what is missing ----------------------------------------------------------------------------------------------

    def _is_lack(self, expr: f.Expr | None, depth: int = 0) -> bool:
        """`wanted - found`, `wanted.difference(found)`, `[x for x in wanted if x not in found]`, and what is made of these."""
        match expr:
            case None:
                return False
            case _ if depth > 6:
                return False
            case f.Name():
                return expr.id in self._lacking
            case f.Walrus() | f.Await() | f.Star():
                return self._is_lack(expr.value, depth + 1)
            case f.Bin(op="-", left=left, right=right):
                return self._is_member_of(right) or self._is_lack(left, depth + 1)
            case f.Comp():
                tests = any(self._tells_lack(test, depth) for test in expr.tests)
                return tests or self._is_lack(self._scope.regions[expr.region].test, depth + 1)
            case f.CallRef():
                call = self._scope.calls[expr.index]
                if isinstance(call.func, f.Attr) and call.func.name == "difference":
                    return any(self._is_member_of(arg) for arg in call.args)
                return flow.last_name(call.func) in _COLLECTING and any(
                    self._is_lack(arg, depth + 1) for arg in call.args[:1]
                )
        return False

    def _is_member_of(self, expr: f.Expr) -> bool:
        """Is what was found taken away from something?"""
        found = not isinstance(expr, f.Const) and self.sign(expr) == 1
        self.by_membership = self.by_membership or found
        return found

    def _tells_lack(self, test: f.Expr, depth: int) -> bool:
        """`x not in found`, `x in missing`: a condition under which an item is kept."""
        if isinstance(test, f.Compare) and test.ops == ("in",) and self._is_lack(test.rights[0], depth + 1):
            return True
        before, self.by_membership = self.by_membership, False
        lack = self.sign(test) == -1 and self.by_membership and not self._is_mixed(test)
        self.by_membership = before or lack
        return lack

    def _is_fetched_lack(self, iterable: f.Expr | None) -> bool:
        """What a loop runs over: what is missing, or what something gives for all of it (`client.fetch(missing)`)."""
        if isinstance(iterable, f.CallRef) and flow.last_name(self._scope.calls[iterable.index].func) != "range":
            return self._is_lack(iterable) or any(self._is_lack(arg) for arg in self._scope.calls[iterable.index].args)
        return self._is_lack(iterable)

    def _by_lack(self, other: CallSite) -> str | None:
        """Is a call made for each thing that is missing, or given all of them?"""
        scope = self._scope
        for index in flow.ancestors(scope, other.fact.region):
            region = scope.regions[index]
            if region.kind in {"for", "comprehension"} and self._is_fetched_lack(region.test):
                return "use"
        given = (*other.fact.args, *(value for _, value in other.fact.kwargs))
        if any(self._is_lack(part) for expr in given for part in flow.walk(expr)):
            return "use"
        named = {part.id for expr in given for part in flow.walk(expr) if isinstance(part, f.Name)}
        return "use" if any(self._gathers_lack(name, other) for name in named) else None

    def _gathers_lack(self, name: str, before: CallSite) -> bool:
        """A list that only takes what was not found: `if number not in found: rows.append(Row(number))`."""
        gathering = [
            site
            for site in self._function.calls
            if site.fact.order < before.fact.order
            and isinstance(site.fact.func, f.Attr)
            and site.fact.func.name in _GATHERS
            and isinstance(site.fact.func.value, f.Name)
            and site.fact.func.value.id == name
        ]
        was, self.by_membership = self.by_membership, False
        lack = bool(gathering) and all(self._by_branches(site) or self._by_loop(site) for site in gathering)
        lack = lack and self.by_membership
        self.by_membership = was or lack
        return lack

    def _by_loop(self, other: CallSite) -> bool:
        regions = (self._scope.regions[index] for index in flow.ancestors(self._scope, other.fact.region))
        found = any(region.kind == "for" and self._is_fetched_lack(region.test) for region in regions)
        self.by_membership = self.by_membership or found
        return found

    # --- branches -----------------------------------------------------------------------------------------------------

    def absent_at(self, other: CallSite) -> str | None:
        """Does another call run only where nothing was found? "reject" when finding something is an error, else "use"."""
        found = self._by_branches(other) or self._by_handler(other) or self._by_expression(other)
        return found or self._by_lack(other)

    def _by_branches(self, other: CallSite) -> str | None:
        scope = self._scope
        for index, region in enumerate(scope.regions):
            if region.kind != "if" or region.test is None or region.end < self._site.fact.order:
                continue
            sign = self.sign(region.test)
            if not sign or self._is_mixed(region.test):
                continue
            found = self._by_branch(index, region, sign, other)
            if found is not None:
                return found
        return None

    def _is_mixed(self, test: f.Expr) -> bool:
        """`if row and row.active:` says nothing of absence where it is false, `if not row or stale:` nothing where it is true."""
        if isinstance(test, f.Unary):
            return test.op == "not" and self._is_mixed(test.value)
        if not isinstance(test, f.BoolOp) or not self.sign(test):
            return False
        return (test.op == "and") == (self.sign(test) > 0)

    def _by_branch(self, index: int, region: f.Region, sign: int, other: CallSite) -> str | None:
        scope = self._scope
        here = other.fact.region
        orelse = next((r for r in flow.siblings(scope, index) if scope.regions[r].kind == "else"), None)
        if sign < 0:
            if not flow.within(scope, here, index):
                return None
            after = scope.regions[orelse].exits if orelse is not None else ""
            return "reject" if after == "raise" else "use"
        if orelse is not None and flow.within(scope, here, orelse):
            return "reject" if self._exit_of(index) == "raise" else "use"
        exits = self._exit_of(index)
        if exits in _LEAVES and other.fact.order >= region.end and flow.within(scope, here, region.parent):
            return "reject" if exits == "raise" else "use"
        return None

    def excluded(self, index: int, sign: int, other: CallSite) -> str | None:
        """Does another call run only where a branch, taken when its test holds (+1) or fails (-1) for what was read, is not?"""
        return self._by_branch(index, self._scope.regions[index], sign, other)

    def _exit_of(self, index: int) -> str:
        """How control leaves a block; `abort(409)` of a web framework raises."""
        exits = self._scope.regions[index].exits
        aborts = (c for c in self._scope.calls if c.region == index and c.use == "discarded")
        return exits or ("raise" if any(flow.last_name(call.func) in _ABORTS for call in aborts) else "")

    def _by_handler(self, other: CallSite) -> str | None:
        """`try: …get() … except DoesNotExist: …create()`, and what follows a `try` that leaves when something was found."""
        scope = self._scope
        for tried, handlers in flow.try_regions(scope, self._site.fact.region):
            absent = [h for h in handlers if self._means_absent(scope.regions[h])]
            if any(flow.within(scope, other.fact.region, h) for h in absent):
                return "use"
            if not absent:
                continue
            leaves = scope.regions[tried].exits
            orelse = flow.sibling_of_kind(scope, tried, "try_else")
            if leaves not in _LEAVES and orelse is not None:
                leaves = scope.regions[orelse].exits
            goes_on = all(scope.regions[h].exits == "" for h in absent)
            if (
                leaves in _LEAVES
                and goes_on
                and other.fact.order >= scope.regions[tried].end
                and flow.within(scope, other.fact.region, scope.regions[tried].parent)
            ):
                return "reject" if leaves == "raise" else "use"
        return None

    def absent_in(self, handler: int) -> bool:
        """Is a handler, by its number, the one of a `try` around the call, for a row that is not there?"""
        tried = flow.try_regions(self._scope, self._site.fact.region)
        return any(handler in handlers for _, handlers in tried) and self._means_absent(self._scope.regions[handler])

    def _means_absent(self, region: f.Region) -> bool:
        names = [flow.text_of(t, self._scope).rpartition(".")[2].lower() for t in region.types]
        return any(word in name for name in names for word in _ABSENT_ERRORS)

    def _by_expression(self, other: CallSite) -> str | None:
        """`row = find() or create()`."""
        exprs = [a.value for a in self._scope.assigns if a.value] + [e.value for e in self._scope.leaves if e.value]
        for expr in exprs:
            chosen = (
                expr.items[1:]
                if isinstance(expr, f.BoolOp) and expr.op == "or" and self.sign(expr.items[0]) == 1
                else ()
            )
            if any(_contains(item, other.index, self._scope) for item in chosen):
                return "use"
            if isinstance(expr, f.IfExp):
                sign = self.sign(expr.test)
                branch = expr.orelse if sign > 0 else expr.body if sign < 0 else None
                if branch is not None and _contains(branch, other.index, self._scope):
                    return "use"
        return None


def _attributes(expr: f.Expr | None) -> tuple[str, ...]:
    """`row.number`, `(row.shop_id, row.number)`; a row itself says nothing."""
    match expr:
        case f.Attr(name=name, value=f.Name()):
            return (name,)
        case f.Seq(items=items):
            found = tuple(name for item in items for name in _attributes(item))
            return found if len(found) == len(items) else ()
    return ()


def _contains(expr: f.Expr, index: int, scope: f.Scope, depth: int = 0) -> bool:
    for part in flow.walk(expr):
        if isinstance(part, f.CallRef):
            if part.index == index:
                return True
            if depth < 4:
                call = scope.calls[part.index]
                if any(
                    _contains(e, index, scope, depth + 1) for e in (call.func, *call.args, *(v for _, v in call.kwargs))
                ):
                    return True
    return False
