"""Letting the rules judge: on several processors the pillars are judged side by side, with the same findings in the same order.

A model cannot be sent to a process, but a forked one has it already. What a child was to judge and did not (it was killed,
memory ran out) is judged here, so nothing is lost.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import threading
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import msgspec

from roadworthy.engine.found import Found
from roadworthy.engine.survey import crashed
from roadworthy.facts.load import no_progress
from roadworthy.facts.worker import die_with

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from roadworthy.engine.stages import Rule
    from roadworthy.facts.load import Progress
    from roadworthy.project.model import Model


def judge_all(model: Model, rules: Sequence[Rule], jobs: int, progress: Progress) -> Found:
    """Run the rules on a model; one that crashes loses its own findings and nothing else."""
    pillars = [tuple(group) for _, group in groupby(rules, key=lambda rule: rule.info.pillar)]
    if jobs < 2 or len(pillars) < 2 or not _may_fork():
        return _judged(model, rules, progress)
    groups = pillars if jobs >= len(pillars) else [pillars[0], tuple(rules[len(pillars[0]) :])]
    children = [_child(model, group) for group in groups[1:]]
    try:
        found = [_judged(model, groups[0], progress)]
        for child, group in zip(children, groups[1:], strict=True):
            found.append(child.answer() or _judged(model, group, progress))
    finally:
        for child in children:
            child.end()
    return Found(
        tuple(finding for one in found for finding in one.findings),
        tuple(crash for one in found for crash in one.crashes),
        frozenset().union(*(one.ran for one in found)),
    )


def _judged(model: Model, rules: Sequence[Rule], progress: Progress) -> Found:
    findings, crashes, ran = [], [], set()
    for number, rule in enumerate(rules):
        progress("judging", number, len(rules))
        try:
            findings.extend(list(rule.run(model)))
        except Exception as error:  # a rule's bug must not cost the findings of the others
            crashes.append(crashed(f"the rule {rule.info.id}", error))
        else:
            ran.add(rule.info.id)
    return Found(tuple(findings), tuple(crashes), frozenset(ran))


@dataclass(frozen=True, slots=True)
class _Child:
    process: BaseProcess
    connection: Connection

    def answer(self) -> Found | None:
        """Wait for what it found; None when it died."""
        try:
            return msgspec.msgpack.decode(self.connection.recv_bytes(), type=Found)
        except (EOFError, OSError, msgspec.DecodeError):
            return None

    def end(self) -> None:
        """Kill and reap: a child holds nothing that needs an orderly end."""
        self.connection.close()
        self.process.kill()
        self.process.join(5)


def _child(model: Model, rules: Sequence[Rule]) -> _Child:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, ours, model, rules, os.getpid()), daemon=True)
    process.start()
    theirs.close()
    return _Child(process, ours)


def _serve(connection: Connection, parents_end: Connection, model: Model, rules: Sequence[Rule], parent: int) -> None:
    """Judge, answer, end."""
    parents_end.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides
    die_with(parent)
    gc.disable()
    gc.freeze()  # a look for cycles would copy what is shared with the parent
    connection.send_bytes(msgspec.msgpack.encode(_judged(model, rules, no_progress)))


def _may_fork() -> bool:
    """Forking is only safe on Linux and while there is one thread."""
    return sys.platform == "linux" and threading.active_count() == 1
