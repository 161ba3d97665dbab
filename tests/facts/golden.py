"""Golden texts: Markdown files with a block of Python and a block of facts per case.

`PYTHONPATH=src:tests python -m facts.golden` writes the facts anew; read the diff before you keep it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from roadworthy.facts.extract import extract_python
from roadworthy.facts.show import show

FOLDER = Path(__file__).parent / "golden"
CASE = re.compile(
    r"^## (?P<title>[^\n]+)\n(?P<text>.*?)^```python\n(?P<source>.*?)^```\n(?:\n```facts\n(?P<facts>.*?)^```\n)?",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Golden:
    """One case: some Python, and its facts as text."""

    file: str
    title: str
    source: str
    facts: str

    @property
    def slug(self) -> str:
        words = re.findall(r"\w+", self.title.lower())
        return f"{self.file}:{'-'.join(words)}"


def goldens() -> list[Golden]:
    """All cases of the folder."""
    return [
        Golden(path.stem, match["title"], match["source"], match["facts"] or "")
        for path in sorted(FOLDER.glob("*.md"))
        for match in CASE.finditer(path.read_text(encoding="utf-8"))
    ]


def facts_text(source: str) -> str:
    """The facts of some Python as text."""
    return show(extract_python("x.py", source.encode()))


def rewrite() -> None:
    """Write the facts of all cases anew."""

    def renewed(match: re.Match[str]) -> str:
        head = f"## {match['title']}\n{match['text']}```python\n{match['source']}```\n"
        return f"{head}\n```facts\n{facts_text(match['source'])}```\n"

    for path in sorted(FOLDER.glob("*.md")):
        path.write_text(CASE.sub(renewed, path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    rewrite()
