"""Finds the rules by walking the folders, checks their form, and orders them by pillar and id."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from roadworthy.findings.finding import Pillar
from roadworthy.rules.api import Rule

if TYPE_CHECKING:
    from roadworthy.findings.finding import RuleInfo

SECTIONS = ("## Why it fails in production", "## What is reported", "## What is not reported", "## Bad", "## Good")


def page_of(info: RuleInfo) -> Path:
    """The file whose docstring is the documentation of a rule."""
    return Path(__file__).parent / info.pillar.value / f"{info.id.replace('-', '_')}.py"


class RuleError(Exception):
    """A rule module is not in the form that CONTRIBUTING asks for."""


def load_rules() -> tuple[Rule, ...]:
    """All rules. Raises RuleError when a module is malformed: a reviewer that silently lost a rule lies."""
    rules: list[Rule] = []
    for pillar in Pillar:
        folder = Path(__file__).with_name(pillar.value)
        stems = sorted(file.stem for file in folder.glob("*.py"))
        rules.extend(_load(pillar, stem) for stem in stems if stem != "__init__")
    return tuple(rules)


def _load(pillar: Pillar, stem: str) -> Rule:
    module = import_module(f"roadworthy.rules.{pillar.value}.{stem}")
    rule = getattr(module, "RULE", None)
    if not isinstance(rule, Rule):
        raise RuleError(f"{stem}: no RULE")
    if rule.id != stem.replace("_", "-"):
        raise RuleError(f"{stem}: id {rule.id!r} is not the file's name")
    missing = [section for section in SECTIONS if section not in (rule.doc or "")]
    if missing:
        raise RuleError(f"{stem}: documentation lacks {', '.join(missing)}")
    rule.pillar = pillar
    return rule
