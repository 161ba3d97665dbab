"""How the code is started and stopped, from the files around Python."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.knowledge.programs import load_programs
from roadworthy.project.deployment.files import Files
from roadworthy.project.deployment.hosts import all_walks
from roadworthy.project.deployment.launch import Recognised, program, recognise
from roadworthy.project.deployment.values import (
    Deployment,
    Hop,
    Reach,
    StartedProcess,
    Workload,
    reach,
    signal_reaches,
)
from roadworthy.project.deployment.workloads import selectors_of, workloads

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roadworthy.facts.schema import AuxFacts
    from roadworthy.knowledge.programs import Programs

__all__ = [
    "Deployment",
    "Hop",
    "Reach",
    "Recognised",
    "StartedProcess",
    "Workload",
    "build_deployment",
    "program",
    "reach",
    "recognise",
    "signal_reaches",
]


def build_deployment(around: Iterable[AuxFacts], programs: Programs | None = None) -> Deployment:
    """The deployment that these files describe. The order of the files does not matter."""
    files = Files(around, programs or load_programs())
    selectors = [selector for facts in files.all for selector in selectors_of(facts)]
    return Deployment(
        processes=tuple(dict.fromkeys(process for walk in all_walks(files) for process in walk.found)),
        workloads=tuple(workload for facts in files.all for workload in workloads(facts, selectors)),
    )
