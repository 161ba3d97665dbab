"""Where the project constructs its clients: the place that decides for clients of which only the type is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from roadworthy.knowledge.index import Knowledge
    from roadworthy.project.calls import CallGraph
    from roadworthy.project.symbols import CallSite


class Makers:
    """The constructions of library types in code that runs in production."""

    def __init__(self, graph: CallGraph, knowledge: Knowledge, runs: Callable[[str], bool]) -> None:
        """`runs`: whether the file of this path is code of production."""
        self._graph = graph
        self._knowledge = knowledge
        self._runs = runs
        self._made: dict[str, tuple[CallSite, ...]] | None = None

    def only(self, type_name: str) -> CallSite | None:
        """The one construction of the type in the project; None where there is none, or several that may differ."""
        if self._made is None:
            self._made = self._find()
        made = self._made.get(self._knowledge.canonical(type_name), ())
        return made[0] if len(made) == 1 else None

    def _find(self) -> dict[str, tuple[CallSite, ...]]:
        found: dict[str, list[CallSite]] = {}
        for site, resolution in self._graph.resolutions.items():
            for library in resolution.libraries:
                made = self._knowledge.type_from_call(library.name)
                if made is not None and self._runs(site.path):
                    found.setdefault(self._knowledge.canonical(made), []).append(site)
        return {name: tuple(dict.fromkeys(sites)) for name, sites in found.items()}
