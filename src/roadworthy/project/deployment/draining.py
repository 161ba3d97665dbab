"""Does what a host stops get the time and the warning that it needs to finish what it has in hand?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.deployment.values import Deployment, StartedProcess, Workload

_KINDS = frozenset({"Deployment", "StatefulSet", "Rollout", "ReplicaSet"})
_SERVES = frozenset({"server", "worker"})


@dataclass(frozen=True, slots=True)
class ShortGrace:
    """A program that lets work in flight take longer than its host waits before it kills."""

    process: StartedProcess
    option: str
    seconds: float
    given: bool  # the option stands on the command line; else it is the program's default
    kills_after: float


@dataclass(frozen=True, slots=True)
class Unwarned:
    """A server behind a Service that lacks what keeps requests away while it starts and stops."""

    workload: Workload
    process: StartedProcess
    no_readiness: bool
    no_pre_stop: bool
    all_at_once: bool  # the old ones are stopped before the new ones start


def short_graces(deployment: Deployment) -> Iterator[ShortGrace]:
    """Production processes with such a pair of times; one for each command line."""
    seen: set[tuple[str, int, str]] = set()
    for process in deployment.processes:
        if process.role != "prod" or not process.sure or process.kind not in _SERVES or process.stop_signal != "TERM":
            continue
        if process.drain is None or process.grace_period is None or process.host in {"docker", "script", "procfile"}:
            continue
        option, seconds, given = process.drain
        key = (process.path, process.line, process.owner)
        if seconds > process.grace_period and key not in seen:
            seen.add(key)
            yield ShortGrace(process, option, seconds, given, process.grace_period)


def unwarned_servers(deployment: Deployment) -> Iterator[Unwarned]:
    """Containers of production manifests that a Service sends requests to and that start a server of ours."""
    for workload in deployment.workloads:
        if (
            workload.host != "kubernetes"
            or workload.role != "prod"
            or workload.kind not in _KINDS
            or not workload.behind_service
        ):
            continue
        owner = f"{workload.kind}/{workload.name}/{workload.container}"
        process = next(
            (
                p
                for p in deployment.processes
                if p.owner == owner
                and p.origin[0] == workload.path
                and p.kind == "server"
                and p.sure
                and p.role == "prod"
            ),
            None,
        )
        if process is None:
            continue
        found = Unwarned(
            workload,
            process,
            no_readiness=not workload.readiness,
            no_pre_stop=workload.pre_stop is None,
            all_at_once=workload.strategy == "Recreate",
        )
        if found.no_readiness or found.no_pre_stop or found.all_at_once:
            yield found
