"""Runs one case through the tool and tells what differs. Used for case files and for the examples of the documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pasteable
from advice.snippets import faults as fix_faults
from support.compare import finding_differences, problem_differences
from support.engine import model_of_case, review_case
from support.markers import RULE_KINDS, STAGE_KINDS
from support.stages import stage_differences
from support.titles import title_faults

if TYPE_CHECKING:
    from support.cases import Case


def run_rule_case(case: Case, rule: str) -> str:
    """Review the case with the rule under test and the rules that its markers name; empty when all is as marked."""
    rules = sorted({rule, *(marker.word for marker in case.of_kind(*RULE_KINDS))})
    review = review_case(case, rules)
    told = [finding_differences(case, rule, review.findings), problem_differences(case, review.problems)]
    told += [
        f"{case.source}:{case.line}: the title `{finding.title}` {fault}"
        for finding in review.findings
        for fault in title_faults(finding.title, case.files)
    ]
    told += [
        f"{case.source}:{case.line}: the fix of `{finding.title}`: {fault}"
        for finding in review.findings
        for fault in fix_faults(finding.fix)
    ]
    told += [
        f"{case.source}:{case.line}: the snippet of `{finding.title}` cannot be pasted: {fault.kind} {fault.detail}"
        for finding in review.findings
        for fault in pasteable.faults(finding.fix, case.files, finding.at.path, finding.at.line)
    ]
    told.append(run_stage_case(case))
    return "\n".join(text for text in told if text)


def run_stage_case(case: Case) -> str:
    """Ask the model what the stage markers claim; empty when it agrees or nothing is claimed."""
    if not case.of_kind(*STAGE_KINDS):
        return ""
    return stage_differences(case, model_of_case(case))
