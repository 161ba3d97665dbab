"""The values of the deployment model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from roadworthy.knowledge.programs import Kind, Passes

Host = Literal["docker", "compose", "kubernetes", "systemd", "supervisor", "procfile", "script"]
"""What starts a process. docker: an image by itself; script: a shell script that nothing in the repository starts."""

Role = Literal["prod", "dev"]


@dataclass(frozen=True, slots=True)
class Hop:
    """One program that stands between what is stopped and the process, from outside in."""

    path: str
    line: int
    end_line: int
    name: str  # `/bin/sh -c`, `tini`, the path of a script …
    what: Literal["wrapper", "shell", "script"]
    passes: Passes
    init: bool = False
    certain: bool = True
    why: str = ""
    alone: bool = True  # the text of the shell holds this command only
    expands: bool = False  # the text of the shell has variables in it


@dataclass(frozen=True, slots=True)
class StartedProcess:
    """A process that a manifest starts, directly or through scripts."""

    path: str  # where its command line stands
    line: int
    end_line: int
    argv: tuple[str, ...]
    written: tuple[str, ...]  # as they stand there, `"$@"` included
    kind: Kind
    target: str  # the application or module that it names, or ""
    form: str  # of its command line: "exec" "shell" "script"
    exec: bool  # it replaces the shell that starts it, or no shell starts it
    init: bool  # an init program stands in front
    through_script: str | None  # the script in which the command line stands
    grace_period: float | None  # seconds between the stop signal and the kill; None: unknown
    role: Role
    host: Host
    owner: str  # stage, service, `Kind/name/container`, unit, program
    name: str  # the program, or the Python file or module
    sure: bool  # False: `kind` is judged by the name of a file
    options: tuple[tuple[str, str], ...]
    hops: tuple[Hop, ...]
    origin: tuple[str, int]  # path and line of the manifest's own command
    needs_option_to_stop: tuple[str, ...] = ()
    stops_gently_with: str = ""  # what to write on the command line for it
    on_stop: str = ""  # what a stop signal does to it as it is
    stop_signal: str = "TERM"  # what the host sends
    drain: tuple[str, float, bool] | None = None  # (option, seconds that it gives work in flight, given here)
    request_limit: float | None = None  # seconds after which it kills the worker of a request that goes on
    stops_group: bool = False  # the host signals all processes, not only the first

    def option(self, name: str) -> str | None:
        """The last value of an option, "" for a flag, None when it is not given."""
        return next((value for key, value in reversed(self.options) if key == name), None)


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether a stop signal arrives at a process."""

    reached: bool
    reason: str
    certain: bool = True
    at: Hop | None = None  # where it is lost


@dataclass(frozen=True, slots=True)
class Workload:
    """A service, container or unit with what decides how it is stopped. None: not said."""

    path: str
    line: int
    host: Host
    kind: str  # `Deployment`, `CronJob` …; "service" for compose, "unit", "program"
    name: str
    container: str
    role: Role
    image: str = ""
    replicas: str | None = None  # as written; "$…" where a template decides
    strategy: str | None = None
    grace_period: float | None = None
    pre_stop: str | None = None  # "exec" "httpGet" "sleep"
    readiness: bool = False
    liveness: bool = False
    behind_service: bool = False
    init: bool = False
    restart: str | None = None
    concurrency: str | None = None  # of a CronJob: Allow, Forbid, Replace


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything that the files around Python say about how the code runs."""

    processes: tuple[StartedProcess, ...] = ()
    workloads: tuple[Workload, ...] = ()

    def unreachable(self) -> tuple[tuple[StartedProcess, Reach], ...]:
        """Long-running processes of our own that a stop signal does not reach, and why."""
        out: list[tuple[StartedProcess, Reach]] = []
        for process in self.processes:
            if process.kind in ("server", "worker", "scheduler", "manager"):
                answer = reach(process)
                if not answer.reached:
                    out.append((process, answer))
        return tuple(out)


def reach(process: StartedProcess) -> Reach:
    """Whether SIGTERM to what the host stops arrives at this process."""
    answer = _arrives(process)
    if answer.reached and process.needs_option_to_stop:
        return Reach(False, f"{process.name} does not end on SIGTERM without {process.needs_option_to_stop[0]}")
    return answer


def _arrives(process: StartedProcess) -> Reach:
    if process.stops_group:
        return Reach(True, f"{process.host} signals every process of the group")
    hops = process.hops
    group = next((index for index, hop in enumerate(hops) if hop.passes == "group"), len(hops))
    lost = [hop for hop in hops[:group] if hop.passes == "no"]
    if lost:
        at = next((hop for hop in lost if hop.certain), lost[0])
        return Reach(False, at.why or f"{at.name} does not pass signals on", at.certain, at)
    certain = all(hop.certain and hop.passes != "unknown" for hop in hops[:group])
    if group < len(hops):
        return Reach(True, f"{hops[group].name} passes signals on to the whole group", certain)
    if hops:
        return Reach(True, "every program in between passes signals on or is replaced", certain)
    return Reach(True, "it is the process that is stopped")


def signal_reaches(process: StartedProcess) -> tuple[bool, str]:
    """Whether SIGTERM arrives at this process, and why (not)."""
    answer = reach(process)
    return answer.reached, answer.reason
