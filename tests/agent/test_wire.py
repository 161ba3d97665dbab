"""The agent against a provider on the loopback that misbehaves: what is asked again, what is given up, and what the report then says."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pydantic_ai")

from agent.project import (
    CALL,
    COLUMN,
    COMMENT,
    DOCSTRING,
    INVENTED,
    ORDER,
    PLANTED,
    candidates,
    refutation,
    verdict,
    write_project,
)
from agent.provider import Asked, Calls, Fault, Provider, call, report, serving
from roadworthy.agent.budget import Limits
from roadworthy.agent.calls import Patience
from roadworthy.agent.run import Options, review_with_agent
from roadworthy.config import Settings
from roadworthy.engine import STAGES, survey
from roadworthy.engine.run import judge
from roadworthy.faces.reviewing import status
from roadworthy.findings.finding import Review, Severity
from roadworthy.report import render

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from roadworthy.engine import Project

QUICK = Patience(attempts=3, first_wait=0.01, longest_wait=0.3, answer_within=5)
PATIENT = Limits(seconds=20)
FLAVOURS = ("openai-chat:scripted", "anthropic:scripted")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return survey([write_project(tmp_path_factory.mktemp("shop") / "shop")])


@pytest.fixture(scope="module")
def static(project: Project) -> Review:
    found = judge(project, Settings(), STAGES)
    assert [f.rule for f in found.findings] == ["call-without-timeout"]
    return found


Ask = "Callable[..., Review]"


@pytest.fixture
def ask(project: Project, static: Review, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Review]:
    """Review with a provider; the journal lasts for the test."""

    def run(provider: Provider, model: str = FLAVOURS[0], **more: object) -> Review:
        for name, value in provider.environment.items():
            monkeypatch.setenv(name, value)
        options = Options(model, tmp_path, PATIENT, QUICK)
        return review_with_agent(project, static, Settings(), replace(options, **more))

    return run


def good(asked: Asked) -> Calls:
    """Confirms the finding, finds one more, stands by it."""
    answers = {"triage": verdict(), "explore": candidates(), "refute": refutation()}
    return report(answers[asked.kind])


def careful(asked: Asked) -> Calls:
    """As good, but looks before it judges."""
    return good(asked) if asked.results else call("Read", path="app/main.py")


def once(fault: Fault, at: int = 0) -> Callable[[Asked], Calls | Fault]:
    """Good, but for one request."""
    return lambda asked: fault if asked.number == at else good(asked)


# --- the good case ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", FLAVOURS)
def test_a_review_in_both_wire_formats(ask: Callable[..., Review], model: str) -> None:
    """Triage, exploration, refutation; the finding of a rule is confirmed, a new one survives."""
    with serving(careful) as provider:
        review = ask(provider, model)
    assert [(f.rule, f.origin, f.at.path, f.at.line) for f in review.findings] == [
        ("call-without-timeout", "both", "app/main.py", 15),
        ("agent-missing-unique-constraint", "agent", "app/db.py", 16),
    ]
    assert review.complete
    assert [asked.kind for asked in provider.log] == ["triage"] * 2 + ["explore"] * 2 + ["refute"] * 2
    assert set(provider.log[0].tools) == {
        "Glob",
        "Grep",
        "Read",
        "Git",
        "Findings",
        "Model",
        "Patterns",
        "Paths",
        "report",
    }
    document = json.loads(render(review, "json"))
    static_keys = set(document["findings"][0])
    assert set(document["findings"][1]) == static_keys
    assert document["findings"][1]["function"] == "Payment"
    for form in ("terminal", "markdown", "sarif", "html", "junit", "gitlab", "github"):
        assert "agent-missing-unique-constraint" in render(review, form) or "charges and records again" in render(
            review, form
        )


def test_the_second_run_asks_nothing_and_says_the_same(ask: Callable[..., Review]) -> None:
    """The same tree and the same recorded answers give the same bytes; `fresh` asks anew."""
    with serving(good) as provider:
        first = render(ask(provider), "json")
        assert len(provider.log) == 3
        assert render(ask(provider), "json") == first
        assert len(provider.log) == 3
        assert render(ask(provider, fresh=True), "json") == first
        assert len(provider.log) == 6


# --- faults of the provider ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", FLAVOURS)
@pytest.mark.parametrize(
    "fault",
    [
        Fault(429, {"retry-after": "0.05"}),
        Fault(500),
        Fault(503),
        Fault(529, body=b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}'),
        Fault(408),
        Fault(200, cut=True, body=b'{"id": "x", "choices": [' + b" " * 500),
        Fault(200, body=b"<html>a proxy's page</html>"),
        Fault(200, body=b'{"id": "x"}'),
    ],
    ids=["429", "500", "503", "529", "408", "cut", "html", "empty"],
)
def test_a_passing_fault_is_asked_again(ask: Callable[..., Review], model: str, fault: Fault) -> None:
    """Once, by us and not by the provider's client too; the report does not show it."""
    with serving(once(fault)) as provider:
        review = ask(provider, model)
    assert len(provider.log) == 4
    assert provider.log[0].body == provider.log[1].body
    assert review.complete
    assert [f.origin for f in review.findings] == ["both", "agent"]


def test_retry_after_is_obeyed(ask: Callable[..., Review]) -> None:
    """The wait is at least as long as the provider says."""
    with serving(once(Fault(429, {"retry-after-ms": "250"}))) as provider:
        start = time.monotonic()
        ask(provider)
    assert time.monotonic() - start > 0.25


def test_a_wait_that_is_too_long_ends_the_run(ask: Callable[..., Review]) -> None:
    """Rather than sleeping for an hour."""
    with serving(once(Fault(429, {"retry-after": "3600"}))) as provider:
        review = ask(provider)
    assert len(provider.log) == 1
    assert "asks to wait 3600 s" in review.problems[0].message


@pytest.mark.parametrize("model", FLAVOURS)
def test_a_hanging_provider(ask: Callable[..., Review], model: str) -> None:
    """Is left after the limit of one attempt, and asked again."""
    with serving(once(Fault(hang=30))) as provider:
        start = time.monotonic()
        review = ask(provider, model, patience=replace(QUICK, answer_within=0.3))
        assert time.monotonic() - start < 5
    assert review.complete
    assert len(provider.log) == 4


@pytest.mark.parametrize("model", FLAVOURS)
@pytest.mark.parametrize(
    "fault", [Fault(500), Fault(429), Fault(hang=30), Fault(200, cut=True)], ids=["500", "429", "hang", "cut"]
)
def test_an_outage_is_not_a_clean_bill(ask: Callable[..., Review], static: Review, model: str, fault: Fault) -> None:
    """Three attempts, then no more questions at all: what was not reviewed is said, and the status is 3."""
    with serving(lambda asked: fault) as provider:
        review = ask(provider, model, patience=replace(QUICK, answer_within=0.2))
    assert len(provider.log) == 3
    assert not review.complete
    assert status(review, Severity.HIGH) == 3
    assert review.findings == static.findings
    said = [p.message for p in review.problems]
    assert said[0].startswith("the agent did not review 1 of 1 findings: ")
    assert "(app/main.py:15)" in said[0]
    assert said[1].startswith("the agent did not review 1 of 1 groups of files: ")
    assert "Not reviewed" in render(review, "markdown")


@pytest.mark.parametrize("model", FLAVOURS)
@pytest.mark.parametrize("code", [401, 403, 404])
def test_a_provider_that_does_not_know_us_is_asked_once(ask: Callable[..., Review], model: str, code: int) -> None:
    """A wrong key does not become right."""
    with serving(lambda asked: Fault(code)) as provider:
        review = ask(provider, model)
    assert len(provider.log) == 1
    assert status(review, None) == 3


@pytest.mark.parametrize("model", FLAVOURS)
def test_one_refused_question_costs_only_itself(ask: Callable[..., Review], model: str) -> None:
    """A conversation that is too long, say: the others go on."""
    with serving(once(Fault(400))) as provider:
        review = ask(provider, model)
    assert [f.origin for f in review.findings] == ["static", "agent"]
    assert [p.message.partition(": ")[0] for p in review.problems] == ["the agent did not review 1 of 1 findings"]


def test_a_refutation_that_never_came_leaves_nothing_new(ask: Callable[..., Review]) -> None:
    """What was not verified is not claimed."""
    with serving(lambda asked: Fault(500) if asked.kind == "refute" else good(asked)) as provider:
        review = ask(provider)
    assert [f.origin for f in review.findings] == ["both"]
    assert review.held_back == {"the agent's, without a second pass that holds": 1}
    assert not review.complete


# --- faults of the model ---------------------------------------------------------------------------------------------


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


# --- the budget ------------------------------------------------------------------------------------------------------


def test_the_budget_in_tokens(ask: Callable[..., Review]) -> None:
    """What it did not reach is said; the same budget says the same again, a higher one goes on and asks nothing twice."""
    with serving(careful) as provider:
        small = ask(provider, limits=Limits(tokens=3000))
        assert len(provider.log) == 3
        assert [f.origin for f in small.findings] == ["both"]
        assert "1 of 1 groups of files: the budget of 3,000 tokens is used up" in small.problems[0].message
        assert render(ask(provider, limits=Limits(tokens=3000)), "json") == render(small, "json")
        assert len(provider.log) == 3
        assert ask(provider).complete
        assert len(provider.log) == 6
    assert len({asked.body for asked in provider.log}) == 6


def test_the_budget_in_money_needs_a_price(ask: Callable[..., Review]) -> None:
    """Nobody knows what `scripted` costs: it stops after the first answer rather than guess."""
    with serving(good) as provider:
        review = ask(provider, limits=Limits(dollars=Decimal(1)))
    assert len(provider.log) == 1
    assert "price of this model is not known" in review.problems[0].message


def test_the_budget_in_time(ask: Callable[..., Review]) -> None:
    """A provider that hangs cannot hold the review longer."""
    with serving(lambda asked: Fault(hang=30)) as provider:
        start = time.monotonic()
        review = ask(provider, limits=Limits(seconds=0.4))
        assert time.monotonic() - start < 3
    assert "0.4 seconds are over" in review.problems[0].message
