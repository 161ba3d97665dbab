"""The specification of each rule (`tests/cases/<rule-id>.md`) and of the stages (`tests/project/*.md`): every case is a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.cases import Case, CaseError, load_cases
from support.engine import needs_engine
from support.markers import STAGE_KINDS
from support.run import run_rule_case, run_stage_case

HERE = Path(__file__).parent


def _collected(folder: str) -> list[object]:
    """All cases; a file that cannot be read is one failing test and does not stop the others."""
    params: list[object] = []
    for file in sorted((HERE / folder).glob("*.md")):
        try:
            cases = load_cases(file, f"tests/{folder}/{file.name}")
        except CaseError as error:
            params.append(pytest.param(file.stem, error, id=f"{file.stem}::unreadable"))
        else:
            params += [pytest.param(file.stem, case, id=f"{file.stem}::{case.slug}") for case in cases]
    return params


@needs_engine
@pytest.mark.parametrize(("rule", "case"), _collected("cases"))
def test_rule_case(rule: str, case: Case | CaseError) -> None:
    """The rule reports what is marked and nothing else."""
    if isinstance(case, CaseError):
        pytest.fail(str(case), pytrace=False)
    if told := run_rule_case(case, rule):
        pytest.fail(told, pytrace=False)


@needs_engine
@pytest.mark.parametrize(("stage", "case"), _collected("project"))
def test_stage_case(stage: str, case: Case | CaseError) -> None:
    """The model believes what is marked."""
    if isinstance(case, CaseError):
        pytest.fail(str(case), pytrace=False)
    if not case.of_kind(*STAGE_KINDS):
        pytest.fail(f"{case.source}:{case.line}: this case has no stage marker", pytrace=False)
    if told := run_stage_case(case):
        pytest.fail(told, pytrace=False)
