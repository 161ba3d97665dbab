"""What can be asked of a surveyed project, answered as bounded text: for agents, ours and others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.advice.patterns import mine
from roadworthy.project.describe import describe, find_functions

if TYPE_CHECKING:
    from roadworthy.engine.survey import Project
    from roadworthy.findings.finding import Finding, Review, Step

PAGE = 24_000
"""Characters of one answer: some 6,000 to 8,000 tokens."""

NO_MODEL = "the model could not be built"
_MOST_PATHS = 12


def page(text: str, cursor: int = 0) -> str:
    """One page of an answer, cut at a line, with the cursor of the next."""
    start = max(cursor, 0)
    end = len(text) if len(text) - start <= PAGE else text.rfind("\n", start, start + PAGE) + 1 or start + PAGE
    rest = "" if end >= len(text) else f"\n(more: call again with cursor={end})"
    return text[start:end] + rest


def finding_line(finding: Finding) -> str:
    """A finding on one line: severity, fingerprint, place, rule, fact."""
    return f"{finding.severity.value} {finding.fingerprint} {finding.at.path}:{finding.at.line} {finding.rule}: {finding.title}"


def finding_text(finding: Finding) -> str:
    """Everything that a finding says."""
    steps = "".join(f"\n  {n}. {_step(step)}" for n, step in enumerate(finding.steps, 1))
    related = "".join(f"\n  {r.path}:{r.line} {r.note}" for r in finding.related)
    return (
        f"{finding_line(finding)}\nConfidence: {finding.confidence.value}\nIssue: {finding.issue}\nImpact: {finding.impact}\nFix: {finding.fix}"
        + (f"\nPath:{steps}" if steps else "")
        + (f"\nAlso at:{related}" if related else "")
        + "\n"
    )


def review_text(review: Review) -> str:
    """The findings, one line each, and what was held back or not reviewed."""
    head = f"{len(review.findings)} findings in {review.files} files ({review.lines} lines)\n"
    held = "".join(f"held back: {count} {reason}\n" for reason, count in review.held_back.items())
    problems = "".join(f"not reviewed: {p.path}:{p.line} {p.message}\n" for p in review.problems)
    return head + held + problems + "".join(finding_line(f) + "\n" for f in review.findings)


def model_text(project: Project, function: str) -> str:
    """What is believed of a function, or why nothing is."""
    if project.model is None:
        return NO_MODEL
    try:
        return describe(project.model, function)
    except LookupError as error:
        return str(error.args[0])


def patterns_text(project: Project, kind: str = "") -> str:
    """What the code base does right already, one pattern a line."""
    if project.model is None:
        return NO_MODEL
    lines = [
        f"{found.kind}: `{found.name}` {found.path}:{found.line} used at {len(found.uses)} places"
        for name, group in sorted(mine(project.model).by_kind.items())
        for found in group
        if kind in {"", name}
    ]
    return "\n".join(lines) + "\n"


def paths_text(project: Project, function: str) -> str:
    """Who calls a function, and the way to it from each entry point that reaches it."""
    model = project.model
    if model is None:
        return NO_MODEL
    found = find_functions(model, function)
    if not found:
        return model_text(project, function)
    lines = []
    for one in found[:4]:
        lines.append(f"{one.id} ({one.path}:{one.line})")
        callers = [f"  called by {e.caller.id} at {e.site.path}:{e.site.line} ({e.kind})" for e in model.edges_to(one)]
        lines.extend(callers[:40])
        for reached in model.exposure(one).entries[:_MOST_PATHS]:
            entry = reached.entry
            inline = "" if reached.inline else ", in the background"
            lines.append(f"  from {entry.kind.value} {entry.label} ({entry.delivery.value}{inline}):")
            lines.extend(f"    {_step(step)}" for step in model.steps(entry, one))
    return "\n".join(lines) + "\n"


def _step(step: Step) -> str:
    return f"{step.path}:{step.line} {step.function}: {step.note}"
