"""All facts and the library knowledge in, one model out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.project.calls import CallGraph
from roadworthy.project.clients import Clients
from roadworthy.project.database.build import build_schema
from roadworthy.project.deployment import build_deployment
from roadworthy.project.effects import Effects
from roadworthy.project.entries import Entries
from roadworthy.project.evaluate import Evaluator
from roadworthy.project.exceptions import Exceptions
from roadworthy.project.guards import Guards
from roadworthy.project.makers import Makers
from roadworthy.project.model import Model
from roadworthy.project.origins import Origins
from roadworthy.project.reach import Reach
from roadworthy.project.settings import ProjectSettings
from roadworthy.project.switches import Switches
from roadworthy.project.symbols import Symbols
from roadworthy.project.versions import build_versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from roadworthy.facts.schema import AuxFacts, FileFacts
    from roadworthy.knowledge.index import Knowledge


def build_model(
    files: Sequence[FileFacts], around: Sequence[AuxFacts], knowledge: Knowledge, roles: Mapping[str, str] | None = None
) -> Model:
    """Build the model; `files` in any order, the result depends on their contents only."""
    roots = frozenset(name.split(".", 1)[0] for name in knowledge.tables.modules)
    symbols = Symbols(sorted(files, key=lambda facts: facts.path), roots)
    around = sorted(around, key=lambda facts: facts.path)
    versions = build_versions(around)
    evaluator = Evaluator(symbols, knowledge, around)
    graph = CallGraph(symbols, knowledge, evaluator)
    effects = Effects(graph, knowledge, evaluator, versions)
    reach = Reach(symbols, graph, effects)
    exceptions = Exceptions(symbols, knowledge, evaluator, effects)
    exceptions.attach(reach)
    settings = ProjectSettings(symbols, around)
    guards = Guards(graph, knowledge, evaluator, effects, exceptions, settings)
    switches = Switches(symbols, graph)
    kinds = dict(roles or {})
    makers = Makers(graph, knowledge, lambda path: kinds.get(path, "production") == "production")
    entries = Entries(symbols, graph, knowledge, evaluator, guards, switches, around)
    return Model(
        symbols,
        graph,
        evaluator,
        knowledge,
        effects,
        reach,
        guards,
        exceptions,
        entries,
        Origins(graph, effects, evaluator),
        Clients(symbols, graph, knowledge, evaluator, effects, settings, makers),
        settings,
        versions,
        build_deployment(around),
        around,
        kinds,
        build_schema(symbols, graph, knowledge, evaluator, effects, around),
        switches,
    )
