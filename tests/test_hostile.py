"""Hostile input is normal: every promise of the tool about trees that mean harm, tried on the real stages."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from engine_fakes import around, python, stages
from roadworthy.config import Settings
from roadworthy.engine import review
from test_cli import environment, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from roadworthy.findings.finding import Review

NO_CACHE = Settings(cache=False, jobs=1)


def look(root: Path, files: dict[str, bytes]) -> Review:
    """Write files, review them with the real stages."""
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return review([root], NO_CACHE)


# --- content ---------------------------------------------------------------------------------------------------------

ENCODINGS = {
    "latin.py": b"# -*- coding: latin-1 -*-\nx = '\xe9'\n",
    "bom.py": b"\xef\xbb\xbfx = 1\n",
    "utf16.py": "x = 1\n".encode("utf-16"),
    "invalid.py": b"x = '\xff\xfe\xfa'\n",
    "unknown.py": b"# coding: no-such-codec\nx = 1\n",
    "codec.py": b"# coding: zip\nx = 1\n",
    "rot.py": b"# coding: rot13\nk = 1\n",
    "nul.py": b"x = 1\x00\ny = 2\n",
    "zeros.py": bytes(10_000),
    "mac.py": b"x = 1\ry = 2\r",
    "empty.py": b"",
    "noise.py": bytes(range(256)) * 40,
    "surrogate.py": b"x = '\\ud800'\ny = '\xed\xa0\x80'\n",
}


def test_encodings(tmp_path: Path) -> None:
    """Every file is read or reported, none ends the review."""
    outcome = look(tmp_path, ENCODINGS)
    assert outcome.files == len(ENCODINGS)
    assert {problem.path for problem in outcome.problems} <= set(ENCODINGS)


DEEP = 3_000
NESTED = {
    "brackets.py": b"x = " + b"(" * DEEP + b")" * DEEP + b"\n",
    "open.py": b"x = " + b"[" * 100_000 + b"\n",
    "calls.py": b"x = " + b"f(" * DEEP + b")" * DEEP + b"\n",
    "attributes.py": b"x = a" + b".b" * 20_000 + b"\n",
    "sum.py": b"x = 1" + b" + 1" * 20_000 + b"\n",
    "not.py": b"x = " + b"not " * DEEP + b"1\n",
    "lambdas.py": b"x = " + b"lambda: " * DEEP + b"1\n",
    "blocks.py": b"".join(b" " * depth + b"if x:\n" for depth in range(800)) + b" " * 800 + b"pass\n",
    "functions.py": b"".join(b" " * depth + b"def f():\n" for depth in range(800)) + b" " * 800 + b"pass\n",
    "strings.py": b"x = f'" + b"{" * 5_000 + b"'\n",
    "ternary.py": b"x = " + b"1 if x else " * DEEP + b"2\n",
}


def test_nesting(tmp_path: Path) -> None:
    """Thousand-fold nesting is read or reported, in bounded time."""
    start = time.monotonic()
    outcome = look(tmp_path, NESTED)
    assert {problem.path for problem in outcome.problems} <= set(NESTED) | {"."}
    assert not [problem for problem in outcome.problems if problem.path == "."], outcome.problems
    assert time.monotonic() - start < 30


AROUND = {
    "compose.yaml": b"a: &a [x,x,x,x,x,x,x,x,x]\n"
    + b"".join(b"%c: &%c [%s]\n" % (98 + n, 98 + n, b",".join([b"*%c" % (97 + n)] * 9)) for n in range(12)),
    "deploy/deep.yaml": b"a: " + b"[" * 20_000 + b"\n",
    "docker-compose.yml": b"services: " + b"{a: " * 5_000 + b"\n",
    "schema.sql": b"SELECT " + b"(" * 5_000 + b"1" + b")" * 5_000 + b";\n",
    "Dockerfile": b"FROM x\nRUN " + b"\\\n" * 50_000 + b"\nCMD [" + b"[" * 10_000 + b"\n",
    "run.sh": b"#!/bin/sh\n" + b"$(" * 5_000 + b"\n" + b"if x; then\n" * 2_000,
    "requirements.txt": b"-r requirements.txt\n" + b"a" * 100_000 + b"\n",
    "Procfile": b"web: " + b"a " * 50_000 + b"\n",
    "noise.sql": bytes(range(256)) * 100,
}


def test_files_around_python(tmp_path: Path) -> None:
    """YAML bombs, files that include themselves, noise."""
    start = time.monotonic()
    outcome = look(tmp_path, AROUND)
    assert {problem.path for problem in outcome.problems} <= set(AROUND)
    assert time.monotonic() - start < 30


def test_a_giant(tmp_path: Path) -> None:
    """It is not read, and the review says so."""
    with (tmp_path / "data.py").open("wb") as stream:
        stream.truncate(50_000_000)
    outcome = look(tmp_path, {"app.py": b"x = 1\n"})
    assert outcome.files == 1
    assert [(problem.path, problem.message) for problem in outcome.problems] == [
        ("data.py", "is larger than 5 MB (50 MB)")
    ]


# --- kinds of files --------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in folders")
def test_what_is_no_file(tmp_path: Path) -> None:
    """A pipe would hang whoever opens it; a folder may be called like a file."""
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "folder.py" / "inner.py").write_text("x = 1\n")
    outcome = look(tmp_path, {"app.py": b"x = 1\n"})
    assert outcome.files == 2
    assert [(problem.path, problem.message) for problem in outcome.problems] == [("pipe.py", "is not a regular file")]


def test_links_in_circles(tmp_path: Path) -> None:
    """The walk ends; each file is reviewed once."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a/up").symlink_to(tmp_path)
    (tmp_path / "me.py").symlink_to("me.py")
    (tmp_path / "b").symlink_to("c")
    (tmp_path / "c").symlink_to("b")
    assert look(tmp_path, {"a/app.py": b"x = 1\n"}).files == 1


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be written there")
def test_names(tmp_path: Path) -> None:
    """Line breaks, escapes, bytes of no encoding: the report stays text, and JSON."""
    for name in (b"line\nbreak.py", b"\x1b[31mred.py", b"caf\xe9.py", b"bell\x07.py", "\u202eevil.py".encode()):
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as stream:  # noqa: PTH123 - names are bytes
            stream.write(b"x = (\n")
    done = run("review", "--format", "json", cwd=tmp_path)
    assert json.loads(done.stdout)
    assert done.stderr == ""
    done = run("review", cwd=tmp_path)
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout


def test_files_that_vanish(tmp_path: Path) -> None:
    """Between the walk and the reading."""
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("x = 1\n")

    def vanishing(path: str, data: bytes):  # type: ignore[no-untyped-def]
        with suppress(OSError):
            (tmp_path / "b.py").unlink()
        return python(path, data)

    outcome = review([tmp_path], NO_CACHE, stages=replace(stages(), python=vanishing, around=around))
    assert [(problem.path, problem.message) for problem in outcome.problems] == [
        ("b.py", "cannot be read: No such file or directory")
    ]


# --- permissions: root gives up its right to pass them by ------------------------------------------------------------


def _obey() -> None:
    """In a child, before it runs: from now on permissions hold for root, too (PR_CAPBSET_DROP of CAP_DAC_*)."""
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None)
        for capability in (1, 2):
            libc.prctl(24, capability, 0, 0, 0)


def obeying(*words: str, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the command without the right to read everything."""
    if sys.platform != "linux":
        pytest.skip("permissions are another matter there")
    command = [sys.executable, "-m", "roadworthy", *words]
    return subprocess.run(
        command,
        cwd=cwd,
        env=environment(**more),
        preexec_fn=_obey,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Path]:
    """A folder whose permissions are mended at the end, so that pytest can remove it."""
    yield tmp_path
    for path in [tmp_path, *tmp_path.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755)


def test_what_may_not_be_read(shared: Path) -> None:
    """Files and folders without permission are reported, status 3; the rest is reviewed."""
    (shared / "app.py").write_text("x = 1\n")
    (shared / "secret.py").write_text("x = 1\n")
    (shared / "closed").mkdir()
    (shared / "closed" / "b.py").write_text("x = 1\n")
    (shared / "secret.py").chmod(0)
    (shared / "closed").chmod(0)
    done = obeying("review", "--format", "json", cwd=shared)
    assert (done.returncode, done.stderr) == (3, "")
    assert "secret.py" in done.stdout
    assert "closed" in done.stdout
    assert "Permission denied" in done.stdout


def test_a_cache_that_may_not_be_written(shared: Path) -> None:
    """Works without, and says nothing."""
    project, cache = shared / "project", shared / "cache"
    project.mkdir()
    cache.mkdir()
    (project / "app.py").write_text("x = 1\n")
    cache.chmod(0o555)
    without = obeying("review", "--format", "json", cwd=project)
    done = obeying("review", "--format", "json", cwd=project, ROADWORTHY_CACHE=str(cache))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", without.stdout)
    assert list(cache.iterdir()) == []


def test_a_cache_that_may_only_be_read(shared: Path) -> None:
    """Filled by somebody else, closed for us."""
    project, cache = shared / "project", shared / "cache"
    project.mkdir()
    (project / "app.py").write_text("x = 1\n")
    first = run("review", "--format", "json", cwd=project, ROADWORTHY_CACHE=str(cache))
    for path in (cache, *cache.iterdir()):
        path.chmod(0o555 if path.is_dir() else 0o444)
    done = obeying("review", "--format", "json", cwd=project, ROADWORTHY_CACHE=str(cache))
    assert (done.returncode, done.stderr, done.stdout) == (0, "", first.stdout)


def test_no_home_and_no_cache_folder(shared: Path) -> None:
    """A container's user often has none."""
    (shared / "app.py").write_text("x = 1\n")
    shared.chmod(0o555)
    settings = environment(HOME=str(shared / "none"), XDG_CACHE_HOME=str(shared / "none"))
    del settings["ROADWORTHY_CACHE"]
    command = [sys.executable, "-m", "roadworthy", "review"]
    done = subprocess.run(
        command, cwd=shared, env=settings, preexec_fn=_obey, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in shared.iterdir()] == ["app.py"]


def test_an_output_folder_that_may_not_be_written(shared: Path) -> None:
    """Said before the review, not after."""
    (shared / "app.py").write_text("x = 1\n")
    (shared / "out").mkdir()
    (shared / "out").chmod(0o555)
    done = obeying("review", "--output", "out/r.json", cwd=shared)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "roadworthy: error: cannot write out/r.json: permission denied\n"


def test_a_cache_full_of_rubbish(tmp_path: Path) -> None:
    """The answer is the same, and the next one comes from a sound cache."""
    project, cache = tmp_path / "project", tmp_path / "cache"
    project.mkdir()
    cache.mkdir()
    (project / "app.py").write_text("x = 1\n")
    expected = run("review", "--format", "json", cwd=project).stdout
    for turn in range(2):
        done = run("review", "--format", "json", cwd=project, ROADWORTHY_CACHE=str(cache))
        assert (done.returncode, done.stderr, done.stdout) == (0, "", expected)
        if turn == 0:
            for path in cache.iterdir():
                path.write_bytes(b"rubbish" * 5000)
