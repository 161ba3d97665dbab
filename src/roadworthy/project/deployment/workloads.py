"""Services, containers and units with what decides how they are stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.project.deployment.files import role_of, seconds, settings_of
from roadworthy.project.deployment.values import Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.facts.schema import AuxFacts, Setting

GRACE = {"compose": 10.0, "kubernetes": 30.0, "systemd": 90.0, "supervisor": 10.0, "procfile": 30.0}
"""Seconds between SIGTERM and SIGKILL where nothing else is said (docs of Docker, Kubernetes, systemd, supervisord, Heroku)."""

_SOURCE_TREES = (".", "..", "./app", "./src", "./backend", "./api", "./server")


def workloads(facts: AuxFacts, selectors: list[dict[str, str]]) -> Iterator[Workload]:
    """The workloads of one file. `selectors`: the label selectors of all Services of the repository."""
    if facts.kind == "compose":
        yield from _compose(facts)
    elif facts.kind == "kubernetes":
        yield from _kubernetes(facts, selectors)


def selectors_of(facts: AuxFacts) -> list[dict[str, str]]:
    """Label selectors of the Kubernetes Services in a file."""
    found: dict[str, dict[str, str]] = {}
    for setting in facts.settings:
        service, dot, label = setting.key.partition(".selector.")
        if dot and service.startswith("Service/"):
            found.setdefault(service, {})[label] = setting.value
    return list(found.values())


def compose_services(facts: AuxFacts) -> dict[str, dict[str, Setting]]:
    """Settings of each service by their name inside the service, the first of each."""
    found: dict[str, dict[str, Setting]] = {}
    for process in facts.processes:
        found.setdefault(process.owner, {})
    for key, setting in settings_of(facts, "services.").items():
        name, _, rest = key.partition(".")
        found.setdefault(name, {}).setdefault(rest, setting)
    return found


def text(settings: dict[str, Setting], key: str) -> str | None:
    """The value of a setting, or None."""
    setting = settings.get(key)
    return setting.value if setting else None


def line_of(settings: dict[str, Setting], otherwise: int = 1) -> int:
    """The line of the service or container."""
    return settings["name"].line if "name" in settings else otherwise


def _compose(facts: AuxFacts) -> Iterator[Workload]:
    for name, settings in compose_services(facts).items():
        given = seconds(text(settings, "stop_grace_period"))
        yield Workload(
            path=facts.path,
            line=line_of(settings),
            host="compose",
            kind="service",
            name=name,
            container=name,
            role="dev" if is_mounted(settings) else role_of(facts.path, name),
            image=text(settings, "image") or "",
            replicas=text(settings, "deploy.replicas"),
            grace_period=GRACE["compose"] if given is None else given,
            readiness="healthcheck.test" in settings,
            liveness="healthcheck.test" in settings,
            init=text(settings, "init") == "true",
            restart=text(settings, "restart"),
        )


def is_mounted(settings: dict[str, Setting]) -> bool:
    """A service into which the source tree is mounted is for development."""
    sources = (setting.value.split(":")[0].rstrip("/") for key, setting in settings.items() if key == "volume")
    return any(source in _SOURCE_TREES for source in sources)


def _kubernetes(facts: AuxFacts, selectors: list[dict[str, str]]) -> Iterator[Workload]:
    owners = [s.key.removesuffix(".kind") for s in facts.settings if s.key.endswith(".kind") and s.key.count("/") == 1]
    for owner in dict.fromkeys(owners):
        settings = settings_of(facts, f"{owner}.")
        kind, _, name = owner.partition("/")
        labels = {key.removeprefix("label."): s.value for key, s in settings.items() if key.startswith("label.")}
        behind = any(selector and all(labels.get(k) == v for k, v in selector.items()) for selector in selectors)
        grace = seconds(text(settings, "terminationGracePeriodSeconds"))
        for container, inner in _containers(facts, owner).items():
            yield Workload(
                path=facts.path,
                line=line_of(inner, settings["kind"].line),
                host="kubernetes",
                kind=kind,
                name=name,
                container=container,
                role=role_of(facts.path, name),
                image=text(inner, "image") or "",
                replicas=text(settings, "replicas"),
                strategy=text(settings, "strategy") or text(settings, "updateStrategy"),
                grace_period=grace if "terminationGracePeriodSeconds" in settings else GRACE["kubernetes"],
                pre_stop=text(inner, "preStop"),
                readiness="readinessProbe" in inner,
                liveness="livenessProbe" in inner,
                behind_service=behind,
                restart=text(settings, "restartPolicy"),
                concurrency=text(settings, "concurrencyPolicy"),
            )


def _containers(facts: AuxFacts, owner: str) -> dict[str, dict[str, Setting]]:
    """Settings of each container that is no init container (those have no probes, and their commands are `run`)."""
    found: dict[str, dict[str, Setting]] = {}
    first_steps = {p.owner for p in facts.processes if p.role == "run"}
    for process in facts.processes:
        if process.owner.startswith(owner + "/") and process.owner not in first_steps:
            found.setdefault(process.owner.removeprefix(owner + "/"), {})
    for key, setting in settings_of(facts, owner + "/").items():
        container, _, rest = key.partition(".")
        if f"{owner}/{container}" not in first_steps:
            found.setdefault(container, {}).setdefault(rest, setting)
    return found
