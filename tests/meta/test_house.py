"""House rules that are no linter's: sizes, signatures, import contracts, generated text, names of real repositories."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import sizes
from rulebook import LIBRARIES, ROOT
from support.engine import needs_engine

SOURCES = sorted((ROOT / "src").rglob("*.py"))
FRAGMENT_KINDS = ("rule", "library", "false-alarm", "missed-alarm", "feature", "fix")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=180, check=False)


def test_sizes() -> None:
    """Files and functions stay small enough to read; exceptions are listed with a reason."""
    assert sizes.faults() == []


def test_sizes_are_measured(tmp_path: Path) -> None:
    """The check itself sees long functions, long rules, and exceptions that are no longer needed."""
    rule = tmp_path / "src/roadworthy/rules/resilience/some_rule.py"
    rule.parent.mkdir(parents=True)
    rule.write_text("class A:\n    def f(self):\n" + "        pass\n" * 70 + "x = 1\n" * 200)
    place = "src/roadworthy/rules/resilience/some_rule.py"
    assert sizes.oversized(tmp_path) == {
        place: "272 lines, the limit is 260",
        f"{place}::A.f": "71 lines, the limit of a function is 70",
    }
    assert sizes.faults(tmp_path, {place: "why", f"{place}::A.f": "why", "gone.py": "why"}) == [
        "gone.py: is listed as an exception in tools/sizes.py and needs none"
    ]


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT / "src").as_posix())
def test_no_any_in_signatures(file: Path) -> None:
    """A signature says what goes in and what comes out."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert [f"{f.name} (line {f.lineno})" for f in functions if "Any" in _names_in_signature(f)] == []


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.relative_to(ROOT / "src").as_posix())
def test_every_module_says_what_it_is_for(file: Path) -> None:
    """One or two sentences at the top."""
    text = file.read_text(encoding="utf-8")
    assert not text.strip() or ast.get_docstring(ast.parse(text))


@needs_engine
def test_import_contracts() -> None:
    """Data flows one way; a rule sees only its API (pyproject.toml, [tool.importlinter])."""
    done = _run(sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_readme_is_up_to_date() -> None:
    """Its table of rules and its excerpt are generated."""
    done = _run(sys.executable, "tools/docs.py", "--check")
    assert done.returncode == 0, done.stderr


def test_changelog_fragments_are_named_by_kind() -> None:
    """`<what>.<kind>.md`, so that the changelog can be put together."""
    files = [file.name for file in (ROOT / "changelog.d").glob("*") if file.name != "README.md"]
    assert [name for name in files if not re.fullmatch(rf"[a-z0-9-]+\.({'|'.join(FRAGMENT_KINDS)})\.md", name)] == []


@needs_engine
def test_the_public_names_are_explicit() -> None:
    """`__all__` names what is public, sorted, and everything in it is there."""
    import roadworthy

    assert sorted(roadworthy.__all__) == list(roadworthy.__all__)
    assert [name for name in roadworthy.__all__ if not hasattr(roadworthy, name)] == []


COMMON_WORDS = {"warehouse", "plane", "fence", "dispatch", "haystack", "apis", "application-sdk", "bugbug"}
"""Names of repositories that are also words, or too short to mean the repository."""


def _real_repositories() -> set[str]:
    """`owner/name` of every case of real fixes, where that file is at hand."""
    folders = [Path(os.environ.get("ROADWORTHY_SHARED", ROOT.parent / "shared")), ROOT.parent.parent / "shared"]
    files = [file for folder in folders for file in sorted((folder / "cases").glob("*.jsonl"))]
    return {
        json.loads(line)["repo"] for file in files for line in file.read_text(encoding="utf-8").splitlines() if line
    }


def _library_names() -> set[str]:
    names: set[str] = set()
    for file in LIBRARIES.glob("*.toml"):
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        names |= {data["library"], *data.get("modules", []), *data.get("distributions", [])}
    return {name.lower() for name in names}


def test_no_real_repository_is_named() -> None:
    """The product is not made for the repositories that it is measured with."""
    repositories = _real_repositories()
    if not repositories:
        pytest.skip("the real fixes are not at hand")
    names = {repo.partition("/")[2].lower() for repo in repositories} - COMMON_WORDS - _library_names()
    forbidden = re.compile(
        rf"(?<![\w-])(?:{'|'.join(map(re.escape, sorted({r.lower() for r in repositories} | names)))})(?![\w-])"
    )
    here = Path(__file__).resolve()
    files = [
        file
        for folder in ("src", "tests")
        for file in (ROOT / folder).rglob("*")
        if file.suffix in {".py", ".md", ".toml"}
        and "knowledge" not in file.parts  # what programs and libraries are called is a fact
    ]
    hits = [
        f"{file.relative_to(ROOT)}: {match[0]}"
        for file in sorted(files)
        if file.resolve() != here
        for match in forbidden.finditer(file.read_text(encoding="utf-8").lower())
    ]
    assert hits == []


def _names_in_signature(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    arguments = function.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    annotations = [argument.annotation for argument in every if argument and argument.annotation]
    annotations += [function.returns] if function.returns else []
    return {node.id for annotation in annotations for node in ast.walk(annotation) if isinstance(node, ast.Name)}
