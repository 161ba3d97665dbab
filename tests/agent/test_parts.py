"""What the agent is made of, each part by itself; no model library is needed for any of it."""

from __future__ import annotations

import ast
import sqlite3
import subprocess
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from agent.project import CALL, COLUMN, COMMENT, DOCSTRING, INVENTED, MAIN, ORDER, PLANTED, write_project
from roadworthy.agent.budget import Budget, BudgetError, Limits
from roadworthy.agent.evidence import EvidenceCheck
from roadworthy.agent.history import History
from roadworthy.agent.journal import Journal, JournalError
from roadworthy.agent.prompt import INSTRUCTIONS
from roadworthy.agent.secret import is_secret
from roadworthy.agent.slices import slices
from roadworthy.engine import survey
from roadworthy.engine.questions import paths_text
from roadworthy.faces.definition import definition
from test_readonly import hostile_repository, snapshot

SOURCES = Path(__file__).parents[2] / "src" / "roadworthy" / "agent"


@dataclass
class Said:
    """A citation."""

    path: str
    line: int
    quote: str


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_project(tmp_path_factory.mktemp("shop") / "shop")


@pytest.fixture(scope="module")
def evidence(root: Path) -> EvidenceCheck:
    return EvidenceCheck(survey([root]))


# --- evidence --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", [CALL, COLUMN], ids=["call", "column"])
def test_a_quote_that_stands_is_a_place(evidence: EvidenceCheck, claim: dict[str, object]) -> None:
    """With the function around it."""
    place = evidence.place(Said(**claim))
    assert place is not None
    assert (place.path, place.line) == (claim["path"], claim["line"])


@pytest.mark.parametrize(
    "claim",
    [
        INVENTED,
        COMMENT,
        DOCSTRING,
        ORDER,
        {**CALL, "path": "app/none.py"},
        {**CALL, "path": "../shop/app/main.py"},
        {**CALL, "path": "/etc/passwd", "quote": "root:x:0:0"},
        {**CALL, "quote": "("},
        {**CALL, "path": ".env", "line": 1, "quote": "PAY_KEY=topsecret"},
    ],
    ids=["invented", "comment", "docstring", "document", "no-file", "outside", "absolute", "too-short", "secret"],
)
def test_a_quote_that_proves_nothing_is_none(evidence: EvidenceCheck, claim: dict[str, object]) -> None:
    """Not in the file, not code, or not of this project."""
    assert evidence.place(Said(**claim)) is None
    assert evidence.places([Said(**CALL), Said(**claim)]) == ()


def test_a_line_number_that_slipped_is_put_right(evidence: EvidenceCheck) -> None:
    """When the text stands at one place only; white space does not count."""
    place = evidence.place(Said("./app/main.py", 3, '  order.state   =  "paid" \n    session.commit()'))
    assert place is not None
    assert (place.line, place.end_line, place.function) == (17, 18, "pay")
    assert evidence.place(Said("app/main.py", 1, "order")) is None  # at many places


# --- history ---------------------------------------------------------------------------------------------------------


def _git(root: Path, *words: str) -> None:
    who = ("-c", "user.name=Ada", "-c", "user.email=a@b")
    subprocess.run(["git", *who, *words], cwd=root, check=True, capture_output=True)


def test_history_tells_log_blame_and_diff(tmp_path: Path) -> None:
    """Of one path, between revisions, and to the working tree; a secret file's content is never in it."""
    root = write_project(tmp_path / "shop")
    _git(root, "init", "-q")
    _git(root, "add", "-A")
    _git(root, "commit", "-qm", "First")
    (root / "app" / "main.py").write_text(MAIN.replace('"paid"', '"settled"'))
    (root / ".env").write_text("PAY_KEY=other\n")
    _git(root, "commit", "-qam", "Settle")
    (root / "app" / "db.py").write_text("x = 1\n")
    history = History(root)
    assert history.answer("log", "", "", "", 1, 9).count("Ada: ") == 2
    assert history.answer("log", "app/db.py", "", "", 1, 9).endswith("Ada: First")
    assert history.answer("blame", "app/main.py", "", "", 17, 1).endswith("Ada: Settle")
    changed = history.answer("diff", "", "HEAD~1", "HEAD", 1, 1)
    assert '+    order.state = "settled"' in changed
    assert ".env: changed, holds secrets" in changed
    assert "PAY_KEY" not in changed
    assert history.answer("diff", "app/db.py", "", "", 1, 1).endswith("+x = 1")


@pytest.mark.parametrize(
    ("command", "path", "revision"),
    [
        ("push", "", ""),
        ("log", "", "--output=/tmp/x"),
        ("log", "", "-1"),
        ("diff", "", "--ext-diff"),
        ("diff", "../..", ""),
        ("blame", "/etc/passwd", ""),
        ("blame", ".env", ""),
        ("log", "", "HEAD:.env"),
        ("diff", "", ":/x"),
        ("log", "", "no-such"),
    ],
)
def test_history_refuses_what_is_not_a_question(tmp_path: Path, command: str, path: str, revision: str) -> None:
    """Other commands, options in place of revisions, other places."""
    _git(tmp_path, "init", "-q")
    (tmp_path / ".env").write_text("KEY=1\n")
    _git(tmp_path, "add", "-f", ".env")
    _git(tmp_path, "commit", "-qm", "x")
    assert History(tmp_path).answer(command, path, revision, "", 1, 5).startswith("error: ")


def test_history_runs_nothing_and_writes_nothing(tmp_path: Path) -> None:
    """A repository whose configuration names programs wherever git would run one."""
    root, mark = tmp_path / "tree", tmp_path / "mark"
    root.mkdir()
    hostile_repository(root, mark)
    before = snapshot(root)
    history = History(root)
    answers = [history.answer(c, "app.py", "HEAD", "", 1, 5) for c in ("log", "blame", "diff")]
    assert "+    return 1" in answers[2]
    assert not any(answer.startswith("error") for answer in answers)
    assert not mark.exists()
    assert snapshot(root) == before


def test_a_tree_without_a_repository(tmp_path: Path) -> None:
    """Is said."""
    assert History(tmp_path).answer("log", "", "", "", 1, 5) == "error: this tree is in no git repository"


# --- journal and budget ----------------------------------------------------------------------------------------------


def test_the_journal_keeps_what_it_acknowledged(tmp_path: Path) -> None:
    """Readable by another process at once; only by its owner."""
    file = tmp_path / "state" / "j.sqlite"
    journal = Journal(file)
    journal.record("q", "m", b"answer")
    assert file.stat().st_mode & 0o077 == 0
    copy = tmp_path / "copy"
    copy.mkdir()
    for part in file.parent.iterdir():  # what a power cut would leave
        (copy / part.name).write_bytes(part.read_bytes())
    assert Journal(copy / "j.sqlite").recall("q") == b"answer"
    journal.close()
    again = Journal(file)
    assert (again.recall("q"), again.recall("other")) == (b"answer", None)
    again.close()
    fresh = Journal(file, fresh=True)
    assert fresh.recall("q") is None
    fresh.close()


def test_one_process_at_a_time(tmp_path: Path) -> None:
    """The second is told, and may come when the first is gone."""
    first = Journal(tmp_path / "j.sqlite")
    with pytest.raises(JournalError, match="another agent review"):
        Journal(tmp_path / "j.sqlite")
    first.close()
    Journal(tmp_path / "j.sqlite").close()


def test_a_journal_that_is_none(tmp_path: Path) -> None:
    """Or that cannot be written: said, and never a traceback of SQLite's."""
    (tmp_path / "j.sqlite").write_text("this is text" * 100)
    with pytest.raises(JournalError, match="move it away"):
        Journal(tmp_path / "j.sqlite")
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError):
        Journal(tmp_path / "file" / "j.sqlite")


def test_old_answers_go(tmp_path: Path) -> None:
    """After ninety days, so that the file does not grow for ever."""
    old = Journal(tmp_path / "j.sqlite", clock=lambda: 1_000.0)
    old.record("q", "m", b"x")
    old.close()
    new = Journal(tmp_path / "j.sqlite", clock=lambda: 1_000.0 + 91 * 24 * 3600)
    assert new.recall("q") is None
    new.close()


def test_an_answer_that_cannot_be_written_must_not_be_used(tmp_path: Path) -> None:
    """The caller is told before it acts."""
    journal = Journal(tmp_path / "j.sqlite")
    journal._connection.execute("PRAGMA query_only = ON")
    with pytest.raises(JournalError, match="could not be written"):
        journal.record("q", "m", b"x")
    journal.close()
    assert sqlite3.connect(tmp_path / "j.sqlite").execute("SELECT count(*) FROM answers").fetchone() == (0,)


def test_budget() -> None:
    """Tokens and money count from any answer, time from the start."""
    now = [0.0]
    budget = Budget(Limits(tokens=100, dollars=Decimal(1), seconds=60), clock=lambda: now[0])
    budget.add(60, Decimal("0.4"), replayed=True)
    budget.check()
    budget.add(40, Decimal("0.4"), replayed=False)
    with pytest.raises(BudgetError, match="100 tokens"):
        budget.check()
    money = Budget(Limits(tokens=None, dollars=Decimal(1)))
    money.add(1, Decimal(1), replayed=False)
    with pytest.raises(BudgetError, match=r"\$1"):
        money.check()
    blind = Budget(Limits(dollars=Decimal(1)))
    blind.add(1, None, replayed=False)
    with pytest.raises(BudgetError, match="price"):
        blind.check()
    now[0] = 61
    with pytest.raises(BudgetError, match="60 seconds"):
        budget.check_time()


# --- texts -----------------------------------------------------------------------------------------------------------


def test_no_text_of_the_repository_is_an_instruction(root: Path) -> None:
    """What the model is told is the same for every repository; AGENTS.md is a file like others."""
    assert PLANTED not in INSTRUCTIONS
    assert all(PLANTED not in one.outline for one in slices(survey([root])))


def test_files_worth_a_look(root: Path) -> None:
    """Where control comes in or the world is touched, with what the engine knows."""
    (one,) = slices(survey([root]))
    assert one.paths == ("app/db.py", "app/main.py") or one.paths == ("app/main.py",)
    assert "pay is http-handler" in one.outline
    assert "http-request by requests.post" in one.outline


def test_paths_to_a_function(root: Path) -> None:
    """From each entry point, step by step."""
    told = paths_text(survey([root]), "app.main.pay")
    assert "from http-handler" in told
    assert "app/main.py:12 pay" in told
    assert "no function 'none'" in paths_text(survey([root]), "none")


@pytest.mark.parametrize(
    ("path", "secret"),
    [
        (".env", True),
        ("deploy/.env.production", True),
        (".env.example", False),
        ("certs/server.pem", True),
        (".ssh/id_ed25519", True),
        ("app/credentials.json", True),
        ("app/env.py", False),
        ("app/keys.py", False),
        ("app/credentials.py", False),
    ],
)
def test_files_that_hold_secrets(path: str, secret: bool) -> None:
    """By their names."""
    assert is_secret(path) is secret


def test_the_sub_agent_file() -> None:
    """A head that coding agents read, tools that only read, the shape of the report."""
    text = definition()
    head = text.split("---\n")[1]
    tools = next(line for line in head.splitlines() if line.startswith("tools: ")).removeprefix("tools: ").split(", ")
    assert {tool.rpartition("__")[2] for tool in tools} == {
        "Glob",
        "Grep",
        "Read",
        "review",
        "explain",
        "model",
        "patterns",
        "map",
        "git",
    }
    assert "args: [mcp]" in head
    for words in (
        "### [Severity: HIGH/MEDIUM/LOW] Description",
        "You must not modify any file",
        "`asyncio.create_task()`",
    ):
        assert words in text


@pytest.mark.parametrize("file", sorted(SOURCES.glob("*.py")), ids=lambda file: file.name)
def test_the_agent_runs_no_programs_and_writes_one_file(file: Path) -> None:
    """Only the journal opens anything for writing."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not imported & {"subprocess", "shutil", "tempfile", "socket", "pty", "multiprocessing"}
    called = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    writes = {
        "write_text",
        "write_bytes",
        "unlink",
        "rename",
        "replace_with",
        "mkdir",
        "touch",
        "system",
        "popen",
        "symlink_to",
    }
    assert called & writes == ({"mkdir"} if file.name == "journal.py" else set())


def test_the_model_library_has_one_home() -> None:
    """Only what asks a model knows pydantic-ai: everything else, the server and the sub-agent file too, works without the extra."""
    package = SOURCES.parent
    knows = {
        file.relative_to(package).as_posix()
        for file in package.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names])
        if name.partition(".")[0] in {"pydantic", "pydantic_ai", "pydantic_core", "openai", "anthropic"}
    }
    assert knows == {f"agent/{name}.py" for name in ("answers", "calls", "run", "tools")}
