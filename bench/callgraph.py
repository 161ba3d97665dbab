"""Compare the call graph with a benchmark of snippets, each a folder with Python files and a `callgraph.json`.

    python bench/callgraph.py PATH/TO/snippets

Edges go from `module.function` to `module.function` (`<builtin>.name` for built-ins, dotted names for libraries). Prints precision and
recall of edges by category and in all. The benchmark made for this is PyCG's micro-benchmark (119 snippets).
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

from roadworthy.facts.extract import extract_python
from roadworthy.knowledge.load import load_knowledge
from roadworthy.project.build import build_model


def edges_of(folder: Path) -> set[tuple[str, str]]:
    """What the model finds in one snippet."""
    files = sorted(folder.rglob("*.py"))
    facts = [extract_python(file.relative_to(folder).as_posix(), file.read_bytes()) for file in files]
    model = build_model(facts, [], load_knowledge())
    found: set[tuple[str, str]] = set()
    for function in model.symbols.functions:
        caller = _name(function)
        for edge in model.edges_from(function):
            # "f(g)" is written down at f's own call of its parameter; the shortcut from the caller is not counted twice
            if edge.kind in {"call", "construct", "context"} or not model.graph.resolutions[edge.site].functions:
                found.add((caller, _name(edge.callee)))
        for site in function.calls:
            for name in model.library_names(site):
                found.add((caller, _library(name)))
    return found


def _library(name: str) -> str:
    """The benchmark's way of naming what is built in."""
    for own, theirs in (
        ("builtins.dict.", "<**PyDict**>."),
        ("builtins.str.", "<**PyStr**>."),
        ("builtins.list.", "<**PyList**>."),
    ):
        if name.startswith(own):
            return theirs + name.removeprefix(own)
    return name.replace("builtins.", "<builtin>.", 1)


def _name(function) -> str:
    if function.kind == "lambda" and function.parent is not None:
        siblings = [f for f in function.module.functions if f.kind == "lambda" and f.parent is function.parent]
        return f"{_name(function.parent)}.<lambda{siblings.index(function) + 1}>"
    here = function
    while here.kind == "class" and here.parent is not None:  # a class body runs in the scope around it
        here = here.parent
    return here.module.name if here.kind == "module" else f"{here.module.name}.{here.qualname}"


def wanted_edges(folder: Path) -> set[tuple[str, str]]:
    """What the benchmark says."""
    graph = json.loads((folder / "callgraph.json").read_text())
    return {(caller, callee) for caller, callees in graph.items() for callee in callees}


def main() -> None:
    """Print a table."""
    root = Path(sys.argv[1])
    show = len(sys.argv) > 2
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for graph in sorted(root.rglob("callgraph.json")):
        found, wanted = edges_of(graph.parent), wanted_edges(graph.parent)
        right = len(found & wanted)
        for key in (graph.parent.relative_to(root).parts[0], "all"):
            totals[key] = [a + b for a, b in zip(totals[key], (right, len(found), len(wanted)), strict=True)]
        if show and found != wanted:
            print(graph.parent.relative_to(root), "missed", sorted(wanted - found), "extra", sorted(found - wanted))
    for key, (right, found, wanted) in totals.items():
        print(
            f"{key:16} precision {right}/{found} = {right / max(found, 1):.1%}  recall {right}/{wanted} = {right / max(wanted, 1):.1%}"
        )


if __name__ == "__main__":
    main()
