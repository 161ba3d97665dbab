"""What each call does to the world by itself, by the library rows that match it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.findings.finding import Confidence
from roadworthy.knowledge.names import needs_met, when_matches
from roadworthy.knowledge.schema import Argument, CallRow
from roadworthy.knowledge.vocabulary import Effect, Repeat
from roadworthy.project import flow
from roadworthy.project.arguments import argument
from roadworthy.project.developing import only_developed
from roadworthy.project.strangers import Strangers
from roadworthy.project.values import Library, LibraryObject, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.calls import CallGraph
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, ClassInfo, Function
    from roadworthy.project.versions import Versions

_SQL_WORDS = {
    "select": Effect.SQL_READ, "with": Effect.SQL_READ, "show": Effect.SQL_READ, "explain": Effect.SQL_READ, "insert": Effect.SQL_INSERT,
    "replace": Effect.SQL_UPSERT, "merge": Effect.SQL_UPSERT, "upsert": Effect.SQL_UPSERT, "update": Effect.SQL_UPDATE,
    "delete": Effect.SQL_DELETE, "truncate": Effect.SQL_DELETE, "commit": Effect.COMMIT, "rollback": Effect.ROLLBACK,
}  # fmt: skip
_BY_STATEMENT = {
    "Insert": Effect.SQL_INSERT, "Update": Effect.SQL_UPDATE, "Delete": Effect.SQL_DELETE, "Select": Effect.SQL_READ,
    "CompoundSelect": Effect.SQL_READ, "TextClause": Effect.SQL,
}  # fmt: skip
_CONVERGES = re.compile(
    r"on\s+conflict|on\s+duplicate\s+key|insert\s+or\s+(ignore|replace)|where\s+not\s+exists", re.IGNORECASE
)
_WRITE_IN_WITH = re.compile(r"\b(insert\s+into|update|delete\s+from)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, eq=False)
class EffectAt:
    """One effect at one call."""

    effect: Effect
    site: CallSite
    name: str  # the library name that has the effect
    row: CallRow
    model: ClassInfo | None = None  # the project class it is about, for ORM calls
    sql: str = ""  # the literal SQL text, holes as `?`, where known
    confidence: Confidence = Confidence.HIGH

    @property
    def function(self) -> Function:
        """The function in which the call stands."""
        return self.site.function

    @property
    def repeat(self) -> Repeat:
        """May it be done twice?"""
        return Repeat(self.row.safe_to_repeat) if self.row.safe_to_repeat else self.effect.word.repeat

    @property
    def secondary(self) -> bool:
        """By nature not the purpose of an entry."""
        return self.row.secondary or self.effect.word.secondary

    @property
    def short_name(self) -> str:
        """The last two parts of the library name, for people."""
        return ".".join(self.name.split(".")[-2:])

    def __repr__(self) -> str:
        return f"<{self.effect.value} {self.name} {self.site.path}:{self.site.line}>"


_STRANGE = CallRow(names=(), effects=(Effect.OUTSIDE.value,))
_CONTENT = frozenset({"text", "content", "body", "read", "decode", "getvalue", "BytesIO", "StringIO"})


class Effects:
    """Direct effects of every call site."""

    def __init__(self, graph: CallGraph, knowledge: Knowledge, evaluator: Evaluator, versions: Versions | None) -> None:
        """`versions` chooses between rows that hold for different versions of a library."""
        self._graph = graph
        self._knowledge = knowledge
        self._evaluator = evaluator
        self._versions = versions
        self._rows: dict[CallSite, tuple[tuple[str, CallRow, Library], ...]] = {}
        self._strangers = Strangers(graph, knowledge, evaluator.symbols)
        self.at: dict[CallSite, tuple[EffectAt, ...]] = {}
        for site, resolution in graph.resolutions.items():
            if only_developed(site):
                continue  # what it does, it does not do in production
            found = tuple(self._effects(site)) if resolution.libraries else ()
            found = found or tuple(self._of_stranger(site))
            if found:
                self.at[site] = found

    def rows(self, site: CallSite) -> tuple[tuple[str, CallRow, Library], ...]:
        """(library name, row, resolved library value) of every row that holds for the call; the most specific per name."""
        known = self._rows.get(site)
        if known is None:
            found: list[tuple[str, CallRow, Library]] = []
            for library in self._graph.resolutions[site].libraries:
                found.extend((library.name, row, library) for row in self._applicable(library.name, site))
            known = self._rows[site] = tuple(found)
        return known

    def _applicable(self, name: str, site: CallSite) -> list[CallRow]:
        rows = [row for row in self._knowledge.calls(name) if self._holds(row, name, site) and self._asks(row, site)]
        conditional = [row for row in rows if row.when]
        return conditional or rows

    def _holds(self, row: CallRow, name: str, site: CallSite) -> bool:
        if row.version and self._versions is not None:
            library = self._knowledge.library_of(name)
            distribution = (library.distributions or (library.library,))[0] if library else ""
            if not self._versions.satisfies(distribution, row.version):
                return False
        passed = {keyword for keyword, _ in site.fact.kwargs} | {str(i) for i in range(len(site.fact.args))}
        if row.needs and "**" not in passed and not needs_met(row.needs, passed):
            return False
        return not row.when or when_matches(row.when, self._literals(site))

    def _asks(self, row: CallRow, site: CallSite) -> bool:
        """Is the object of the kind that the row speaks of, and an argument that may be the content itself an address?"""
        if row.unless_built_with:
            for library in self._graph.resolutions[site].libraries:
                made = library.receiver.site if isinstance(library.receiver, LibraryObject) else None
                given = (*made.fact.args, *(value for _, value in made.fact.kwargs)) if made is not None else ()
                if any(_last_name(expr) in row.unless_built_with for expr in given):
                    return False
        if row.only_built_with is not None and not self._is_built_with(row.only_built_with, site):
            return False
        return row.unless_text is None or not _is_content(argument(site.fact, row.unless_text), site.function)

    def _is_built_with(self, wanted: Argument, site: CallSite) -> bool:
        for library in self._graph.resolutions[site].libraries:
            made = library.receiver.site if isinstance(library.receiver, LibraryObject) else None
            given = argument(made.fact, wanted) if made is not None else None
            if given is not None and not (isinstance(given, f.Const) and not given.value):
                return True
        return False

    def _literals(self, site: CallSite) -> dict[str, str]:
        found: dict[str, str] = {}
        places = [(str(i), e) for i, e in enumerate(site.fact.args)] + list(site.fact.kwargs)
        for place, expr in places:
            values = self._evaluator.evaluate(expr, site.function, site.fact.order)
            if len(values) == 1 and isinstance(values[0], Literal):
                found[place] = str(values[0].value)
            elif len(values) == 1 and isinstance(values[0], Library) and values[0].name.rpartition(".")[2].isupper():
                found[place] = values[0].name  # a constant of a library: `zmq.NOBLOCK`
        return found

    def _effects(self, site: CallSite) -> Iterator[EffectAt]:
        seen: set[tuple[Effect, str]] = set()
        for name, row, library in self.rows(site):
            if row.lazy and self._builds_statement(name):
                continue  # the call that executes the statement has the effect
            for word in row.effects:
                effect, sql = Effect(word), ""
                if effect is Effect.SQL:
                    effect, sql = self._classify(row, site)
                if effect is Effect.SQL_UPDATE and raises_itself(site):
                    effect = Effect.SQL_INCREMENT
                if (effect, name) not in seen:
                    seen.add((effect, name))
                    yield EffectAt(effect, site, name, row, self._model(library, site), sql, self._confidence(site))

    def _of_stranger(self, site: CallSite) -> Iterator[EffectAt]:
        """A call into a library that nobody has described: it may fail, as far as names tell."""
        if not any(row.effects for _, row, _ in self._rows.get(site, ())):
            asked = self._strangers.asked(site)
            if asked is not None:
                yield EffectAt(Effect.OUTSIDE, site, asked[0], _STRANGE, confidence=asked[1])

    def _builds_statement(self, name: str) -> bool:
        made = self._knowledge.type_from_call(name) or ""
        return made.rpartition(".")[2] in _BY_STATEMENT or name.rpartition(".")[0].rpartition(".")[2] in _BY_STATEMENT

    def _confidence(self, site: CallSite) -> Confidence:
        how = self._graph.resolutions[site].how
        return {"shape": Confidence.LOW, "parameter": Confidence.MEDIUM, "argument": Confidence.MEDIUM}.get(
            how, Confidence.HIGH
        )

    def _model(self, library: Library, site: CallSite) -> ClassInfo | None:
        return self._evaluator.model_of(library, site)

    # --- SQL ----------------------------------------------------------------------------------------------------------

    def _classify(self, row: CallRow, site: CallSite) -> tuple[Effect, str]:
        """Read, insert, upsert … by the text or the statement object."""
        expr = argument(site.fact, row.payload) if row.payload else (site.fact.args[0] if site.fact.args else None)
        if expr is None:
            return Effect.SQL, ""
        text = self.sql_text(expr, site.function, site.fact.order)
        if text:
            return classify_sql(text), text
        return self._statement_effect(expr, site), ""

    def _statement_effect(self, expr: f.Expr, site: CallSite) -> Effect:
        for value in self._evaluator.evaluate(expr, site.function, site.fact.order):
            if isinstance(value, LibraryObject):
                effect = _BY_STATEMENT.get(value.type.rpartition(".")[2])
                if effect is Effect.SQL_INSERT and self._chain_converges(expr, site.function, site.fact.order):
                    return Effect.SQL_UPSERT
                if effect is Effect.SQL and value.site is not None and value.site.fact.args:
                    text = self.sql_text(value.site.fact.args[0], value.site.function, value.site.fact.order)
                    return classify_sql(text) if text else Effect.SQL
                if effect is not None:
                    return effect
        return Effect.SQL

    def _chain_converges(self, expr: f.Expr | None, scope: Function, order: int, depth: int = 0) -> bool:
        """Does a fluent chain (`insert(T).values(…).on_conflict_do_update(…)`) hold a call that makes it an upsert?"""
        if expr is None or depth > 12:
            return False
        match expr:
            case f.CallRef():
                call = scope.scope.calls[expr.index]
                names = self._graph.resolutions[scope.calls[expr.index]].libraries
                if any(Effect.SQL_UPSERT.value in row.effects for n in names for row in self._knowledge.calls(n.name)):
                    return True
                if isinstance(call.func, f.Attr) and call.func.name.startswith(("on_conflict", "on_duplicate")):
                    return True
                if isinstance(call.func, f.Attr):
                    return self._chain_converges(call.func.value, scope, order, depth + 1)
                for function in self._graph.resolutions[scope.calls[expr.index]].functions[:2]:
                    for leave in function.scope.leaves:
                        if leave.kind == "return" and self._chain_converges(
                            leave.value, function, leave.order, depth + 3
                        ):
                            return True
            case f.Name():
                for assign in scope.bindings.get(expr.id, ())[-4:]:
                    if self._chain_converges(assign.value, scope, assign.order, depth + 1):
                        return True
            case f.Await():
                return self._chain_converges(expr.value, scope, order, depth + 1)
        return False

    def sql_text(self, expr: f.Expr, scope: Function, order: int, depth: int = 0) -> str:
        """The SQL text of an expression as far as it is literal; what is not is `?`. Empty when none of it is."""
        if depth > 8:
            return ""
        match expr:
            case f.Str():
                return expr.value
            case f.FStr():
                return "".join(p.value if isinstance(p, f.Str) else "?" for p in expr.parts)
            case f.Bin(op="+") | f.Bin(op="%"):
                left = self.sql_text(expr.left, scope, order, depth + 1)
                right = self.sql_text(expr.right, scope, order, depth + 1) if expr.op == "+" else ""
                return f"{left}{right or '?'}" if left and expr.op == "+" else left
            case f.CallRef():
                return self._sql_of_call(scope.calls[expr.index], depth)
            case f.Name():
                for assign in reversed(scope.bindings.get(expr.id, ())):
                    if assign.value is not None and assign.op == "=" and assign.order < order:
                        return self.sql_text(assign.value, scope, assign.order, depth + 1)
        for value in self._evaluator.evaluate(expr, scope, order):
            if isinstance(value, Literal) and isinstance(value.value, str):
                return value.value
            if (
                isinstance(value, LibraryObject)
                and value.type.endswith("TextClause")
                and value.site
                and value.site.fact.args
            ):
                return self.sql_text(value.site.fact.args[0], value.site.function, value.site.fact.order, depth + 1)
        return ""

    def _sql_of_call(self, site: CallSite, depth: int) -> str:
        """`text("…")`, `"…".format(…)`, `sql.SQL("…")`, `dedent("…")`."""
        func = site.fact.func
        if isinstance(func, f.Attr) and func.name in {"format", "strip", "join", "bindparams"}:
            return self.sql_text(func.value, site.function, site.fact.order, depth + 1)
        if site.fact.args and _last_name(func) in {"text", "SQL", "dedent", "RawSQL", "Sql", "sql"}:
            return self.sql_text(site.fact.args[0], site.function, site.fact.order, depth + 1)
        return ""


def classify_sql(text: str) -> Effect:
    """The effect of an SQL text, by its first word and its conflict clause."""
    stripped = (
        re.sub(r"(--[^\n]*\n|/\*.*?\*/|\s|\()+", " ", text, count=1, flags=re.DOTALL).strip()
        if text[:1] in " \n-/(\t"
        else text
    )
    word = re.match(r"\W*([A-Za-z]+)", stripped)
    effect = _SQL_WORDS.get(word.group(1).lower(), Effect.SQL) if word else Effect.SQL
    if effect is Effect.SQL_READ and word is not None and word.group(1).lower() == "with":
        write = _WRITE_IN_WITH.search(text)
        effect = _SQL_WORDS[write.group(1).split()[0].lower()] if write else effect
    if effect is Effect.SQL_INSERT and _CONVERGES.search(text):
        return Effect.SQL_UPSERT
    if effect is Effect.SQL_UPDATE and re.search(r"set\s+(\w+)\s*=\s*\1\s*[+-]", text, re.IGNORECASE):
        return Effect.SQL_INCREMENT
    return effect


def raises_itself(site: CallSite) -> bool:
    """`update(balance=F("balance") + 1)`, `values(balance=Account.balance - 1)`: a column is set from itself."""
    scope = site.function.scope
    for keyword, value in site.fact.kwargs:
        if isinstance(value, f.Bin) and value.op in {"+", "-"}:
            for part in flow.walk(value):
                if isinstance(part, f.CallRef):
                    call = scope.calls[part.index]
                    if _last_name(call.func) == "F" and any(
                        isinstance(a, f.Str) and a.value == keyword for a in call.args
                    ):
                        return True
                if (
                    isinstance(part, f.Attr)
                    and part.name == keyword
                    and isinstance(part.value, f.Name)
                    and part.value.id[:1].isupper()
                ):
                    return True
    return False


def _last_name(expr: f.Expr) -> str:
    if isinstance(expr, f.Name):
        return expr.id
    return expr.name if isinstance(expr, f.Attr) else ""


def _is_content(expr: f.Expr | None, function: Function, depth: int = 0) -> bool:
    """`response.text`, `await response.read()`, `BytesIO(…)`: what was fetched before."""
    match expr:
        case f.Await(value=inner):
            return _is_content(inner, function, depth)
        case f.Attr(name=name):
            return name in _CONTENT
        case f.CallRef(index=index):
            return _last_name(function.scope.calls[index].func) in _CONTENT
        case f.Name(id=name) if depth < 2:
            assigns = function.bindings.get(name, ())
            return bool(assigns) and all(_is_content(assign.value, function, depth + 1) for assign in assigns)
    return False


def external(effect: EffectAt) -> bool:
    """Does it leave the process?"""
    return effect.effect.word.external


def text_of_call(site: CallSite) -> str:
    """The callee as written."""
    return flow.text_of(site.fact.func, site.function.scope)
