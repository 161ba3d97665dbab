"""The process that looks at one repository: `python -m roadworthy.fleet.child FOLDER`, a job on its standard input.

It limits itself, works in that folder, writes `answer.json` there in one piece and ends. It ends, too, when whoever started it is no more.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from roadworthy.fleet.failures import CORRUPT, LIMIT, REFUSED, RefusalError
from roadworthy.fleet.messages import Answer, Failure, Job, Reviewed, StoredFinding, decode_job, encode
from roadworthy.fleet.source import commit_of, isolate, opened_at, write_tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from roadworthy.config import Settings
    from roadworthy.findings.finding import Finding

ANSWER = "answer.json"
PHASE = "reviewing"  # a file of that name says that nothing is fetched any more
_CPU_GRACE = 30
_AROUND = 3  # lines before and after


def main() -> None:
    """Answer one job."""
    folder = Path(sys.argv[1]).absolute()
    os.chdir(folder)
    job = decode_job(sys.stdin.buffer.readline())
    threading.Thread(target=end_with_the_starter, name="lifeline", daemon=True).start()
    _limit(job)
    answer = answered(job)
    part = folder / f"{ANSWER}.part"
    part.write_bytes(encode(answer))
    part.replace(folder / ANSWER)
    sys.stderr.flush()
    os._exit(0)  # nothing is left to be written; the lifeline still reads


def answered(job: Job) -> Answer:
    """Do what a job asks, in the current folder."""
    isolate()
    try:
        return _review(job) if job.commit else Answer(commit=commit_of(job.source, job.revision))
    except RefusalError as refusal:
        return Answer(failure=refusal.failure)
    except MemoryError:
        return Answer(failure=Failure(LIMIT, f"needs more than {job.limits.memory // 1_000_000:,} MB"))
    except RecursionError:
        return Answer(failure=Failure(CORRUPT, "is nested too deeply"))


def end_with_the_starter() -> None:
    """The pipe closes when the process at its other end is gone, however it went."""
    sys.stdin.buffer.read()
    os._exit(1)


def _limit(job: Job) -> None:
    """Set what the system enforces. Where it has no such limits (Windows), the clock of the starter remains."""
    try:
        import resource
    except ImportError:
        return
    seconds = int(job.limits.seconds + job.limits.fetch_seconds) + _CPU_GRACE
    wanted = {
        resource.RLIMIT_AS: job.limits.memory,
        resource.RLIMIT_CPU: seconds,
        resource.RLIMIT_FSIZE: job.limits.tree,
        resource.RLIMIT_CORE: 0,
    }
    for what, most in wanted.items():
        hard = resource.getrlimit(what)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (most, most))


def _review(job: Job) -> Answer:
    repository = opened_at(job.source, job.commit)
    Path(PHASE).touch()
    from roadworthy.config import UsageError
    from roadworthy.engine import STAGES, review

    tree = Path("tree")
    write_tree(repository, job.commit, tree, _wanted(STAGES.wants), job.limits)
    os.chdir(tree)  # so that the review calls its root "."
    try:
        outcome = review([Path(area) for area in job.areas] or [Path()], _settings(job))
    except UsageError as error:
        raise RefusalError(REFUSED, str(error)) from None
    return Answer(
        review=Reviewed(
            findings=tuple(sorted(_stored(finding) for finding in outcome.findings)),
            problems=tuple(sorted({f"{problem.path}: {problem.message}" for problem in outcome.problems})),
            packages=tuple(_packages(Path())),
            files=outcome.files,
            lines=outcome.lines,
        )
    )


def _wanted(around: Callable[[str], bool]) -> Callable[[str], bool]:
    """Python, and what the review reads around it."""
    return lambda path: path.endswith((".py", ".pyi", ".pyw")) or around(path)


def _settings(job: Job) -> Settings:
    """The fleet's settings: a repository does not choose how it is judged."""
    from roadworthy.config.load import settings_of_table
    from roadworthy.config.toml_file import Table
    from roadworthy.rules.registry import load_rules

    table = Table("settings of the fleet", "", json.loads(job.settings))
    settings = settings_of_table(table, Path(job.settings_folder), [rule.info for rule in load_rules()])
    return replace(settings, jobs=1)


def _stored(finding: Finding) -> StoredFinding:
    at = finding.at
    return StoredFinding(
        fingerprint=finding.fingerprint,
        rule=finding.rule,
        pillar=finding.pillar.value,
        severity=finding.severity.value,
        confidence=finding.confidence.value,
        path=at.path,
        line=at.line,
        function=at.function,
        title=finding.title,
        issue=finding.issue,
        impact=finding.impact,
        fix=finding.fix,
        subject=finding.subject,
        code=_code(at.path, at.line, at.end_line),
    )


def _code(path: str, first: int, last: int) -> str:
    """Digest of lines and what stands around them, however set in: one line alone is alike by chance. Empty where unreadable."""
    try:
        lines = Path(path).read_bytes().splitlines()[max(0, first - 1 - _AROUND) : last + _AROUND]
    except (OSError, ValueError):
        return ""
    said = [line.strip() for line in lines if line.strip()]
    return hashlib.blake2b(b"\n".join(said), digest_size=8).hexdigest() if len(said) >= _AROUND else ""


def _packages(root: Path) -> list[str]:
    """Names that others could import from here: packages at the top or in `src`."""
    folders = [folder for top in (root, root / "src") if top.is_dir() for folder in top.iterdir()]
    return sorted({folder.name for folder in folders if (folder / "__init__.py").is_file()})


if __name__ == "__main__":
    main()
