"""Generated documentation.

python tools/docs.py                rewrite the generated parts of README.md: the table of rules, the excerpt of a report
python tools/docs.py --check        change nothing; exit with 1 and a diff if README.md is not up to date
python tools/docs.py --pages DIR    write one page for each rule
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mdblocks import sections
from rulebook import PILLARS, ROOT, RuleFile, rule_files

if TYPE_CHECKING:
    from collections.abc import Iterator

README = ROOT / "README.md"
EXAMPLE = "examples/orders"
IN_EXCERPT = ("call-without-timeout", "random-workflow-id", "forgotten-task")
"""Rules whose finding stands for its pillar in README's excerpt; where it found nothing, the pillar's first finding does."""

_MARKER = re.compile(r"\s*# (?:finding|missed|false-alarm): .*$", re.MULTILINE)
_PLACEHOLDER = "(`python tools/docs.py` puts the excerpt here as soon as the command line is there)"


def main() -> None:
    """Do what the options say."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--pages", type=Path, metavar="DIR")
    options = parser.parse_args()
    if options.pages:
        write_pages(options.pages)
        return
    old = README.read_text(encoding="utf-8")
    new = readme(old)
    if not options.check:
        README.write_text(new, encoding="utf-8")
    elif old != new:
        diff = difflib.unified_diff(old.splitlines(), new.splitlines(), "README.md", "as generated", lineterm="", n=1)
        sys.exit("README.md is not up to date, run `python tools/docs.py`:\n" + "\n".join(diff))


def readme(text: str) -> str:
    """README with its generated parts made anew."""
    text = _between(text, "rules", "\n".join(rules_table(rule_files())))
    return _between(text, "excerpt", excerpt())


def rules_table(rules: list[RuleFile]) -> Iterator[str]:
    """All rules, pillar by pillar."""
    for pillar in PILLARS:
        yield f"\n| {pillar} | what is reported |\n|---|---|"
        for rule in rules:
            if rule.pillar == pillar:
                yield f"| [`{rule.id}`]({rule.path.relative_to(ROOT).as_posix()}) | {rule.summary.rstrip('.').replace('|', chr(92) + '|')} |"
    yield ""


def excerpt() -> str:
    """One finding of each pillar from the review of the example service, as the Markdown report has them."""
    if not (ROOT / "src" / "roadworthy" / "__main__.py").exists():
        return f"\n{_PLACEHOLDER}\n"
    places = _places(_review("json"))
    parts: list[str] = []
    for pillar, entries in _entries(_review("markdown")):
        wanted = (entry for entry in entries if any(f"**File**: `{place}`" in entry for place in places))
        entry = next(wanted, entries[0] if entries else "")
        parts.append(f"## {pillar}\n\n{_shortened(entry)}" if entry else f"## {pillar}\n\nNo violations found.")
    return "\n````markdown\n" + "\n\n".join(parts) + "\n````\n"


def _review(kind: str) -> str:
    """In a project of its own: here all of roadworthy would be modelled, too."""
    command = [sys.executable, "-m", "roadworthy", "review", EXAMPLE, "--format", kind, "--fail-on", "never"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / EXAMPLE, Path(folder, EXAMPLE))
        Path(folder, ".git").mkdir()
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
    if done.returncode:
        sys.exit(f"the review of {EXAMPLE} failed with {done.returncode}:\n{done.stderr}")
    return done.stdout


def _places(report: str) -> list[str]:
    """`path:line` of each finding that may stand in the excerpt."""
    found = json.loads(report)["findings"]
    return [f"{finding['path']}:{finding['line']}" for finding in found if finding["rule"] in IN_EXCERPT]


def _entries(report: str) -> Iterator[tuple[str, list[str]]]:
    """The report's pillars, each with its findings as text."""
    for pillar in PILLARS:
        body = re.search(rf"^## {pillar.capitalize()}\n(.*?)(?=^## |^---$|\Z)", report, re.MULTILINE | re.DOTALL)
        if body is None:
            sys.exit(f"the report has no section for {pillar}")
        cut = re.split(r"^(?=### \[Severity: )", body[1], flags=re.MULTILINE)
        yield pillar.capitalize(), [entry.strip() for entry in cut[1:]]


def _shortened(entry: str) -> str:
    """Without the path and the other places: the first screen has no room for them."""
    return re.split(r"^\*\*(?:Path|Also at)\*\*:", entry, maxsplit=1, flags=re.MULTILINE)[0].strip()


def _between(text: str, name: str, new: str) -> str:
    """Put `new` between the comments `<!-- name -->` and `<!-- /name -->`."""
    start, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    if text.count(start) != 1 or text.count(end) != 1:
        sys.exit(f"README.md must hold {start} and {end} once each")
    return text[: text.index(start) + len(start)] + new.rstrip("\n") + "\n" + text[text.index(end) :]


def write_pages(folder: Path) -> None:
    """One Markdown page for each rule, with the gaps that its cases admit."""
    folder.mkdir(parents=True, exist_ok=True)
    for rule in rule_files():
        (folder / f"{rule.id}.md").write_text(page(rule), encoding="utf-8")
    print(f"{len(rule_files())} pages in {folder}")


def page(rule: RuleFile) -> str:
    """The rule's documentation and its known gaps."""
    doc = _MARKER.sub("  # reported", rule.doc.strip())
    gaps = list(known_gaps(rule))
    below = "\n\n## Known gaps\n\n" + "\n".join(gaps) if gaps else ""
    return f"# {rule.id}\n\n*{rule.pillar}*\n\n{doc}{below}\n"


def known_gaps(rule: RuleFile) -> Iterator[str]:
    """Headings of the cases that hold a `missed` or a `false-alarm` marker."""
    if not rule.cases.exists():
        return
    for section in sections(rule.cases.read_text(encoding="utf-8")):
        text = "".join(block.text for block in section.blocks)
        for kind, said in (("missed", "not reported"), ("false-alarm", "reported by mistake")):
            if f"# {kind}: {rule.id}" in text:
                yield f"- {said}: {section.title}"


if __name__ == "__main__":
    main()
