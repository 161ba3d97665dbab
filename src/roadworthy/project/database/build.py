"""Models, migrations, table calls and SQL files put together into one schema."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts import schema as f
from roadworthy.project.database.apps import Apps
from roadworthy.project.database.draft import TableDraft, finished
from roadworthy.project.database.migrations import Chain
from roadworthy.project.database.models import ModelReader
from roadworthy.project.database.operations import Operations, Tables, add_parts
from roadworthy.project.database.reading import Reader
from roadworthy.project.database.statements import Statements
from roadworthy.project.database.tables import MIGRATION, MODEL, SQL, Place, Schema, plain_name
from roadworthy.project.values import ClassValue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadworthy.facts.schema import AuxFacts
    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.calls import CallGraph
    from roadworthy.project.database.models import Declared
    from roadworthy.project.effects import Effects
    from roadworthy.project.evaluate import Evaluator
    from roadworthy.project.symbols import CallSite, ClassInfo, Symbols

_NUMBER = re.compile(r"\d+")
_DDL = re.compile(r"\s*(create|alter|drop)\s", re.IGNORECASE)


def build_schema(
    symbols: Symbols,
    graph: CallGraph,
    knowledge: Knowledge,
    evaluator: Evaluator,
    effects: Effects,
    around: Sequence[AuxFacts],
) -> Schema:
    """The schema of the project; empty when nothing declares one."""
    reader = Reader(graph, knowledge, evaluator)
    apps = Apps(symbols)
    declared = ModelReader(symbols, reader, apps).read()
    _add_table_calls(reader, apps, declared)
    _add_outside_keys(reader, apps, declared)
    tables = Tables()
    statements = Statements(tables)
    Chain(reader, apps, Operations(reader, tables, statements.run), statements, effects).run()
    beside = Tables()
    beside_statements = Statements(beside)
    _run_sql_files(around, beside_statements)
    _run_embedded(effects, apps, beside_statements)
    from_sql = _added(tables, beside)
    return _combined(declared, tables, from_sql)


def _add_table_calls(reader: Reader, apps: Apps, declared: Declared) -> None:
    """`orders = Table("orders", metadata, Column(…), …)`, also as `__table__` of a class."""
    by_name = {plain_name(draft.name): draft for draft in declared.drafts}
    for site in reader.graph.resolutions:
        found = reader.declared(site, "table")
        if found is None or apps.is_migration(site.function.module) or not site.fact.args:
            continue
        for name in reader.strings(site.fact.args[0], site.function)[:1]:
            draft = by_name.get(plain_name(name))
            if draft is None:
                draft = by_name[plain_name(name)] = TableDraft(
                    name, Place(site.path, site.line, site.fact.end_line, MODEL)
                )
                declared.drafts.append(draft)
            draft.complete = True
            add_parts(reader, site, draft, MODEL)


def _add_outside_keys(reader: Reader, apps: Apps, declared: Declared) -> None:
    """`Index("one", Order.number, unique=True)` after the class."""
    inside = {id(draft.model) for draft in declared.drafts if draft.model is not None}
    for site in reader.graph.resolutions:
        if site.function.kind != "module":
            continue
        found = reader.declared(site, "index", "unique")
        if found is None or apps.is_migration(site.function.module):
            continue
        owner = _owner(reader, site)
        if owner is None or id(owner) not in inside or owner not in declared.by_model:
            continue
        key = reader.key(found, MODEL)
        if key is not None:
            declared.by_model[owner].add_key(key)


def _owner(reader: Reader, site: CallSite) -> ClassInfo | None:
    """The model class whose attributes the arguments are."""
    for expr in site.fact.args:
        if isinstance(expr, f.CallRef) and site.function.scope.calls[expr.index].args:
            expr = site.function.scope.calls[expr.index].args[0]
        if isinstance(expr, f.Attr):
            for value in reader.evaluator.evaluate(expr.value, site.function, site.fact.order):
                if isinstance(value, ClassValue):
                    return value.cls
    return None


def _run_sql_files(around: Sequence[AuxFacts], statements: Statements) -> None:
    """Statements of `.sql` files in the natural order of their paths."""
    for file in sorted((file for file in around if file.kind == "sql"), key=lambda file: _natural(file.path)):
        if "down" in file.path.rpartition("/")[2].lower():
            continue  # the way back of a migration
        for statement in file.statements:
            statements.statement(statement.sql, Place(file.path, statement.line, statement.end_line, SQL))


def _added(tables: Tables, beside: Tables) -> set[int]:
    """Add the tables that only SQL files know; tells which. Where both speak, the files may hold the same steps once more:
    a file that only adds keys to a table counts, one that makes the table anew does not."""
    fresh: set[int] = set()
    for name, draft in beside.by_name.items():
        known = tables.by_name.get(name)
        if known is None:
            tables.by_name[name] = draft
            fresh.add(id(draft))
        elif not draft.complete:
            for key in draft.keys:
                known.add_key(key)
    return fresh


def _natural(path: str) -> list[tuple[int, str]]:
    parts: list[tuple[int, str]] = []
    last = 0
    for match in _NUMBER.finditer(path):
        parts.append((0, path[last : match.start()]))
        parts.append((int(match[0][:12]), ""))
        last = match.end()
    return [*parts, (0, path[last:])]


def _run_embedded(effects: Effects, apps: Apps, statements: Statements) -> None:
    """`execute("CREATE TABLE …")` in code that is no migration."""
    for site, found in effects.at.items():
        if apps.is_migration(site.function.module):
            continue
        for effect in found:
            if effect.sql and _DDL.match(effect.sql):
                statements.run(effect.sql, Place(site.path, site.line, site.fact.end_line, SQL))


def _combined(declared: Declared, tables: Tables, from_sql: set[int]) -> Schema:
    chains = dict(tables.by_name)
    made = {}
    by_draft = {}
    for draft in declared.drafts:
        chain = chains.pop(plain_name(draft.name).rpartition(".")[2], None)
        table = finished(draft, chain, (SQL if chain is not None and id(chain) in from_sql else MIGRATION,))
        made[plain_name(draft.name)] = by_draft[id(draft)] = table
    for name, chain in chains.items():
        made.setdefault(name, finished(None, chain, (SQL if id(chain) in from_sql else MIGRATION,)))
    by_name = dict(made)
    for name, table in made.items():
        by_name.setdefault(name.rpartition(".")[2], table)
    by_model = {cls: by_draft[id(draft)] for cls, draft in declared.by_model.items() if id(draft) in by_draft}
    return Schema(tuple(made.values()), by_name, by_model, frozenset(declared.models))
