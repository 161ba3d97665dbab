"""Facts as short texts, for golden comparisons."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

from roadworthy.facts.around import extract_around

if TYPE_CHECKING:
    from roadworthy.facts.schema import AuxFacts, Process


def facts_of(path: str, text: str) -> AuxFacts:
    facts = extract_around(path, dedent(text).lstrip("\n").encode())
    assert facts is not None, f"{path} was declined"
    return facts


def show_process(process: Process) -> str:
    flags = [
        name
        for name, is_set in (
            ("exec", process.replaces_shell),
            ("&", process.background),
            ("last", process.is_last),
            ("wrapped", process.wrapped),
        )
        if is_set
    ]
    parts = [f"{process.line}-{process.end_line} {process.form} {process.role} {process.owner or '-'}: "]
    parts.append(" ".join(process.argv))
    if flags:
        parts.append(f" [{' '.join(flags)}]")
    if process.shell:
        parts.append(f" by {' '.join(process.shell)}")
    if process.cases:
        parts.append(" if " + " and ".join(f"{subject} in {'|'.join(values)}" for subject, values in process.cases))
    return "".join(parts)


def show(facts: AuxFacts) -> str:
    """Everything but the settings."""
    lines = [facts.kind]
    lines += [show_process(process) for process in facts.processes]
    lines += [f"{s.line}-{s.end_line} {' '.join(s.sql.split())}" for s in facts.statements]
    lines += [f"{r.line} {r.name} {r.version or '*'}{' locked' if r.locked else ''}" for r in facts.requirements]
    lines += [f"! {p.line} {p.message}" for p in facts.problems]
    return "\n".join(lines)


def settings(facts: AuxFacts) -> dict[str, str]:
    """The first value of each key."""
    found: dict[str, str] = {}
    for setting in facts.settings:
        found.setdefault(setting.key, setting.value)
    return found


def golden(text: str) -> str:
    return dedent(text).strip()
