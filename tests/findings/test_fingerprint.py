"""The identity of a finding: stable where code moves, distinct where findings differ."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from roadworthy.findings.finding import Confidence, Finding, Location, Pillar, Severity
from roadworthy.findings.fingerprint import with_fingerprints


def finding(
    line: int = 5, rule: str = "hang", path: str = "a.py", function: str = "f", subject: str = "get"
) -> Finding:
    """A finding with what counts."""
    at = Location(path, line, line, function=function)
    return Finding(
        rule, "x", Pillar.RESILIENCE, Severity.HIGH, Confidence.HIGH, at, "t", "i", "m", "f", subject=subject
    )


def prints(*findings: Finding) -> list[str]:
    """Fingerprints in the order of lines."""
    return [one.fingerprint for one in sorted(with_fingerprints(findings), key=lambda one: one.at.line)]


def test_sixteen_digits_that_never_change() -> None:
    """Baselines of earlier versions hold them."""
    assert prints(finding()) == ["3cfbb9d55bdf7125"]
    assert re.fullmatch("[0-9a-f]{16}", prints(finding(subject="\ud800"))[0])


def test_lines_and_words_do_not_count() -> None:
    """Code that moves keeps its findings; so does a better sentence."""
    assert prints(finding(5)) == prints(finding(500))
    assert prints(finding()) == prints(replace(finding(), title="other", severity=Severity.LOW, issue="other"))


def test_everything_else_counts() -> None:
    """Rule, path, function, subject."""
    others = [finding(), finding(rule="r"), finding(path="p"), finding(function="g"), finding(subject="s")]
    assert len({prints(one)[0] for one in others}) == 5


def test_equals_are_numbered_by_line() -> None:
    """The second of a kind is another finding, and a third below changes neither."""
    assert prints(finding(5), finding(9)) == prints(finding(5), finding(9), finding(12))[:2]
    assert len(set(prints(finding(5), finding(9), finding(12)))) == 3


def test_a_given_fingerprint_stays() -> None:
    """An agent's finding brings its own."""
    assert prints(replace(finding(), fingerprint="given")) == ["given"]


@given(st.lists(st.integers(1, 50), max_size=8, unique=True), st.randoms())
def test_order_does_not_count(lines: list[int], random: object) -> None:
    """Whatever the order in which rules find them."""
    findings = [finding(line) for line in lines]
    shuffled = list(findings)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert prints(*findings) == prints(*shuffled)
