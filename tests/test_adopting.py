"""docs/adopting.md, command by command: what it shows is what happens. `UPDATE_SNAPSHOTS=1` writes it anew."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from test_cli import environment

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "adopting.md"
BLOCK = re.compile(r"(?<=```console\n).*?(?=```)", re.DOTALL)


@pytest.mark.slow
def test_the_page_says_what_happens(tmp_path: Path) -> None:
    """Each command with its output, one after the other, in a copy of the example service."""
    project, commands = tmp_path / "shop", tmp_path / "bin"
    shutil.copytree(ROOT / "examples" / "orders", project)
    commands.mkdir()
    (commands / "roadworthy").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m roadworthy "$@"\n')
    (commands / "roadworthy").chmod(0o755)
    kept = environment(PATH=f"{commands}{os.pathsep}{os.environ['PATH']}", GIT_CONFIG_GLOBAL=os.devnull)
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=project, env=kept, check=True)

    def played(block: re.Match[str]) -> str:
        said = ""
        for line in block[0].splitlines():
            if line.startswith("$ "):
                done = subprocess.run(
                    ["sh", "-c", line[2:]],
                    cwd=project,
                    env=kept,
                    capture_output=True,
                    text=True,
                    timeout=60,
                    check=True,
                )
                assert done.stderr == ""
                said += f"{line}\n{done.stdout}"
        return said

    written = PAGE.read_text(encoding="utf-8")
    actual = BLOCK.sub(played, written)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        PAGE.write_text(actual, encoding="utf-8")
    assert PAGE.read_text(encoding="utf-8") == actual
