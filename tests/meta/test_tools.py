"""The tools of contributors: skeletons that fit the meta-tests, generated text, the example service."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib

import pytest

import docs
import mdblocks
import new
from rulebook import ROOT, SECTIONS
from support.cases import build_case, load_cases


def test_the_skeleton_of_a_rule_fits(tmp_path) -> None:
    """Its documentation has the fixed sections, its cases can be read; only the TODOs are unfinished."""
    files = new.rule("resilience/some-new-rule")
    code = files["src/roadworthy/rules/resilience/some_new_rule.py"]
    doc = ast.get_docstring(ast.parse(code), clean=False)
    parts = [section for section in mdblocks.sections(doc) if section.level == 2]
    assert tuple(part.title for part in parts) == SECTIONS
    case_file = tmp_path / "some-new-rule.md"
    case_file.write_text(files["tests/cases/some-new-rule.md"])
    cases = load_cases(case_file)
    assert len(cases) == 3
    assert any(len(case.files) > 1 for case in cases)
    assert sorted(files) == [
        "changelog.d/some-new-rule.rule.md",
        "src/roadworthy/rules/resilience/some_new_rule.py",
        "tests/cases/some-new-rule.md",
    ]


def test_the_skeleton_of_a_library_is_toml() -> None:
    """With the keys that every library file has."""
    files = new.library("some-library")
    data = tomllib.loads(files["src/roadworthy/knowledge/libraries/some_library.toml"])
    assert data["library"] == "some-library"
    assert data["modules"] == ["some_library"]


@pytest.mark.parametrize(
    "name", ["some-rule", "speed/some-rule", "resilience/SomeRule", "resilience/../x", "resilience/"]
)
def test_a_wrong_rule_name_is_refused(name: str) -> None:
    """Nothing is written outside the three places."""
    with pytest.raises(SystemExit):
        new.rule(name)


def test_generated_text_stands_between_its_comments() -> None:
    """What is around it stays."""
    text = "a\n<!-- rules -->old<!-- /rules -->\nb\n"
    assert docs._between(text, "rules", "\nnew\n") == "a\n<!-- rules -->\nnew\n<!-- /rules -->\nb\n"
    with pytest.raises(SystemExit):
        docs._between("nothing", "rules", "new")


REPORT = """\
# Roadworthiness review

## Resilience

### [Severity: HIGH] one
**File**: `a.py:1`
**Fix**: mend it

```python
### [not a heading]
```

**Path**:

1. `a.py:1` `f`

### [Severity: LOW] two
**File**: `a.py:2`

## Idempotency

No violations found.

## Durability

No violations found.

---

**Held back**: 1 finding
"""


def test_a_report_is_cut_into_findings() -> None:
    """Pillar by pillar, without the path in the excerpt."""
    entries = dict(docs._entries(REPORT))
    assert [len(found) for found in entries.values()] == [2, 0, 0]
    assert docs._shortened(entries["Resilience"][0]).endswith("### [not a heading]\n```")


def test_examples_in_rule_files_are_cut_at_file_lines() -> None:
    """One block may hold several files."""
    from rulebook import _files

    files = list(_files("# file: app/a.py\nx = 1\n# file: app/b.py\ny = 2  # finding: r\n", "app.py", 7))
    assert files == [("app/a.py", "x = 1\n", 8), ("app/b.py", "y = 2  # finding: r\n", 10)]
    assert build_case("r.py", 7, "Bad", files).markers[0].path == "app/b.py"
    assert [name for name, _, _ in _files("z = 1\n", "app.py", 1)] == ["app.py"]


def test_the_example_service_parses() -> None:
    """It is read by the README's first command."""
    files = sorted((ROOT / "examples" / "orders").rglob("*.py"))
    assert len(files) >= 12
    for file in files:
        ast.parse(file.read_text(encoding="utf-8"))


def test_the_scripts_are_shell() -> None:
    """`sh -n` and `bash -n` accept them; .ci/run can be executed."""
    for shell, script in (("sh", "tools/setup.sh"), ("sh", "tools/test.sh"), ("bash", ".ci/run")):
        subprocess.run([shell, "-n", script], cwd=ROOT, check=True, timeout=20)
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_benchmark_runs(tmp_path) -> None:
    """It measures `ast.parse` at least, leaves the tree as it is, and writes its figures."""
    tree = tmp_path / "tree"
    (tree / "tests").mkdir(parents=True)
    (tree / "app.py").write_text("x = 1\n" * 100)
    (tree / "tests" / "test_app.py").write_text("y = 1\n")
    figures = tmp_path / "figures.json"
    command = [sys.executable, "bench/bench.py", str(tree), "--runs", "1", "--tools", "none", "--json", str(figures)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "| ast.parse, one core |" in done.stdout
    report = json.loads(figures.read_text())
    assert (report["files"], report["lines"]) == (1, 100)
    assert sorted(path.name for path in tree.rglob("*")) == ["app.py", "test_app.py", "tests"]
