"""The command `map` as a program, and the map in the HTML report of a review."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from test_cli import environment, run


def test_map(tmp_path: Path) -> None:
    """Each entry with what it does; several outputs in one run; status 0 whatever is open."""
    (tmp_path / "app.py").write_text(
        "import flask\nimport requests\n\napp = flask.Flask(__name__)\n\n\n@app.post('/a')\ndef a():\n    requests.post('http://b')\n"
        "\n\n@app.get('/c')\ndef c():\n    return ''\n"
    )
    done = run("map", "--format", "json", "-o", "map.html", "-o", "map.md", "-o", "map.txt", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert [(entry["name"], len(entry["effects"])) for entry in json.loads(done.stdout)["entries"]] == [
        ("POST /a", 1),
        ("GET /c", 0),
    ]
    assert "### `POST /a`" in (tmp_path / "map.md").read_text()
    assert "<!doctype html>" in (tmp_path / "map.html").read_text()
    assert run("map", cwd=tmp_path).stdout == (tmp_path / "map.txt").read_text()
    assert "GET /c" not in run("map", "--exposed", cwd=tmp_path).stdout
    refused = run("map", "-o", "map.sarif", cwd=tmp_path)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "roadworthy: error: --output map.sarif: a map is written as .txt, .md, .json or .html\n"


def test_a_review_in_html_holds_the_map(tmp_path: Path) -> None:
    """The same entries."""
    (tmp_path / "app.py").write_text(
        "import flask\n\napp = flask.Flask(__name__)\n\n\n@app.get('/c')\ndef c():\n    return ''\n"
    )
    assert run("review", "-o", "report.html", cwd=tmp_path).returncode == 0
    assert 'data-name="GET /c"' in (tmp_path / "report.html").read_text()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk at hand")
def test_a_full_disk(tmp_path: Path) -> None:
    """Said in one line."""
    (tmp_path / "app.py").write_text("x = 1\n")
    done = run("map", "-f", "json", "-o", "/dev/full", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "roadworthy: error: cannot write /dev/full: No space left on device\n")


def test_a_reader_that_leaves(tmp_path: Path) -> None:
    """`| head`: no complaint."""
    routes = "".join(f"@app.get('/{n}')\ndef f{n}():\n    return ''\n\n\n" for n in range(1500))
    (tmp_path / "app.py").write_text(f"import flask\n\napp = flask.Flask(__name__)\n\n\n{routes}")
    command = [sys.executable, "-m", "roadworthy", "map"]
    process = subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.read(10)
    process.stdout.close()
    assert process.wait(60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()


def test_any_encoding(tmp_path: Path) -> None:
    """For people in the locale's encoding as far as that goes; for machines UTF-8; no colours unless a terminal wants them."""
    (tmp_path / "app.py").write_text(
        "import flask\n\napp = flask.Flask(__name__)\n\n\n@app.get('/ü')\ndef c():\n    return ''\n", encoding="utf-8"
    )
    done = run("map", cwd=tmp_path, PYTHONIOENCODING="ascii", COLUMNS="40")
    assert (done.returncode, done.stderr) == (0, "")
    assert "GET /\\xfc" in done.stdout
    assert "\x1b[" not in done.stdout
