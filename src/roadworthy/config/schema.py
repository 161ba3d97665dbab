"""The JSON schema of `roadworthy.toml`, and of `[tool.roadworthy]`: what an editor may offer and a tool may check."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.config.load import names_of
from roadworthy.findings.finding import Severity
from roadworthy.text.source import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roadworthy.findings.finding import RuleInfo

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]

_SEVERITIES: list[Json] = [severity.value for severity in Severity]


def schema(rules: Sequence[RuleInfo]) -> dict[str, Json]:
    """The schema of one configuration file, with the names of these rules."""
    known: list[Json] = [*sorted(names_of(rules))]
    names: Json = {"enum": known}
    severity: Json = {
        "type": "object",
        "description": "Another severity for rules, anti-patterns or pillars; the most precise name wins.",
        "propertyNames": names,
        "additionalProperties": {"enum": _SEVERITIES},
    }
    listed = _one_or_more(names)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of roadworthy",
        "description": "In roadworthy.toml, or in pyproject.toml below [tool.roadworthy].",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "extend": _told(_texts(), "Files whose settings hold unless this one says otherwise; lists add up."),
            "select": _told(listed, "Only these rules, anti-patterns or pillars."),
            "ignore": _told(listed, "Not these rules, anti-patterns or pillars."),
            "severity": severity,
            "exclude": _told(_texts(), "Paths that are not read, as in .gitignore."),
            "paths": {
                "type": "array",
                "description": "What holds for some paths only.",
                "items": _paths(listed, severity),
            },
            "libraries": _told(_texts(), "Files or folders with library files of the project's own."),
            "fail-on": {
                "enum": [*_SEVERITIES, "never"],
                "default": "HIGH",
                "description": "The least severity with exit status 1.",
            },
            "pedantic": {
                "type": "boolean",
                "default": False,
                "description": "Also findings of low confidence, and hardening.",
            },
            "baseline": _told(_text(), "The file of `roadworthy baseline write`."),
        },
    }


def _paths(listed: Json, severity: Json) -> Json:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["path"],
        "properties": {
            "path": _told(_texts(), "Patterns as in .gitignore."),
            "ignore": listed,
            "severity": severity,
            "role": {"enum": [role.value for role in Role], "description": "What these files count as."},
        },
    }


def _text() -> dict[str, Json]:
    return {"type": "string", "minLength": 1}


def _texts() -> dict[str, Json]:
    return _one_or_more(_text())


def _one_or_more(item: Json) -> dict[str, Json]:
    return {"anyOf": [item, {"type": "array", "items": item}]}


def _told(found: dict[str, Json], description: str) -> dict[str, Json]:
    return {**found, "description": description}
