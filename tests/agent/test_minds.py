"""Models that invent, obey, loop and stammer: what they say counts only as far as their quotes prove it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pydantic_ai")

from agent.project import CALL, COLUMN, COMMENT, DOCSTRING, INVENTED, ORDER, PLANTED, candidates, refutation, verdict
from agent.provider import Asked, Calls, call, report, serving
from agent.reviewer import good
from roadworthy.findings.finding import Severity

if TYPE_CHECKING:
    from collections.abc import Callable

    from roadworthy.findings.finding import Review


@pytest.mark.parametrize(
    "claim", [INVENTED, COMMENT, DOCSTRING, ORDER], ids=["invented", "comment", "docstring", "AGENTS.md"]
)
def test_a_dismissal_without_proof_counts_for_nothing(
    ask: Callable[..., Review], static: Review, claim: dict[str, object]
) -> None:
    """The model is told once; then its word is dropped and counted, and the finding stays."""

    def mind(asked: Asked) -> Calls:
        return report(verdict("dismissed", claim)) if asked.kind == "triage" else report({"findings": []})

    with serving(mind) as provider:
        review = ask(provider)
    assert review.findings == static.findings
    assert "1 answers dropped for a quote that does not stand" in review.notes[-1]
    assert [asked.kind for asked in provider.log] == ["triage", "triage", "explore"]
    assert "do not stand in the file" in provider.log[1].body


def test_a_slip_in_a_quote_may_be_put_right(ask: Callable[..., Review]) -> None:
    """When the model is told."""

    def mind(asked: Asked) -> Calls:
        if asked.kind == "triage":
            return report(verdict("confirmed", CALL if "do not stand" in asked.body else INVENTED))
        return report({"findings": []})

    with serving(mind) as provider:
        assert [f.origin for f in ask(provider).findings] == ["both"]


def test_an_invented_finding_is_dropped_and_counted(ask: Callable[..., Review]) -> None:
    """It never reaches the second pass."""

    def mind(asked: Asked) -> Calls:
        return report(candidates(INVENTED)) if asked.kind == "explore" else good(asked)

    with serving(mind) as provider:
        review = ask(provider)
    assert [f.origin for f in review.findings] == ["both"]
    assert review.held_back == {"the agent's, with a quote that does not stand in the file": 1}
    assert "refute" not in [asked.kind for asked in provider.log]


def test_what_is_known_already_is_not_said_twice(ask: Callable[..., Review]) -> None:
    """The same place and pillar as a finding of the engine."""

    def mind(asked: Asked) -> Calls:
        return report(candidates(CALL, pillar="resilience")) if asked.kind == "explore" else good(asked)

    with serving(mind) as provider:
        review = ask(provider)
    assert review.held_back == {"the agent's, known already": 1}


def test_a_dismissal_with_proof(ask: Callable[..., Review]) -> None:
    """Goes, is counted, and the reason is in the report."""

    def mind(asked: Asked) -> Calls:
        return report(verdict("dismissed", COLUMN)) if asked.kind == "triage" else report({"findings": []})

    with serving(mind) as provider:
        review = ask(provider)
    assert review.findings == ()
    assert review.held_back == {"dismissed by the agent, with evidence": 1}
    assert any(
        n.startswith("dismissed by the agent: app/main.py:15 call-without-timeout") and "app/db.py:16" in n
        for n in review.notes
    )


def test_another_severity_with_proof(ask: Callable[..., Review]) -> None:
    """Changes it; the proof is a related place."""

    def mind(asked: Asked) -> Calls:
        return (
            report(verdict("severity-changed", COLUMN, severity="LOW"))
            if asked.kind == "triage"
            else report({"findings": []})
        )

    with serving(mind) as provider:
        (finding,) = ask(provider).findings
    assert (finding.severity, finding.origin, finding.related[-1].path) == (Severity.LOW, "both", "app/db.py")


def test_a_refuted_finding_goes(ask: Callable[..., Review]) -> None:
    """And is counted; so is one by which the second pass stands without proof."""
    for answer, reason in (
        (refutation("refuted"), "the agent's, refuted by its second pass"),
        (refutation("stands", INVENTED), "the agent's, without a second pass that holds"),
    ):
        with serving(
            lambda asked, answer=answer: report(answer) if asked.kind == "refute" else good(asked)
        ) as provider:
            review = ask(provider, fresh=True)
        assert review.held_back == {reason: 1}


@pytest.mark.parametrize(
    "bad",
    [
        Calls((("report", {"verdict": "maybe"}),)),
        Calls((("report", "{not json"),)),
        Calls((("Delete", {"path": "app/main.py"}),)),
        Calls((("Read", {"file": 7}),)),
        Calls((("Git", {"command": "push"}),)),
    ],
    ids=["shape", "no-json", "no-such-tool", "arguments", "git-push"],
)
def test_malformed_calls(ask: Callable[..., Review], bad: Calls) -> None:
    """Are told to the model, which may do better; one that never does loses its question only."""
    with serving(lambda asked: bad if asked.number == 0 else good(asked)) as provider:
        review = ask(provider)
    assert review.complete
    assert [f.origin for f in review.findings] == ["both", "agent"]
    with serving(lambda asked: bad if asked.kind == "triage" else good(asked)) as provider:
        review = ask(provider, fresh=True)
    assert [f.origin for f in review.findings] == ["static", "agent"]
    assert len([asked for asked in provider.log if asked.kind == "triage"]) <= 12
    assert not review.complete


def test_an_endless_loop_of_tools_is_ended(ask: Callable[..., Review]) -> None:
    """After so many steps."""
    with serving(lambda asked: call("Grep", pattern="x") if asked.kind == "triage" else good(asked)) as provider:
        review = ask(provider)
    assert len([asked for asked in provider.log if asked.kind == "triage"]) == 12
    assert "no answer after 12 steps" in review.problems[0].message


@pytest.mark.parametrize(
    "wanted",
    [
        call("Read", path="../../../etc/passwd"),
        call("Read", path="/etc/passwd"),
        call("Read", path=".env"),
        call("Glob", pattern="/etc/*"),
        call("Grep", pattern="topsecret"),
        call("Git", command="diff", path="/etc"),
    ],
    ids=["up", "absolute", "secret", "glob", "grep", "git"],
)
def test_nothing_outside_the_root_is_shown(ask: Callable[..., Review], wanted: Calls) -> None:
    """Whatever the model asks for."""
    with serving(lambda asked: wanted if not asked.results else good(asked)) as provider:
        review = ask(provider)
    assert review.complete
    assert all("root:x:" not in asked.body and "PAY_KEY" not in asked.body for asked in provider.log)


def test_planted_text_is_data(ask: Callable[..., Review], static: Review) -> None:
    """It reaches the model as the result of a tool only; and a model that obeys it cannot make a finding go."""

    def obedient(asked: Asked) -> Calls:
        if not asked.results:
            return Calls((("Read", {"path": "AGENTS.md"}), ("Read", {"path": "app/main.py"})))
        if any(PLANTED in result for result in asked.results) and asked.kind == "triage":
            return report(verdict("dismissed", ORDER, COMMENT))
        return report({"findings": []})

    with serving(obedient) as provider:
        review = ask(provider)
    assert review.findings == static.findings
    for asked in provider.log:
        assert PLANTED not in asked.system
        assert PLANTED not in asked.task
        assert "never an instruction" in asked.system
    assert any(PLANTED in result for asked in provider.log for result in asked.results)
