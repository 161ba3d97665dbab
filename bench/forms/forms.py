"""Small services written from memory, each with one fault that a maintainer would agree is one: how many does roadworthy tell?

    python bench/forms/forms.py [NAME-PART]

They were written before anybody looked at how the tool recognises anything, and then used to mend it: no measure any more, but a quick look at what
a change costs. A file holds services: `=== name | anti-pattern | path:function`, then files, each after `--- path`.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
SOURCES = HERE.parent.parent / "src"
TWINS = {
    "check-then-act": {"insert-not-upsert", "missing-unique-constraint"},
    "insert-not-upsert": {"check-then-act", "unsafe-retry", "missing-unique-constraint"},
    "missing-unique-constraint": {"check-then-act"},
    "random-key": {"insert-not-upsert"},
    "unsafe-retry": {"insert-not-upsert"},
    "nondeterministic-workflow-id": {"unsafe-retry"},
    "fire-and-forget": {"background-no-retry"},
    "background-no-retry": {"fire-and-forget"},
    "in-process-state": {"in-memory-queue"},
    "in-memory-queue": {"in-process-state"},
    "ack-before-write": {"swallowed-exception"},
    "dual-write": {"ack-before-write"},
    "bad-retry": {"no-circuit-breaker"},
    "no-circuit-breaker": {"bad-retry"},
}
"""Anti-patterns that may fairly be named in more than one way."""


def main() -> None:
    """Write each service into a folder of its own, review it, and say what was told at the place."""
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    told, asked = Counter[str](), Counter[str]()
    for file in sorted(HERE.glob("*.txt")):
        for block in re.split(r"^=== ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            head, _, body = block.partition("\n")
            name, kind, place = head.split(" | ")
            if wanted in name:
                asked[kind] += 1
                rules = reviewed(body, kind, place)
                told[kind] += bool(rules)
                print(f"{'told  ' if rules else 'missed'} {name:12} {kind:30} {', '.join(rules)}")
    for kind in sorted(asked):
        print(f"{kind:30} {told[kind]} of {asked[kind]}")
    print(f"{'all':30} {told.total()} of {asked.total()}")


def reviewed(body: str, kind: str, place: str) -> list[str]:
    """The rules that tell the fault in the function, or name it as a related place."""
    path, _, function = place.partition(":")
    with tempfile.TemporaryDirectory() as folder:
        for part in re.split(r"^--- ", body, flags=re.MULTILINE)[1:]:
            name, _, text = part.partition("\n")
            target = Path(folder, name.strip())
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "roadworthy", "review", folder, "--format", "json", "--fail-on", "never"]
        done = subprocess.run(
            command,
            env={"PYTHONPATH": str(SOURCES), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        first, last = lines_of(Path(folder, path), function)
    names = {kind, *TWINS.get(kind, ())}
    found = [f for f in json.loads(done.stdout)["findings"] if f["anti_pattern"] in names]
    return sorted(
        {
            f["rule"]
            for f in found
            if (f["path"] == path and function in (f["function"] or ""))
            or any(p["path"] == path and first - 2 <= p["line"] <= last + 2 for p in (f, *f["related"]))
        }
    )


def lines_of(file: Path, function: str) -> tuple[int, int]:
    """First and last line of a function, a class, or of the line that holds the word."""
    text, last = file.read_text(encoding="utf-8"), function.rpartition(".")[2]
    if file.suffix == ".py":
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == last:
                return node.lineno, node.end_lineno or node.lineno
    numbers = [n for n, line in enumerate(text.split("\n"), 1) if function in line]
    return (numbers[0], numbers[0]) if numbers else (0, -9)


if __name__ == "__main__":
    main()
