"""What the language server remembers of one editor: its texts, the last review, and what is shown where.

Lives on the server's thread; the review runs on another and comes back as a value.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from lsprotocol import types
from pygls.uris import from_fs_path, to_fs_path

from roadworthy.engine.moved import edit_between, moved
from roadworthy.faces.lsp_words import Ground, diagnostic, split_lines, unread
from roadworthy.findings.finding import Finding, Problem, RuleInfo
from roadworthy.text.source import UnreadableError, printable, read_file


@dataclass(frozen=True, slots=True)
class Job:
    """One review to be done: of which texts, and what it answers."""

    number: int
    buffers: Mapping[str, str]
    readings: int  # how often the files were to be read anew until now


@dataclass(frozen=True, slots=True)
class Answer:
    """What a review found; `readings` tells how new the files are that it read."""

    job: Job
    findings: tuple[Finding, ...]
    problems: tuple[Problem, ...]
    rules: tuple[RuleInfo, ...]


@dataclass(slots=True)
class Session:
    """An editor on a project."""

    root: Path  # resolved
    publish: Callable[[types.PublishDiagnosticsParams], None]
    units: Callable[[str], int] = len
    relates: bool = False
    texts: dict[str, str] = field(default_factory=dict)  # of open documents, by path
    _uris: dict[str, str] = field(default_factory=dict)  # as the editor writes them
    _versions: dict[str, int | None] = field(default_factory=dict)
    _seen: dict[str, str] = field(default_factory=dict)  # the texts that `_answer` speaks of
    _answer: Answer | None = None
    _shown: dict[str, tuple[Finding, ...]] = field(default_factory=dict)
    _jobs: int = 0
    _wanted: int = 1  # readings of the files

    def path_of(self, uri: str) -> str | None:
        """The path of a document inside the project; None for any other."""
        full = to_fs_path(uri)
        if full is None:
            return None
        try:
            return printable(Path(full).resolve().relative_to(self.root).as_posix())
        except (ValueError, OSError, RuntimeError):
            return None

    def open(self, path: str, uri: str, text: str, version: int | None) -> None:
        """Take over the text of a document."""
        self._uris[path] = uri
        self.texts[path] = text
        self._versions[path] = version
        self._seen.setdefault(path, text)

    def change(self, path: str, text: str, version: int | None) -> None:
        """Take over a new text, and show at once where the known findings are now."""
        self.texts[path] = text
        self._versions[path] = version
        if self._answer is not None:
            edit = edit_between(split_lines(self._seen.get(path, text)), split_lines(text))
            here = (finding for finding in self._answer.findings if finding.at.path == path)
            self._shown[path] = moved(here, path, edit)
            lines = ((problem, edit.line(problem.line)) for problem in self._answer.problems if problem.path == path)
            self._send(path, [replace(problem, line=line) for problem, line in lines if line])

    def close(self, path: str) -> None:
        """The file on the disk counts again."""
        self.texts.pop(path, None)
        self._versions.pop(path, None)
        self.read_again()

    def read_again(self) -> None:
        """Configuration and files may have changed."""
        self._wanted += 1

    def job(self) -> Job:
        """What is to be reviewed now."""
        self._jobs += 1
        return Job(self._jobs, dict(self.texts), self._wanted)

    def take(self, answer: Answer) -> bool:
        """Show what a review found; False when it is not the newest any more and was dropped."""
        if answer.job.number != self._jobs:
            return False
        self._answer = answer
        self._seen = dict(answer.job.buffers)
        self._send_all(answer)
        return True

    def findings(self, path: str) -> tuple[Finding, ...]:
        """What is shown in a file now."""
        return self._shown.get(path, ())

    def ground(self) -> Ground:
        """What positions and links are made from, as of now."""
        known: dict[str, Sequence[str]] = {}
        rules = {info.id: info for info in self._answer.rules} if self._answer is not None else {}
        return Ground(self._uri, partial(self._lines, known), self.units, rules, self.relates)

    def _send_all(self, answer: Answer) -> None:
        """Show all of an answer, and clear what it does not repeat."""
        found: dict[str, list[Finding]] = defaultdict(list)
        unread_at: dict[str, list[Problem]] = defaultdict(list)
        for finding in answer.findings:
            found[finding.at.path].append(finding)
        for problem in answer.problems:
            if problem.path != ".":
                unread_at[problem.path].append(problem)
        before = set(self._shown) | set(self.texts)
        self._shown = {path: tuple(found.get(path, ())) for path in sorted({*found, *unread_at})}
        for path in sorted(before | set(self._shown)):
            self._send(path, unread_at.get(path, ()))

    def _send(self, path: str, problems: Sequence[Problem]) -> None:
        ground = self.ground()
        items = [diagnostic(finding, ground) for finding in self._shown.get(path, ())]
        items += [unread(problem, ground) for problem in problems]
        self.publish(types.PublishDiagnosticsParams(self._uri(path), items, self._versions.get(path)))

    def _uri(self, path: str) -> str:
        return self._uris.get(path) or from_fs_path(str(self.root / path)) or ""

    def _lines(self, known: dict[str, Sequence[str]], path: str) -> Sequence[str]:
        if path not in known:
            known[path] = split_lines(self.texts[path] if path in self.texts else self._on_disk(path))
        return known[path]

    def _on_disk(self, path: str) -> str:
        try:
            return read_file(str(self.root / path)).decode("utf-8", "replace")
        except UnreadableError:
            return ""
