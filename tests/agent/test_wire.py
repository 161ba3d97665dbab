"""The agent against a provider on the loopback that fails: what is asked again, what is given up, and what the report then says."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pydantic_ai")

from agent.provider import Fault, serving
from agent.reviewer import FLAVOURS, QUICK, careful, good, once
from roadworthy.agent.budget import Limits
from roadworthy.faces.reviewing import status
from roadworthy.findings.finding import Severity
from roadworthy.report import render

if TYPE_CHECKING:
    from collections.abc import Callable

    from roadworthy.findings.finding import Review


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
        review = ask(provider, model, patience=replace(QUICK, answer_within=0.2) if fault.hang else QUICK)
    assert len(provider.log) == 3  # and not three times three: the provider's client does not retry
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
