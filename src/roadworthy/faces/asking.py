"""The commands that print what is known: of a function, of the rules, of a library."""

import difflib
import json
import os
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from roadworthy.advice.listing import FORMATS, listing
from roadworthy.advice.patterns import mine
from roadworthy.config import UsageError
from roadworthy.config.schema import schema
from roadworthy.engine import STAGES, Project, project_settings, survey
from roadworthy.engine.run import judge
from roadworthy.faces.guard import INCOMPLETE
from roadworthy.faces.progress import ProgressBar
from roadworthy.findings.finding import Finding, RuleInfo
from roadworthy.knowledge.load import KnowledgeError
from roadworthy.knowledge.show import show_library
from roadworthy.project.describe import describe
from roadworthy.project.model import Model
from roadworthy.report.markdown import head_lines, tail_lines
from roadworthy.text.places import CACHE_VARIABLE

FINGERPRINT = re.compile(r"[0-9a-f]{6,16}")
"""A finding's fingerprint, or enough of its beginning."""


def model_text(function: str, path: Path | None, *, jobs: int = 0, no_cache: bool = False) -> tuple[str, int]:
    """Describe a function; with the exit status."""
    project = _surveyed(path, jobs=jobs, no_cache=no_cache)
    if project.model is None:
        return _failed(project), INCOMPLETE
    try:
        return describe(project.model, function), 0
    except LookupError as error:
        raise UsageError(_said(error) or f"{function}: no such function") from error


def patterns_text(path: Path | None, form: str, *, jobs: int = 0, no_cache: bool = False) -> tuple[str, int]:
    """List what the code base does right; with the exit status."""
    if form not in FORMATS:
        raise UsageError(f"unknown format {form!r}: choose from {', '.join(FORMATS)}")
    project = _surveyed(path, jobs=jobs, no_cache=no_cache)
    if project.model is None:
        return _failed(project), INCOMPLETE
    return listing(mine(project.model), form), 0


def _surveyed(path: Path | None, *, jobs: int, no_cache: bool) -> Project:
    paths = (path,) if path is not None else ()
    if no_cache:
        os.environ[CACHE_VARIABLE] = ""
    settings = replace(project_settings(paths), jobs=jobs, cache=not no_cache)
    with ProgressBar() as bar:
        return survey(paths, settings, progress=bar)


def _failed(project: Project) -> str:
    return "".join(f"{problem.message}\n" for problem in project.problems if problem.path == ".")


def rules_text() -> str:
    """List the rules by pillar."""
    infos = [rule.info for rule in STAGES.rules()]
    widest = max((len(info.id) for info in infos), default=0)
    lines = []
    for pillar in dict.fromkeys(info.pillar for info in sorted(infos, key=_place)):
        lines.append(pillar.value.capitalize())
        lines.extend(
            f"  {info.id:<{widest}}  {info.summary}" for info in sorted(infos, key=_place) if info.pillar is pillar
        )
    return "\n".join(lines) + "\n" if lines else "No rules.\n"


def _place(info: RuleInfo) -> tuple[int, str]:
    return list(type(info.pillar)).index(info.pillar), info.id


def explanation(name: str) -> str:
    """Return the documentation of a rule, as Markdown."""
    infos = {rule.info.id: rule.info for rule in STAGES.rules()}
    if name not in infos:
        raise UsageError(f"there is no rule {name}{_nearest(name, infos)}")
    info = infos[name]
    return f"# {info.id}\n\n{textwrap.dedent(info.doc).strip()}\n"


def finding_text(fingerprint: str, path: Path | None, *, jobs: int = 0, no_cache: bool = False) -> tuple[str, int]:
    """Everything known about one finding: its text, what the model believes of its function, when its rule is silent."""
    project = _surveyed(path, jobs=jobs, no_cache=no_cache)
    if project.model is None:
        return _failed(project), INCOMPLETE
    settings = replace(project_settings((path,) if path is not None else ()), pedantic=True)
    found = [f for f in judge(project, settings, STAGES).findings if f.fingerprint.startswith(fingerprint)]
    if len(found) != 1:
        told = (
            f"{len(found)} findings begin so; write more of it" if found else "there is no such finding in this project"
        )
        raise UsageError(f"{fingerprint}: {told}")
    return "\n".join(_told(found[0], project.model)) + "\n", 0


def _told(found: Finding, model: Model) -> Iterator[str]:
    yield f"# [Severity: {found.severity.value}] {found.title}\n"
    yield f"`{found.fingerprint}`, rule {found.rule}, {found.confidence.value} confidence\n"
    yield from (*head_lines(found), *tail_lines(found))
    function = next(
        (fn for fn in model.symbols.functions if (fn.path, fn.qualname) == (found.at.path, found.at.function)), None
    )
    if function is not None:
        yield f"## What is known of `{found.at.function}`\n\n```text\n{describe(model, function.id).rstrip()}\n```\n"
    info = next((rule.info for rule in STAGES.rules() if rule.info.id == found.rule), None)
    _, _, silent = (info.doc if info is not None else "").partition("## What is not reported")
    if silent:
        yield f"## When the rule is silent\n\n{textwrap.dedent(silent.partition(chr(10) + '## ')[0]).strip()}"


def schema_text() -> str:
    """The JSON schema of the configuration."""
    return json.dumps(schema([rule.info for rule in STAGES.rules()]), indent=2) + "\n"


def library_text(name: str) -> str:
    """Show what is known of a library."""
    try:
        knowledge = STAGES.knowledge(project_settings().libraries)
    except KnowledgeError as error:
        raise UsageError(str(error)) from error
    return show_library(knowledge, name)


def _said(error: LookupError) -> str:
    return str(error.args[0]) if error.args else ""


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
