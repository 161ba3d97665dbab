"""Compose files: what each service starts, how long it may take to stop, and what it is built from."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from roadworthy.facts.around.commands import Start, add_argv, split_text, split_words
from roadworthy.facts.around.found import HOLE
from roadworthy.facts.around.yamltree import Document, Items, Map, Scalar, Value

if TYPE_CHECKING:
    from roadworthy.facts.around.found import Found

_SCALARS = ("image", "container_name", "stop_grace_period", "stop_signal", "init", "restart", "env_file", "user", "pid")
_PATHS = (
    ("build", "context"),
    ("build", "dockerfile"),
    ("build", "target"),
    ("deploy", "replicas"),
    ("healthcheck", "disable"),
)
_VARIABLE = re.compile(r"\$\$|\$\{(\w+)(?:(:?[-?+])([^}]*))?\}|\$(\w+)")
_EXTENDS = 3


def read(documents: list[Document], found: Found) -> bool:
    """Read the services of a compose file."""
    seen = False
    for document in documents:
        services = document.get(document.root, "services")
        if not isinstance(services, Map):
            continue
        for name, service in document.pairs(services):
            if isinstance(document.resolve(service), Map):
                seen = True
                _Service(document, services, name, service).read(found)
    return seen


class _Service:
    """One service."""

    def __init__(self, document: Document, services: Value, name: Scalar, service: Value) -> None:
        self.document = document
        self.services = services
        self.name = name
        self.service = service

    def read(self, found: Found) -> None:
        """Settings first, then the commands."""
        self._settings(found)
        environment = self._environment(found)
        entrypoint = self._field("entrypoint")
        command = self._field("command")
        first = self._words(entrypoint)
        second = self._words(command)
        if split_text(first, second):
            first, second = (), (*first, *second)
        for role, words, value in (("entrypoint", first, entrypoint), ("command", second, command)):
            if words and value is not None:
                add_argv(found, words, _start(value, Start(role, self.name.text, environment=environment)))

    def _field(self, *path: str) -> Value | None:
        """A field of the service, or of the one that it extends in the same file."""
        service: Value | None = self.service
        for _ in range(_EXTENDS):
            value = self.document.get(service, *path)
            if value is not None:
                return value
            base = self.document.text(service, "extends") or self.document.text(service, "extends", "service")
            if base is None:
                return None
            service = self.document.get(self.services, base)
        return None

    def _words(self, value: Value | None) -> tuple[str, ...]:
        if isinstance(value, Scalar):
            return split_words(interpolate(value.text))
        return tuple(interpolate(item.text) for item in self.document.items(value) if isinstance(item, Scalar))

    def _settings(self, found: Found) -> None:
        prefix = f"services.{self.name.text}"
        found.setting(self.name.line, f"{prefix}.name", self.name.text)
        build = self._field("build")
        if isinstance(build, Scalar):
            found.setting(build.line, f"{prefix}.build.context", build.text)
        for path in (*((name,) for name in _SCALARS), *_PATHS):
            value = self._field(*path)
            if isinstance(value, Scalar) and value.text:
                found.setting(value.line, ".".join((prefix, *path)), interpolate(value.text))
        test = self._field("healthcheck", "test")
        if test is not None:
            found.setting(test.line, f"{prefix}.healthcheck.test", " ".join(self._words(test)))
        for volume in self.document.items(self._field("volumes")):
            text = volume.text if isinstance(volume, Scalar) else self.document.text(volume, "source")
            if text and text.startswith((".", "/", "~", "$")):
                found.setting(volume.line, f"{prefix}.volume", interpolate(text))

    def _environment(self, found: Found) -> dict[str, str]:
        value = self._field("environment")
        pairs: list[tuple[int, str, str]] = []
        if isinstance(value, Items):
            for item in self.document.items(value):
                if isinstance(item, Scalar) and "=" in item.text:
                    name, _, text = item.text.partition("=")
                    pairs.append((item.line, name, text))
        else:
            for key, inner in self.document.pairs(value):
                text_value = self.document.text(inner)
                if text_value is not None:
                    pairs.append((key.line, key.text, text_value))
        for line, name, text in pairs:
            found.setting(line, f"services.{self.name.text}.env.{name}", interpolate(text))
        return {name: interpolate(text) for _, name, text in pairs}


def _start(value: Value, start: Start) -> Start:
    """The place of a command; lines of a literal block are told apart."""
    start = replace(start, line=value.line, end_line=value.end_line)
    last = value.items[-1] if isinstance(value, Items) and value.items else None
    if isinstance(last, Scalar) and last.literal:
        first = last.line
        return replace(start, line_of=lambda line: first + line - 1)
    return start


def interpolate(text: str) -> str:
    """Compose's own variables: `$$` is a dollar, a default is taken, everything else is a hole."""
    if "$" not in text:
        return text
    return _VARIABLE.sub(_value, text)


def _value(match: re.Match[str]) -> str:
    if match[0] == "$$":
        return "$"
    if match[2] in (":-", "-"):
        return match[3]
    return HOLE
