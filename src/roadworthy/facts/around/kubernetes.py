"""Kubernetes manifests: what each container starts and how much time it gets to stop."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.facts.around.commands import Start, add_argv
from roadworthy.facts.around.yamltree import Document, Items, Map, Scalar, Value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.facts.around.found import Found

_POD_PATHS: dict[str, tuple[str, ...]] = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Rollout": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Pod": (),
}
KINDS = (*_POD_PATHS, "Service", "List")

_OF_WORKLOAD = (
    ("replicas",),
    ("strategy", "type"),
    ("updateStrategy", "type"),
    ("minReadySeconds",),
    ("backoffLimit",),
    ("concurrencyPolicy",),
    ("schedule",),
    ("activeDeadlineSeconds",),
)
_OF_POD = ("terminationGracePeriodSeconds", "restartPolicy", "shareProcessNamespace")
_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")


def read(documents: list[Document], found: Found) -> bool:
    """Read the workloads and services of a manifest."""
    seen = False
    for document in documents:
        for resource in _resources(document):
            seen = _read_resource(document, resource, found) or seen
    return seen


def _resources(document: Document) -> Iterator[Value]:
    if document.text(document.root, "kind") == "List":
        yield from document.items(document.get(document.root, "items"))
    else:
        yield document.root


def _read_resource(document: Document, resource: Value, found: Found) -> bool:
    kind = document.text(resource, "kind") or ""
    name = document.text(resource, "metadata", "name") or ""
    if kind == "Service":
        return _read_service(document, resource, f"Service/{name}", found)
    if kind not in _POD_PATHS:
        return False
    owner = f"{kind}/{name}"
    found.setting(resource.line, f"{owner}.kind", kind)
    for path in _OF_WORKLOAD:
        _copy(document, resource, ("spec", *path), f"{owner}.{path[0]}", found)
    pod = document.get(resource, *_POD_PATHS[kind])
    for key, value in document.pairs(document.get(pod, "metadata", "labels")):
        if isinstance(value, Scalar):
            found.setting(key.line, f"{owner}.label.{key.text}", value.text)
    for key_name in _OF_POD:
        _copy(document, pod, ("spec", key_name), f"{owner}.{key_name}", found)
    for container in document.items(document.get(pod, "spec", "initContainers")):
        _read_container(document, container, owner, found, init=True)
    for container in document.items(document.get(pod, "spec", "containers")):
        _read_container(document, container, owner, found, init=False)
    return True


def _read_service(document: Document, resource: Value, owner: str, found: Found) -> bool:
    for key, value in document.pairs(document.get(resource, "spec", "selector")):
        if isinstance(value, Scalar):
            found.setting(key.line, f"{owner}.selector.{key.text}", value.text)
    return True


def _read_container(document: Document, container: Value, workload: str, found: Found, *, init: bool) -> None:
    if not isinstance(container, Map):
        return
    owner = f"{workload}/{document.text(container, 'name') or ''}"
    _copy(document, container, ("name",), f"{owner}.name", found)
    _copy(document, container, ("image",), f"{owner}.image", found)
    for probe in _PROBES:
        value = document.get(container, probe)
        if value is not None:
            found.setting(value.line, f"{owner}.{probe}", "present")
    environment = _environment(document, container, owner, found)
    start = Start("run" if init else "command", owner, environment=environment)
    command = document.get(container, "command")
    arguments = document.get(container, "args")
    if command is not None:
        _add(document, (command, arguments), start, found)
    elif arguments is not None and not init:
        _add(document, (arguments,), replace(start, role="cmd"), found)
    _read_pre_stop(document, container, owner, found)


def _read_pre_stop(document: Document, container: Value, owner: str, found: Found) -> None:
    hook = document.get(container, "lifecycle", "preStop")
    if not isinstance(hook, Map):
        return
    how = next((key.text for key, _ in document.pairs(hook)), "present")
    found.setting(hook.line, f"{owner}.preStop", how)
    _add(document, (document.get(hook, "exec", "command"),), Start("prestop", owner), found)


def _environment(document: Document, container: Value, owner: str, found: Found) -> dict[str, str]:
    environment: dict[str, str] = {}
    for item in document.items(document.get(container, "env")):
        name, value = document.text(item, "name"), document.text(item, "value")
        if name and value is not None:
            found.setting(item.line, f"{owner}.env.{name}", value)
            environment[name] = value
    return environment


def _add(document: Document, parts: tuple[Value | None, ...], start: Start, found: Found) -> None:
    """A command made of one or two lists of words."""
    words: list[Scalar] = []
    for part in parts:
        items = (part,) if isinstance(part, Scalar) else document.items(part)
        words.extend(item for item in items if isinstance(item, Scalar))
    if not words:
        return
    given = [part for part in parts if isinstance(part, (Scalar, Items))]
    placed = replace(start, line=given[0].line, end_line=given[-1].end_line)
    last = words[-1]
    if last.literal:
        placed = replace(placed, line_of=lambda line: last.line + line - 1)
    add_argv(found, tuple(word.text for word in words), placed)


def _copy(document: Document, value: Value | None, path: tuple[str, ...], key: str, found: Found) -> None:
    inner = document.get(value, *path)
    if isinstance(inner, Scalar):
        found.setting(inner.line, key, inner.text)
