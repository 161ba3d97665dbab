"""The rule files as texts: id, pillar, sections and examples of the documentation. Imports no rule."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mdblocks import Section, sections

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "src" / "roadworthy" / "rules"
CASES = ROOT / "tests" / "cases"
LIBRARIES = ROOT / "src" / "roadworthy" / "knowledge" / "libraries"
PILLARS = ("resilience", "idempotency", "durability")
SECTIONS = ("Why it fails in production", "What is reported", "What is not reported", "Bad", "Good")

_FILE = "# file:"


@dataclass(frozen=True, slots=True)
class RuleFile:
    """One rule's file."""

    path: Path
    id: str
    pillar: str
    module: str
    doc: str
    doc_line: int  # of the file, where the docstring's text begins

    @property
    def summary(self) -> str:
        """The first line of the documentation."""
        return self.doc.strip().partition("\n")[0]

    @property
    def cases(self) -> Path:
        """The rule's case file, which may be missing."""
        return CASES / f"{self.id}.md"

    def sections(self) -> list[Section]:
        """The documentation, cut at its headings."""
        return sections(self.doc, self.doc_line)

    def examples(self, title: str) -> Iterator[tuple[int, list[tuple[str, str, int]]]]:
        """For each block of the section: its line in the rule file, and its files as (path, text, line)."""
        for section in self.sections():
            if section.level == 2 and section.title == title:
                for block in section.blocks:
                    if name := block.file_name:
                        yield block.line, list(_files(block.text, name, block.line))


def rule_files() -> list[RuleFile]:
    """All rules, pillar by pillar in the order of the report, by id."""
    found: list[RuleFile] = []
    for pillar in PILLARS:
        for path in sorted((RULES / pillar).glob("[!_]*.py")):
            doc, line = _docstring(path)
            found.append(
                RuleFile(path, path.stem.replace("_", "-"), pillar, f"roadworthy.rules.{pillar}.{path.stem}", doc, line)
            )
    return found


def _docstring(path: Path) -> tuple[str, int]:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    if (
        body
        and isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    ):
        return body[0].value.value, body[0].lineno
    return "", 1


def _files(text: str, default: str, first_line: int) -> Iterator[tuple[str, str, int]]:
    """Cut a block at its `# file: …` lines."""
    name, start, lines = default, first_line, []
    for number, line in enumerate(text.splitlines(), first_line):
        if not line.startswith(_FILE):
            lines.append(line)
            continue
        if "".join(lines).strip():
            yield name, "\n".join(lines) + "\n", start
        name, start, lines = line.removeprefix(_FILE).strip(), number + 1, []
    if "".join(lines).strip():
        yield name, "\n".join(lines) + "\n", start
