"""The registry of rules is honest: ids, documentation, cases, imports, and no library's name in a rule."""

from __future__ import annotations

import ast
import importlib
import re
import sys
import tomllib

import pytest

from rulebook import CASES, LIBRARIES, ROOT, RULES, SECTIONS, RuleFile, rule_files
from support.cases import load_cases
from support.engine import needs_engine

RULE_FILES = rule_files()

BAD_PREFIXES = ("require-", "no-", "use-", "avoid-", "disallow-")
PREFIX_EXCEPTIONS = {
    "no-circuit-breaker": "the thing has no better name than its absence",
    "no-drain-time": "the thing has no better name than its absence",
}

COMMON_WORDS = {
    "calendar", "concurrent", "csv", "datetime", "decorator", "docker", "fire", "kubernetes", "retry", "together", "whenever", "email", "http", "json", "logging", "queue", "random", "requests", "schedule", "secrets",
    "select", "signal", "socket", "ssl", "threading", "time", "traceback", "uuid", "warnings", "xml",
}  # fmt: skip
"""Import roots that are also words of a sentence, so that a rule may say them."""

each_rule = pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.id) for rule in RULE_FILES])


def import_roots() -> set[str]:
    """The first part of each module that a library file speaks of."""
    roots: set[str] = set()
    for file in LIBRARIES.glob("*.toml"):
        modules = tomllib.loads(file.read_text(encoding="utf-8")).get("modules", [])
        roots |= {module.partition(".")[0] for module in modules}
    return roots - COMMON_WORDS


def test_ids_are_unique() -> None:
    """Two pillars cannot share a file name."""
    ids = [rule.id for rule in RULE_FILES]
    assert sorted(set(ids)) == sorted(ids)


def test_every_rule_lies_in_a_pillar() -> None:
    """A rule file elsewhere would never run."""
    strays = [p.relative_to(RULES).as_posix() for p in RULES.rglob("*.py") if len(p.relative_to(RULES).parts) > 2]
    assert strays == []


def test_every_case_file_belongs_to_a_rule() -> None:
    """A misspelled case file would test a rule that does not exist."""
    strays = {file.stem for file in CASES.glob("*.md")} - {rule.id for rule in RULE_FILES}
    assert sorted(strays) == []


@each_rule
def test_the_name_reads_well_after_allow(rule: RuleFile) -> None:
    """`ignore[call-without-timeout]` names the fault, not the remedy."""
    assert not rule.id.startswith(BAD_PREFIXES) or rule.id in PREFIX_EXCEPTIONS


@needs_engine
@each_rule
def test_the_rule_names_itself_as_its_file(rule: RuleFile) -> None:
    """The id is the file's stem with hyphens; the documentation is the module's docstring."""
    declared = importlib.import_module(rule.module).RULE
    assert declared.id == rule.id
    assert declared.doc.strip() == rule.doc.strip()
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", declared.anti_pattern)


@each_rule
def test_the_documentation_has_its_sections(rule: RuleFile) -> None:
    """One sentence, then the fixed sections in order, none empty, with at least one example of each kind."""
    assert re.fullmatch(r"[A-Z`].{10,110}\.", rule.summary), f"the first line must be one sentence: {rule.summary!r}"
    parts = [section for section in rule.sections() if section.level == 2]
    assert [part.title for part in parts] == list(SECTIONS)
    for part in parts:
        assert part.text or part.blocks, f"`{part.title}` is empty"
    for title in ("Bad", "Good"):
        assert list(rule.examples(title)), f"`{title}` has no example"


@each_rule
def test_the_rule_has_cases(rule: RuleFile) -> None:
    """At least three, one of them over several files, one that reports and one that is silent."""
    assert rule.cases.exists(), f"write tests/cases/{rule.id}.md"
    cases = load_cases(rule.cases)
    marked = [{m.kind for m in case.markers if m.word == rule.id} for case in cases]
    assert len(cases) >= 3
    assert any(len(case.files) > 1 for case in cases), "no case has more than one file"
    assert any("finding" in kinds for kinds in marked), "no case reports"
    assert any(not kinds for kinds in marked), "no case is silent"


@each_rule
def test_the_rule_imports_only_its_api(rule: RuleFile) -> None:
    """`roadworthy.rules.api` and the standard library."""
    foreign = [name for name in _imported(rule) if name.partition(".")[0] not in sys.stdlib_module_names]
    assert set(foreign) <= {"roadworthy.rules.api"}


@each_rule
def test_the_rule_names_no_library(rule: RuleFile) -> None:
    """What a library is called and does stands in TOML. The documentation's examples may use libraries."""
    words: set[str] = set()
    for text in _texts(rule):
        words |= set(re.findall(r"[a-z_][a-z0-9_]*", text))
    assert sorted(words & import_roots()) == []


def test_the_search_for_libraries_finds_them() -> None:
    """The check above would pass if no library file were read."""
    if list(LIBRARIES.glob("*.toml")):
        assert import_roots() & {"asyncio", "httpx", "sqlalchemy", "celery"}
    assert "requests" not in import_roots()


def test_nothing_is_left_to_do() -> None:
    """Skeletons of `tools/new.py` are finished."""
    places = [
        *RULES.rglob("*.py"),
        *CASES.glob("*.md"),
        *LIBRARIES.glob("*.toml"),
        *(ROOT / "changelog.d").glob("*.md"),
    ]
    assert [p.relative_to(ROOT).as_posix() for p in places if "TODO" in p.read_text(encoding="utf-8")] == []


def _imported(rule: RuleFile) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(rule.path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append("." * node.level + (node.module or ""))
    return names


def _texts(rule: RuleFile) -> list[str]:
    """String constants of the code, without docstrings."""
    tree = ast.parse(rule.path.read_text(encoding="utf-8"))
    docstrings = {
        id(body[0].value) for node in ast.walk(tree) if (body := getattr(node, "body", None)) and _is_text(body)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings
    ]


def _is_text(body: object) -> bool:
    return isinstance(body, list) and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant)
