"""The language server is asked by a real client over standard input and output."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("pygls")

from lsp_client import ROOT, Editor
from roadworthy.engine import review_sources
from roadworthy.faces.lsp_session import Answer, Session

if TYPE_CHECKING:
    from typing import Any

    from lsprotocol import types

NET = "import requests\n\n\ndef fetch(url):\n    été = '😀'; return requests.get(url)\n"
MAIN = "from net import fetch\n\nif __name__ == '__main__':\n    fetch('http://a')\n"
RULE = "call-without-timeout"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = tmp_path.resolve() / "project"
    project.mkdir()
    (project / "roadworthy.toml").write_text(f"select = ['{RULE}']\nseverity = {{ {RULE} = 'HIGH' }}\n")
    (project / "net.py").write_text(NET)
    (project / "main.py").write_text(MAIN)
    return project


def _state(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {str(f): (f.stat().st_mtime_ns, f.read_bytes()) for f in sorted(folder.rglob("*")) if f.is_file()}


def _rules(diagnostics: list[dict[str, Any]]) -> list[str]:
    return [one["code"] for one in diagnostics]


def _at(line: int) -> dict[str, int]:
    return {"line": line, "character": 0}


@pytest.mark.slow
def test_an_editor_opens_edits_saves_and_leaves(folder: Path) -> None:
    """Diagnostics come from the whole project and from what is not saved yet; the tree is not touched."""
    before = _state(folder)
    with Editor(folder) as editor:
        assert editor.server["serverInfo"]["name"] == "roadworthy"

        editor.open("net.py")
        [found] = editor.diagnostics("net.py")
        assert (found["code"], found["severity"], found["source"]) == (RULE, 1, "roadworthy")
        start = NET.splitlines()[4].index("requests") + 1  # UTF-16 units: the emoji counts twice
        assert found["range"]["start"] == {"line": 4, "character": start}
        assert Path(found["codeDescription"]["href"].removeprefix("file://")).name == "call_without_timeout.py"
        steps = [
            (one["location"]["uri"], one["location"]["range"]["start"]["line"]) for one in found["relatedInformation"]
        ]
        assert (editor.uri("main.py"), 3) in steps

        here = {"textDocument": {"uri": editor.uri("net.py")}}
        told = editor.ask("textDocument/hover", {**here, "position": _at(4)})["contents"]["value"]
        assert all(word in told for word in ("**HIGH:", "**Issue**", "**Impact**", "**Fix**", "**Path**", "main.py:4"))
        assert editor.ask("textDocument/hover", {**here, "position": _at(0)}) is None

        asked = {**here, "range": {"start": _at(4), "end": _at(4)}, "context": {"diagnostics": [found]}}
        [action] = editor.ask("textDocument/codeAction", asked)
        [put] = action["edit"]["changes"][editor.uri("net.py")]
        assert put == {
            "range": {"start": _at(4), "end": _at(4)},
            "newText": f"    # roadworthy: ignore[{RULE}] \n",
        }

        editor.edit("net.py", {"range": put["range"], "text": put["newText"]})
        [still] = editor.diagnostics("net.py")
        assert still["range"]["start"]["line"] == 5, "shown at once where it is now"
        end = {"line": 4, "character": len(put["newText"]) - 1}
        editor.edit("net.py", {"range": {"start": end, "end": end}, "text": "the caller kills us"})
        assert editor.diagnostics("net.py", lambda shown: not shown) == []

        editor.edit("net.py", {"text": NET})
        assert _rules(editor.diagnostics("net.py", bool)) == [RULE]
        assert _state(folder) == before

        (folder / "net.py").write_text(NET.replace("get(url)", "get(url, timeout=5)"))
        after = _state(folder)
        editor.edit("net.py", {"text": (folder / "net.py").read_text()})
        editor.save("net.py")
        assert editor.diagnostics("net.py", lambda shown: not shown) == []

        kinds = [one["value"]["kind"] for one in editor.said("$/progress")]
        assert kinds.count("begin") == kinds.count("end") >= 1
        assert editor.leave() == (0, "")
    assert _state(folder) == after


@pytest.mark.slow
def test_a_wrong_configuration_is_said_and_can_be_mended(folder: Path) -> None:
    """The log names file, line and key; the server goes on, and reviews when the file is right."""
    (folder / "roadworthy.toml").write_text("igmore = ['random-key']\n")
    with Editor(folder) as editor:
        editor.open("net.py")
        told = editor.wait(lambda m: m.get("method") == "window/logMessage" and m["params"]["type"] == 1)
        assert "roadworthy.toml:1: key igmore" in told["params"]["message"]
        editor.wait(lambda m: m.get("method") == "window/showMessage")

        (folder / "roadworthy.toml").write_text(f"select = ['{RULE}']\nseverity = {{ {RULE} = 'LOW' }}\n")
        editor.save("roadworthy.toml")
        assert [one["severity"] for one in editor.diagnostics("net.py", bool)] == [3]
        assert editor.said("textDocument/publishDiagnostics")[0]["diagnostics"] != []

        (folder / "roadworthy.toml").write_text(f"ignore = ['{RULE}']\n")
        editor.save("roadworthy.toml")
        assert RULE not in _rules(editor.diagnostics("net.py"))
        assert editor.leave() == (0, "")


def test_an_answer_to_an_older_question_is_dropped(folder: Path) -> None:
    """What is shown speaks of the newest text: the known findings where it has moved them, or its own."""
    shown: list[types.PublishDiagnosticsParams] = []
    session = Session(folder, shown.append)
    findings = review_sources({"net.py": NET}, rules=[RULE]).findings
    session.open("net.py", (folder / "net.py").as_uri(), NET, 1)
    first = session.job()
    assert session.take(Answer(first, findings, (), ()))
    session.change("net.py", "\n" + NET, 2)
    second = session.job()
    session.change("net.py", "\n\n" + NET, 3)
    session.job()
    assert not session.take(Answer(second, (), (), ()))
    assert [(one.version, [d.range.start.line for d in one.diagnostics]) for one in shown] == [
        (1, [4]),
        (2, [5]),
        (3, [6]),
    ]


def test_without_the_extra_it_says_what_to_install(folder: Path) -> None:
    """One line and status 2, no traceback."""
    code = "import sys; sys.modules['pygls'] = None; sys.argv = ['roadworthy', 'lsp']; from roadworthy.faces.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=30
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "roadworthy: error: the language server needs an extra: pip install 'roadworthy[lsp]'\n"


@pytest.mark.slow
def test_what_cannot_be_read_is_said_where_it_is(folder: Path) -> None:
    """A syntax error, saved or not, is reported in its file, and the rest is reviewed; files of other projects are left alone."""
    (folder / "broken.py").write_text("def broken(:\n    return ((\n")
    with Editor(folder) as editor:
        elsewhere = folder.parent / "elsewhere.py"
        editor.open(f"../{elsewhere.name}", "import requests\n\nrequests.get('http://a')\n")
        editor.open("main.py")
        shown = editor.diagnostics("broken.py")
        assert set(_rules(shown)) == {"not-reviewed"}
        assert shown[0]["message"].startswith("Not reviewed: ")
        assert _rules(editor.diagnostics("net.py")) == [RULE]

        editor.edit("main.py", {"text": MAIN + "def half(:\n"})
        assert set(_rules(editor.diagnostics("main.py", bool))) == {"not-reviewed"}
        published = {one["uri"] for one in editor.said("textDocument/publishDiagnostics")}
        assert elsewhere.as_uri() not in published
        assert editor.leave() == (0, "")
