"""The examples in the rules' documentation are executed: *Bad* gives its marked findings, *Good* none of its rule."""

from __future__ import annotations

import pytest

from rulebook import ROOT, RuleFile, rule_files
from support.cases import Case, build_case
from support.engine import needs_engine
from support.run import run_rule_case


def _examples(title: str) -> list[object]:
    return [
        pytest.param(rule.id, _case(rule, title, line, files), id=f"{rule.id}::{title.lower()}-{number}")
        for rule in rule_files()
        for number, (line, files) in enumerate(rule.examples(title), 1)
    ]


def _case(rule: RuleFile, title: str, line: int, files: list[tuple[str, str, int]]) -> Case:
    return build_case(str(rule.path.relative_to(ROOT)), line, title, files)


@needs_engine
@pytest.mark.parametrize(("rule", "case"), _examples("Bad"))
def test_bad_example(rule: str, case: Case) -> None:
    """It is reported where the example says so."""
    if rule not in {marker.word for marker in case.of_kind("finding")}:
        pytest.fail(f"{case.source}:{case.line}: the block has no `# finding: {rule}`", pytrace=False)
    if told := run_rule_case(case, rule):
        pytest.fail(told, pytrace=False)


@needs_engine
@pytest.mark.parametrize(("rule", "case"), _examples("Good"))
def test_good_example(rule: str, case: Case) -> None:
    """The rule is silent."""
    if told := run_rule_case(case, rule):
        pytest.fail(told, pytrace=False)
