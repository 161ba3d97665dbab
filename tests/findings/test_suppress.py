"""Inline suppressions: where they hold, what they need, and when they have outlived their cause."""

from __future__ import annotations

import pytest

from roadworthy.findings.finding import Confidence, Finding, Location, Pillar, Severity
from roadworthy.findings.suppress import Commented, Header, Suppressed, suppress

KNOWN = {"hang", "lost-write", "twice"}


def finding(line: int, end: int = 0, rule: str = "hang") -> Finding:
    """A finding at a line."""
    at = Location("a.py", line, end or line)
    return Finding(rule, "x", Pillar.RESILIENCE, Severity.HIGH, Confidence.HIGH, at, "t", "i", "m", "f")


def outcome(
    *findings: Finding, comments: dict[int, str], headers: tuple[Header, ...] = (), code: set[int] = frozenset()
) -> Suppressed:  # type: ignore[assignment]
    """Suppress in one file."""
    file = Commented("a.py", tuple(comments.items()), headers, frozenset(code))
    return suppress(findings, {"a.py": file}, known=KNOWN, ran=KNOWN)


REASON = "roadworthy: ignore[hang] the proxy has a deadline"


@pytest.mark.parametrize("line", [5, 4, 7])
def test_places(line: int) -> None:
    """On the line, alone on the line above, on the last line of a long statement."""
    result = outcome(finding(5, 7), comments={line: REASON}, code={5, 7})
    assert (len(result.kept), len(result.held), result.notes) == (0, 1, ())


@pytest.mark.parametrize("line", [3, 6, 8])
def test_other_places(line: int) -> None:
    """Elsewhere it holds nothing back, and says so."""
    result = outcome(finding(5, 7), comments={line: REASON}, code={5, 7})
    assert len(result.kept) == 1
    assert result.notes == (("a.py", line, "the suppression of hang holds nothing back and can go"),)


def test_the_comment_of_the_statement_above() -> None:
    """It speaks of its own line, not of the next."""
    assert len(outcome(finding(5), comments={4: REASON}, code={4, 5}).kept) == 1


@pytest.mark.parametrize("line", [9, 10, 11, 12])
def test_on_the_function(line: int) -> None:
    """Above its decorators, on them, on the `def`: for all that lies inside."""
    headers = (Header(first=10, line=12, end=40),)
    assert outcome(finding(33), comments={line: REASON}, headers=headers).kept == ()
    assert len(outcome(finding(41), comments={line: REASON}, headers=headers).kept) == 1


def test_one_rule_only() -> None:
    """Others at the same line stay; one comment may name several."""
    result = outcome(finding(5), finding(5, rule="twice"), comments={5: REASON})
    assert [one.rule for one in result.kept] == ["twice"]
    result = outcome(finding(5), finding(5, rule="twice"), comments={5: "roadworthy: ignore[hang, twice] known"})
    assert (result.kept, result.notes) == ((), ())


@pytest.mark.parametrize(
    ("comment", "note"),
    [
        ("roadworthy: ignore[hang]", "the suppression of hang gives no reason and does nothing"),
        ("roadworthy: ignore[hang]  -- ", "the suppression of hang gives no reason and does nothing"),
        ("roadworthy: ignore", "the suppression names no rule: write `roadworthy: ignore[rule] reason`"),
        ("roadworthy: ignore[] why", "the suppression names no rule: write `roadworthy: ignore[rule] reason`"),
        ("roadworthy: ignore[hnag] why", "the suppression names hnag, which is no rule; did you mean hang?"),
        ("roadworthy: ignore[zzz] why", "the suppression names zzz, which is no rule"),
        ("roadworthy: off", "`roadworthy: off` means nothing; `roadworthy: ignore[rule] reason` does"),
    ],
)
def test_what_does_nothing_is_said(comment: str, note: str) -> None:
    """The finding stays, and the comment is told what is wrong with it."""
    result = outcome(finding(5), comments={5: comment})
    assert (len(result.kept), result.notes) == (1, (("a.py", 5, note),))


@pytest.mark.parametrize(
    "comment", ["roadworthy is a tool", "see roadworthy docs: ignore", "ROADWORTHY:IGNORE[hang] fine"]
)
def test_spelling(comment: str) -> None:
    """Prose is no suppression; case and blanks do not matter."""
    result = outcome(finding(5), comments={5: comment})
    assert (bool(result.held), result.notes) == (comment.startswith("ROADWORTHY"), ())


def test_stale_only_when_the_rule_ran() -> None:
    """A rule that crashed or was not selected proves nothing."""
    file = Commented("a.py", ((5, REASON),), (), frozenset())
    assert suppress([], {"a.py": file}, known=KNOWN, ran={"twice"}).notes == ()
