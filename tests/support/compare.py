"""Expected against reported findings of one case, told so that one sees what to do."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadworthy.findings.finding import Finding, Problem
    from support.cases import Case
    from support.markers import Marker

Differences = dict[tuple[str, int], list[str]]


def finding_differences(case: Case, rule: str, findings: Sequence[Finding]) -> str:
    """Empty when the findings are those that the markers say; findings of other rules count only where marked."""
    told: Differences = defaultdict(list)
    free = list(findings)
    for marker, finding in _paired(case.of_kind("finding", "false-alarm", "missed"), free):
        if complaint := _judged(marker, finding):
            told[marker.path, marker.line] += complaint
        if finding is not None:
            free.remove(finding)
    for finding in free:
        if finding.rule == rule:
            told[finding.at.path, finding.at.line].append(f"+ reported, not marked:  {_shown(finding)}")
    return render(case, told)


def problem_differences(case: Case, problems: Sequence[Problem]) -> str:
    """A file that is not read whole, or a rule that crashes, must be expected by a `# problem: "text"` marker."""
    told: Differences = defaultdict(list)
    free = list(problems)
    for marker in case.of_kind("problem"):
        match = next((p for p in free if p.path == marker.path and marker.text in p.message), None)
        if match is None:
            told[marker.path, marker.line].append(f'- expected problem:  "{marker.text}"')
        else:
            free.remove(match)
    for problem in free:
        told[problem.path, problem.line].append(f"+ problem, not marked:  {problem.message}")
    return render(case, told)


def render(case: Case, told: Differences) -> str:
    """One paragraph a place: where it is, the line of code, what differs."""
    if not told:
        return ""
    out = [f"{case.source}:{case.line}: {case.title}"]
    for (path, line), complaints in sorted(told.items()):
        out.append(f"  {path}:{line}  ({case.place(path, line)})")
        if code := case.code(path, line):
            out.append(f"      {code}")
        out += [f"    {complaint}" for complaint in complaints]
    return "\n".join(out)


def _paired(markers: Sequence[Marker], findings: Sequence[Finding]) -> list[tuple[Marker, Finding | None]]:
    """Give each marker at most one finding: first those on the very line and with the text, then those that span it."""
    pairs: dict[int, Finding] = {}
    free = list(findings)
    for fits in (_is_exact, _is_on_line, _spans):
        for at, marker in enumerate(markers):
            if at in pairs:
                continue
            spans = sorted((f for f in free if fits(marker, f)), key=lambda f: f.at.end_line - f.at.line)
            if spans:
                pairs[at] = spans[0]
                free.remove(spans[0])
    return [(marker, pairs.get(at)) for at, marker in enumerate(markers)]


def _spans(marker: Marker, finding: Finding) -> bool:
    at = finding.at
    return (
        finding.rule == marker.word and at.path == marker.path and at.line <= marker.line <= max(at.line, at.end_line)
    )


def _is_on_line(marker: Marker, finding: Finding) -> bool:
    return _spans(marker, finding) and finding.at.line == marker.line


def _is_exact(marker: Marker, finding: Finding) -> bool:
    return _is_on_line(marker, finding) and _says(finding, marker.text)


def _says(finding: Finding, text: str) -> bool:
    said = f"{finding.title}\n{finding.issue}"
    return text in said or text in said.replace("`", "")


def _judged(marker: Marker, finding: Finding | None) -> list[str]:
    """What to say of a marker and the finding at its place."""
    if marker.kind == "missed":
        return [] if finding is None else [f"! no longer missed, so mark it `finding`:  {_shown(finding)}"]
    if finding is None and marker.kind == "false-alarm":
        return [f"! no longer a false alarm, so remove the marker:  {marker}"]
    if finding is None:
        return [f"- expected, not reported:  {marker}"]
    if not _says(finding, marker.text):
        return [f"- expected:  {marker}", f"+ reported:  {_shown(finding)}", f"  its issue:  {finding.issue}"]
    if marker.severity and marker.severity != finding.severity.value:
        return [f"- expected:  {marker}", f"+ reported:  {_shown(finding)}"]
    return []


def _shown(finding: Finding) -> str:
    at = finding.at
    lines = f"lines {at.line}-{at.end_line}" if at.end_line > at.line else f"line {at.line}"
    return f"{finding.rule} {finding.severity.value} ({lines}): {finding.title}"
