"""YAML files: compose, Kubernetes, the manifests of hosting platforms, OpenAPI. Everything else is declined unparsed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from roadworthy.facts.around import compose, kubernetes, openapi
from roadworthy.facts.around.commands import Start, add_shell_text
from roadworthy.facts.around.helm import fill
from roadworthy.facts.around.yamltree import Document, Scalar, Value, read_documents

if TYPE_CHECKING:
    from roadworthy.facts.around.found import Found, Source

_KUBERNETES = re.compile(rf"^\s*(?:- )?kind:\s*[\"']?(?:{'|'.join(kubernetes.KINDS)})\b", re.MULTILINE)
_COMPOSE = re.compile(r"^services:\s*(?:#.*)?$", re.MULTILINE)
_PLATFORMS = ("heroku.yml", "render.yaml", "app.yaml", "app.yml")
_SERVICE_KEYS = re.compile(
    r"(?:^\s+|[{,]\s*)(?:image|build|command|entrypoint|extends|ports|depends_on|environment):", re.MULTILINE
)


def looks_like_manifest(text: str) -> bool:
    """Tell by a few words whether a text may be a Kubernetes or compose manifest."""
    return _is_kubernetes(text) or _is_compose(text)


def _is_kubernetes(text: str) -> bool:
    return _KUBERNETES.search(text) is not None


def _is_compose(text: str) -> bool:
    return _COMPOSE.search(text) is not None and _SERVICE_KEYS.search(text) is not None


def read(source: Source, found: Found) -> str | None:
    """Read a manifest, or decline."""
    text = source.text
    is_kubernetes = _is_kubernetes(text)
    is_compose = _is_compose(text)
    is_platform = source.name in _PLATFORMS
    if not (is_kubernetes or is_compose or is_platform):
        return _openapi(text, found)
    documents, problems = read_documents(fill(text))
    kind = ""
    if is_compose and not is_platform and compose.read(documents, found):
        kind = "compose"
    elif is_kubernetes and kubernetes.read(documents, found):
        kind = "kubernetes"
    elif is_platform and sum(_platform(document, found) for document in documents):
        kind = "procfile"
    elif not problems:
        return None
    for line, message in problems:
        found.problem(line, message)
    return kind or ("compose" if is_compose else "kubernetes" if is_kubernetes else "procfile")


def _openapi(text: str, found: Found) -> str | None:
    """What cannot be parsed is no loss here: nobody deploys by it."""
    if not openapi.looks_like_openapi(text):
        return None
    return "openapi" if openapi.read(read_documents(text)[0], found) else None


def _platform(document: Document, found: Found) -> bool:
    """Heroku's `run`, Render's `startCommand`, App Engine's `entrypoint`."""
    root = document.root
    seen = False
    for key, value in document.pairs(document.get(root, "run")):
        inner = document.get(value, "command") or document.resolve(value)
        steps = document.items(inner) or (inner,)
        seen = sum(_command(found, step, "service", key.text) for step in steps) > 0 or seen
    for service in document.items(document.get(root, "services")):
        name = document.text(service, "name") or ""
        seen = _command(found, document.get(service, "startCommand"), "service", name) or seen
    return _command(found, document.get(root, "entrypoint"), "service", "default") or seen


def _command(found: Found, value: Value | None, role: str, owner: str) -> bool:
    if not isinstance(value, Scalar) or not value.text:
        return False
    start = Start(role, owner, value.line, value.end_line)
    add_shell_text(found, value.text, ("/bin/sh", "-c"), start)
    return True
