"""How much of a project the model understands: resolved calls, effects reached from an entry, reasons for the rest.

    python bench/resolution.py NAME=FOLDER [NAME=FOLDER …]

Prints a Markdown table. The projects that the table in `bench/resolution.md` is about are pinned in `tests/ecosystem/projects.toml`.
"""

from __future__ import annotations

import sys
import time
from collections import Counter

from roadworthy.config import Settings
from roadworthy.engine import survey
from roadworthy.facts import schema as f


def reason(site) -> str:
    """Why a call is not resolved, by the shape of its callee."""
    func = site.fact.func
    if isinstance(func, f.Name):
        return "name"
    base = func.value if isinstance(func, f.Attr) else None
    if isinstance(base, f.Name):
        return "method of a parameter" if base.id in site.function.parameters else "method of a local"
    if isinstance(base, f.CallRef):
        return "method of a result"
    return "method of an attribute" if isinstance(base, f.Attr) else "other"


def row(name: str, folder: str) -> str:
    """One line of the table."""
    start = time.perf_counter()
    model = survey([folder], Settings()).model
    seconds = time.perf_counter() - start
    sites = [site for function in model.functions for site in function.calls]
    unresolved = [site for site in sites if model.graph.resolutions[site].how == "unresolved"]
    external = [e for e in model.effects_of() if e.effect.word.external]
    reached = [e for e in external if model.exposure(e.function).entries]
    reasons = Counter(reason(site) for site in unresolved).most_common(3)
    lines = sum(module.facts.lines for module in model.symbols.modules)
    why = ", ".join(f"{text} {count}" for text, count in reasons)
    return (
        f"| {name} | {lines:,} | {len(sites):,} | {1 - len(unresolved) / max(len(sites), 1):.1%} | {len(external):,} "
        f"| {len(reached) / max(len(external), 1):.1%} | {len(model.entries.all):,} | {why} | {seconds:.1f} |"
    )


def main() -> None:
    """Print the table."""
    print(
        "| project | lines | calls | resolved | external effects | reached from an entry | entries | unresolved, by reason | seconds |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---|---:|")
    for argument in sys.argv[1:]:
        name, _, folder = argument.partition("=")
        print(row(name, folder), flush=True)


if __name__ == "__main__":
    main()
