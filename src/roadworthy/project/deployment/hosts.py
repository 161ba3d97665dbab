"""Where walks begin: images, services, containers, units, programs, process types, and scripts that nothing starts."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roadworthy.project.deployment.files import Files, Image, seconds, settings_of, signal
from roadworthy.project.deployment.follow import Origin, Placed, Walk
from roadworthy.project.deployment.workloads import GRACE, compose_services, is_mounted, line_of, text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roadworthy.facts.schema import AuxFacts, Process, Setting
    from roadworthy.project.deployment.values import Host

_LONG_RUNNING = ("server", "worker", "scheduler", "manager")


def all_walks(files: Files) -> list[Walk]:
    """All walks, in the order of the files."""
    walks = [walk for facts in files.all for walk in _walks(facts, files)]
    used = {path for walk in walks for path in walk.used}
    return [*walks, *_loose_scripts(files, used, _kinds_beside(walks))]


def _kinds_beside(walks: Sequence[Walk]) -> dict[str, set[str]]:
    """Folder of a Dockerfile -> the kinds of processes that its image starts."""
    found: dict[str, set[str]] = {}
    for walk in walks:
        if walk.origin.host == "docker":
            kinds = found.setdefault(posixpath.dirname(walk.origin.path), set())
            kinds |= {process.kind for process in walk.found}
    return found


def _walks(facts: AuxFacts, files: Files) -> Iterator[Walk]:
    if facts.kind == "dockerfile":
        yield from _docker(facts, files)
    elif facts.kind == "compose":
        yield from _compose(facts, files)
    elif facts.kind == "kubernetes":
        yield from _kubernetes(facts, files)
    elif facts.kind in ("systemd", "supervisor", "procfile", "config"):
        yield from _managed(facts, files)


def _loose_scripts(files: Files, used: set[str], beside: dict[str, set[str]]) -> Iterator[Walk]:
    """Scripts that nothing starts: only what is long-running is kept of them, once; nothing where the Dockerfile beside them starts
    its server without them."""
    inner: set[str] = set()
    walks: list[tuple[str, Walk]] = []
    for path, facts in files.scripts.items():
        if path not in used:
            walk = Walk(files, Origin(path, 1, "script", path, sh=files.default_sh))
            walk.script(facts)
            known = beside.get(posixpath.dirname(path), set())
            walk.found = [
                process for process in walk.found if process.kind in _LONG_RUNNING and process.kind not in known
            ]
            inner |= walk.used - {path}
            walks.append((path, walk))
    yield from (walk for path, walk in walks if path not in inner)


def _docker(facts: AuxFacts, files: Files) -> Iterator[Walk]:
    for image in files.images:
        first = (image.command or image.entrypoint)[:1]
        if image.path != facts.path or not first or not (image.last or image.own):
            continue
        origin = Origin(
            path=facts.path,
            line=first[0].line,
            host="docker",
            owner=image.stage,
            image=image,
            environment=image.environment,
            sh=_sh(files, image.base),
            stop_signal=image.stop_signal,
        )
        walk = Walk(files, origin)
        walk.start(_placed(image.path, image.entrypoint), _placed(image.path, image.command))
        yield walk


def _placed(path: str, processes: Sequence[Process]) -> tuple[Placed, ...]:
    return tuple(Placed(path, process) for process in processes)


def _sh(files: Files, image: str) -> str:
    return files.programs.shell_of(image) or files.default_sh


def _compose(facts: AuxFacts, files: Files) -> Iterator[Walk]:
    services = compose_services(facts)
    by_name: dict[str, Image] = {}
    for settings in services.values():
        image, name = _built(facts, settings, files), text(settings, "image")
        if image is not None and name:
            by_name.setdefault(name, image)
    for name, settings in services.items():
        image = _built(facts, settings, files) or by_name.get(text(settings, "image") or "")
        yield from _service(facts, name, settings, image, files)


def _built(facts: AuxFacts, settings: dict[str, Setting], files: Files) -> Image | None:
    """The image of the repository that a service builds."""
    if not any(key.startswith("build.") for key in settings):
        return None
    context = posixpath.join(posixpath.dirname(facts.path), text(settings, "build.context") or ".")
    path = posixpath.normpath(posixpath.join(context, text(settings, "build.dockerfile") or "Dockerfile"))
    stage = text(settings, "build.target") or ""
    return files.image_of(path, stage) or files.image_of(path)


def _service(
    facts: AuxFacts, name: str, settings: dict[str, Setting], image: Image | None, files: Files
) -> Iterator[Walk]:
    """An `entrypoint` of the service replaces entrypoint and command of its image; a `command` only the command."""
    entrypoint = _placed(facts.path, [p for p in facts.processes if p.owner == name and p.role == "entrypoint"])
    command = _placed(facts.path, [p for p in facts.processes if p.owner == name and p.role == "command"])
    given = entrypoint or command
    if image is not None and not entrypoint:
        entrypoint = _placed(image.path, image.entrypoint)
        command = command or _placed(image.path, image.command)
    if not entrypoint and not command:
        return
    environment = {**dict(image.environment if image else ()), **_environment(settings)}
    grace = seconds(text(settings, "stop_grace_period"))
    origin = Origin(
        path=facts.path,
        line=given[0].fact.line if given else line_of(settings),
        host="compose",
        owner=name,
        image=image,
        environment=tuple(environment.items()),
        sh=_sh(files, image.base if image else text(settings, "image") or ""),
        init=text(settings, "init") == "true",
        grace_period=GRACE["compose"] if grace is None else grace,
        development=is_mounted(settings),
        stop_signal=signal(text(settings, "stop_signal") or (image.stop_signal if image else None)),
    )
    walk = Walk(files, origin)
    walk.start(entrypoint, command)
    yield walk


def _environment(settings: dict[str, Setting]) -> dict[str, str]:
    return {key.removeprefix("env."): s.value for key, s in settings.items() if key.startswith("env.")}


def _kubernetes(facts: AuxFacts, files: Files) -> Iterator[Walk]:
    """`command` replaces the entrypoint of the image; `args` alone go to it, where the repository builds just one."""
    for owner in dict.fromkeys(p.owner for p in facts.processes if p.role in ("command", "cmd")):
        processes = [p for p in facts.processes if p.owner == owner and p.role in ("command", "cmd")]
        image = files.only_image()
        container = settings_of(facts, f"{owner}.")
        workload = settings_of(facts, f"{owner.rpartition('/')[0]}.")
        grace = text(workload, "terminationGracePeriodSeconds")
        inside = dict(image.environment) if image else {}
        origin = Origin(
            path=facts.path,
            line=processes[0].line,
            host="kubernetes",
            owner=owner,
            image=image,
            environment=tuple({**inside, **_environment(container)}.items()),
            sh=_sh(files, image.base if image else text(container, "image") or ""),
            grace_period=GRACE["kubernetes"] if grace is None else seconds(grace),
            stop_signal=image.stop_signal if image else "TERM",
        )
        walk = Walk(files, origin)
        only_arguments = processes[0].role == "cmd" and image is not None
        entrypoint = _placed(image.path, image.entrypoint) if image is not None and only_arguments else ()
        walk.start(entrypoint, _placed(facts.path, processes))
        yield walk


def _managed(facts: AuxFacts, files: Files) -> Iterator[Walk]:
    """Units, programs and process types: each of their commands by itself."""
    hosts: dict[str, Host] = {"systemd": "systemd", "supervisor": "supervisor"}
    host = hosts.get(facts.kind, "procfile")
    for owner in dict.fromkeys(p.owner for p in facts.processes if p.role == "service"):
        processes = [p for p in facts.processes if p.owner == owner and p.role == "service"]
        stop = _stop(facts, host, owner)
        origin = Origin(
            path=facts.path,
            line=processes[0].line,
            host=host,
            owner=owner,
            sh=files.default_sh,
            stops_group=stop.group,
            grace_period=stop.grace,
            stop_signal=stop.signal,
        )
        walk = Walk(files, origin)
        walk.start((), _placed(facts.path, processes))
        yield walk


@dataclass(frozen=True, slots=True)
class _Stop:
    """How a process manager stops a process."""

    grace: float | None
    group: bool  # every process of the group gets the signal
    signal: str = "TERM"


def _stop(facts: AuxFacts, host: Host, owner: str) -> _Stop:
    if host == "supervisor":
        kinds = ("program", "fcgi-program", "eventlistener")
        found = next(filter(None, (settings_of(facts, f"{kind}:{owner}.") for kind in kinds)), {})
        given = text(found, "stopwaitsecs")
        grace = GRACE[host] if given is None else seconds(given)
        return _Stop(grace, text(found, "stopasgroup") == "true", signal(text(found, "stopsignal")))
    if host == "systemd":
        unit = settings_of(facts, "unit.")
        given = text(unit, "TimeoutStopSec") or text(unit, "TimeoutSec")
        group = (text(unit, "KillMode") or "control-group") == "control-group"
        return _Stop(GRACE[host] if given is None else seconds(given), group, signal(text(unit, "KillSignal")))
    return _Stop(GRACE["procfile"], group=True)
