"""The comparison of a case: what is expected against what is reported, with fakes in place of the engine."""

from __future__ import annotations

import pytest

from roadworthy.findings.finding import Confidence, Finding, Location, Pillar, Problem, Severity
from support.cases import Case, build_case
from support.compare import finding_differences, problem_differences


def _case(*lines: str) -> Case:
    return build_case("t.md", 1, "A case", [("app.py", "\n".join(lines) + "\n", 10)])


def _finding(line: int, end: int = 0, rule: str = "r", title: str = "t", severity: Severity = Severity.HIGH) -> Finding:
    return Finding(
        rule=rule,
        anti_pattern="a",
        pillar=Pillar.RESILIENCE,
        severity=severity,
        confidence=Confidence.HIGH,
        at=Location("app.py", line, end or line),
        title=title,
        issue="calls `f()` twice",
        impact="",
        fix="",
    )


@pytest.mark.parametrize(
    ("lines", "findings"),
    [
        (["f()"], []),
        (["f()  # finding: r"], [_finding(1)]),
        (['f()  # finding: r HIGH "f() twice"'], [_finding(1)]),
        (["f(", "  1,  # finding: r", ")"], [_finding(1, 3)]),
        (["with a:  # finding: r", "  f()  # finding: r"], [_finding(2), _finding(1, 2)]),
        (["f()  # finding: r", "g()  # finding: r"], [_finding(1, 2), _finding(1, 1)]),
        (["f()"], [_finding(1, rule="another")]),
        (["f()  # finding: another"], [_finding(1, rule="another")]),
        (["f()  # missed: r"], []),
        (["f()  # false-alarm: r"], [_finding(1)]),
        (['f()  # finding: r "b"  # finding: r "a"'], [_finding(1, title="a"), _finding(1, title="b")]),
    ],
)
def test_as_marked(lines: list[str], findings: list[Finding]) -> None:
    """Nothing is told when the report is as marked."""
    assert finding_differences(_case(*lines), "r", findings) == ""


@pytest.mark.parametrize(
    ("lines", "findings", "told"),
    [
        (["f()  # finding: r"], [], "- expected, not reported:  r"),
        (["f()"], [_finding(1, title="the title")], "+ reported, not marked:  r HIGH (line 1): the title"),
        (["f()  # finding: r"], [_finding(1), _finding(1)], "+ reported, not marked:  r"),
        (["f()  # finding: r", "f()"], [_finding(2)], "- expected, not reported:  r"),
        (["f()  # finding: r LOW"], [_finding(1)], "- expected:  r LOW"),
        (['f()  # finding: r "thrice"'], [_finding(1)], "its issue:  calls `f()` twice"),
        (["f()  # missed: r"], [_finding(1)], "! no longer missed, so mark it `finding`"),
        (["f()  # false-alarm: r"], [], "! no longer a false alarm, so remove the marker"),
        (["f()  # finding: other"], [], "- expected, not reported:  other"),
    ],
)
def test_not_as_marked(lines: list[str], findings: list[Finding], told: str) -> None:
    """Each kind of difference says what to do."""
    assert told in finding_differences(_case(*lines), "r", findings)


def test_a_difference_reads_well() -> None:
    """Place in the case, place in the Markdown, the line of code, expected and reported."""
    assert finding_differences(_case("a = 1", "f()  # finding: r LOW"), "r", [_finding(2, title="f() runs twice")]) == (
        "t.md:1: A case\n"
        "  app.py:2  (t.md:11)\n"
        "      f()\n"
        "    - expected:  r LOW\n"
        "    + reported:  r HIGH (line 2): f() runs twice"
    )


def test_problems_must_be_marked() -> None:
    """A crashed rule or an unread line fails a case that does not expect it."""
    problem = Problem("app.py", 1, "line 1 cannot be parsed")
    assert problem_differences(_case('f(  # problem: "cannot be parsed"'), [problem]) == ""
    assert "+ problem, not marked" in problem_differences(_case("f("), [problem])
    assert "- expected problem" in problem_differences(_case('f()  # problem: "cannot be parsed"'), [])
