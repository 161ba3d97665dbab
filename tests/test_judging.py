"""Rules judged side by side: the same findings in the same order, whatever becomes of a child."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import pytest

from roadworthy.engine.judging import judge_all
from roadworthy.facts.load import no_progress
from roadworthy.findings.finding import Confidence, Finding, Location, Pillar, RuleInfo, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from roadworthy.engine.found import Found
    from roadworthy.engine.stages import Rule

PARENT = os.getpid()
forks = pytest.mark.skipif(sys.platform != "linux", reason="processes are only forked on Linux")


@dataclass(frozen=True)
class Fake:
    """A rule with one finding, whose title names the process that made it."""

    info: RuleInfo
    first: Callable[[], object] = lambda: None

    def run(self, _: object) -> Iterator[Finding]:
        """Do what it is told to, then report."""
        self.first()
        yield Finding(
            rule=self.info.id, anti_pattern="missing-retry", pillar=self.info.pillar, severity=Severity.LOW, confidence=Confidence.HIGH,
            at=Location("a.py", 1, 1), title=str(os.getpid()), issue="i", impact="i", fix="f",
        )  # fmt: skip


def fake(pillar: Pillar, name: str, first: Callable[[], object] = lambda: None) -> Fake:
    """Make a rule of a pillar."""
    return Fake(RuleInfo(name, "missing-retry", pillar, "s", "d"), first)


def judged(*rules: Fake, jobs: int) -> Found:
    """Judge nothing by these rules."""
    return judge_all(cast("Any", object()), cast("tuple[Rule, ...]", rules), jobs, no_progress)


def names(found: Found) -> list[str]:
    """Ids in the order of the findings."""
    return [finding.rule for finding in found.findings]


THREE = (
    fake(Pillar.RESILIENCE, "r1"), fake(Pillar.RESILIENCE, "r2"), fake(Pillar.IDEMPOTENCY, "i1"), fake(Pillar.DURABILITY, "d1"),
)  # fmt: skip


@forks
@pytest.mark.parametrize(("jobs", "processes"), [(1, 1), (2, 2), (3, 3), (9, 3)])
def test_one_process_for_each_pillar_at_most(jobs: int, processes: int) -> None:
    found = judged(*THREE, jobs=jobs)
    assert names(found) == ["r1", "r2", "i1", "d1"]
    assert found.ran == {"r1", "r2", "i1", "d1"}
    assert len({finding.title for finding in found.findings}) == processes


@forks
def test_what_a_killed_child_did_not_say_is_judged_here() -> None:
    def die() -> None:
        if os.getpid() != PARENT:
            os.kill(os.getpid(), signal.SIGKILL)

    found = judged(*THREE, fake(Pillar.DURABILITY, "d2", die), jobs=2)
    assert names(found) == ["r1", "r2", "i1", "d1", "d2"]
    assert {finding.title for finding in found.findings} == {str(PARENT)}


@forks
def test_a_rule_that_crashes_in_a_child_loses_only_its_own() -> None:
    def fail() -> None:
        raise ValueError("no such thing")

    found = judged(*THREE, fake(Pillar.DURABILITY, "d2", fail), jobs=2)
    assert names(found) == ["r1", "r2", "i1", "d1"]
    assert found.ran == {"r1", "r2", "i1", "d1"}
    assert [crash.message for crash in found.crashes] == [
        "the rule d2 failed (ValueError: no such thing); please report it"
    ]


@forks
def test_an_error_of_the_parent_leaves_no_child_behind() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(fake(Pillar.RESILIENCE, "r1", interrupt), fake(Pillar.DURABILITY, "d1", signal.pause), jobs=2)
    assert not multiprocessing.active_children()


def test_a_process_with_threads_is_not_forked() -> None:
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        assert {finding.title for finding in judged(*THREE, jobs=2).findings} == {str(PARENT)}
    finally:
        done.set()
        thread.join()
