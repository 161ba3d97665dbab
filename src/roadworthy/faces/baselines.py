"""The command `baseline`: write, check or prune the file of findings that were there before."""

from dataclasses import replace
from pathlib import Path

from roadworthy.config import UsageError
from roadworthy.engine import STAGES, Stages, project_settings, review
from roadworthy.engine.sift import read_baseline
from roadworthy.faces.guard import INCOMPLETE
from roadworthy.faces.output import check_writable, write_file
from roadworthy.faces.progress import ProgressBar
from roadworthy.findings.baseline import compare, prune, write

ACTIONS = ("write", "check", "prune")


def perform(action: str, path: Path | None, file: Path, stages: Stages = STAGES) -> tuple[str, int]:
    """What to print, and the exit status: check gives 1 when the file no longer says what is so."""
    if action not in ACTIONS:
        raise UsageError(f"baseline {action}: one of {', '.join(ACTIONS)}")
    if action != "check":
        check_writable(file)
    known = read_baseline(file) if action != "write" else None
    paths = (path,) if path is not None else ()
    with ProgressBar() as bar:
        outcome = review(paths, replace(project_settings(paths, stages), baseline=None), stages=stages, progress=bar)
    if not outcome.complete:
        text = "".join(f"{problem.path}:{problem.line}: {problem.message}\n" for problem in outcome.problems)
        return f"{text}the review is incomplete, so the baseline was not touched\n", INCOMPLETE
    if known is None:
        write_file(file, write(outcome.findings))
        return f"{file}: {len(outcome.findings)} findings\n", 0
    compared = compare(outcome.findings, known)
    if action == "prune":
        write_file(file, prune(known, outcome.findings))
        return f"{file}: {len(compared.gone)} entries shortened or dropped\n", 0
    lines = [f"new: {f.at.path}:{f.at.line} {f.rule}: {f.title}" for f in compared.new]
    lines += [f"gone: {text}" for text in compared.gone]
    return "\n".join(
        [*lines, f"{len(compared.new)} new, {len(compared.old)} known, {len(compared.gone)} gone"]
    ) + "\n", int(bool(compared.new or compared.gone))
