from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roadworthy.knowledge.programs import ProgramRow, WrapperRow, load_programs, parse_programs
from roadworthy.project.deployment import program, recognise

PROGRAMS = load_programs()


@pytest.mark.parametrize("row", PROGRAMS.rows.wrapper, ids=lambda row: row.names[0])
def test_examples_of_wrappers(row: WrapperRow) -> None:
    command, _, expected = row.example.partition(" => ")
    assert " ".join(program(command.split(), PROGRAMS)) == expected
    found = recognise(command.split(), PROGRAMS)
    assert found.wrappers[0].name.startswith(tuple(row.names))


@pytest.mark.parametrize("row", PROGRAMS.rows.program, ids=lambda row: row.names[0])
def test_examples_of_programs(row: ProgramRow) -> None:
    command, _, expected = row.example.partition(" => ")
    found = recognise(command.split(), PROGRAMS)
    assert f"{found.kind} {found.target}".strip() == expected
    assert found.sure


def test_no_name_is_given_twice() -> None:
    names = [name for row in PROGRAMS.rows.program for name in row.names]
    assert len(names) == len(set(names))
    wrappers = [name for row in PROGRAMS.rows.wrapper for name in row.names]
    assert len(wrappers) == len(set(wrappers))


def test_unknown_keys_are_errors() -> None:
    with pytest.raises(msgspec.ValidationError):
        parse_programs(b'[[program]]\nnames = ["x"]\nexample = "x => oneshot"\ncolour = "red"\n')
    with pytest.raises(msgspec.ValidationError):
        parse_programs(b'[[program]]\nnames = ["x"]\nexample = "x"\nkind = "demon"\n')


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("exec env A=1 gosu app poetry run python -m gunicorn app:app", "gunicorn app:app"),
        ("A=1 B=2 python -u -W ignore manage.py runserver", "manage.py runserver"),
        ("/usr/bin/tini -g -- /entry.sh web", "/entry.sh web"),
        ("newrelic-admin run-program uwsgi app.ini", "uwsgi app.ini"),
        ("newrelic-admin validate-config x.ini", "newrelic-admin validate-config x.ini"),
        ("uv run --frozen --with x celery -A p worker", "celery -A p worker"),
        ("uv pip install x", "uv pip install x"),
        ("python -c print()", "python -c print()"),
        ("python3.12 -Im uvicorn a:b", "uvicorn a:b"),
        ("python --version", "python --version"),
        ("wait-for-it.sh db:5432", "wait-for-it.sh db:5432"),
        ("tini --", ""),
        ("", ""),
    ],
)
def test_what_is_really_started(command: str, expected: str) -> None:
    assert " ".join(program(command.split(), PROGRAMS)) == expected


@pytest.mark.parametrize(
    ("command", "kind", "target", "sure"),
    [
        ("celery --app=proj -l info worker -P gevent", "worker", "proj", True),
        ("celery -Aproj beat", "scheduler", "proj", True),
        ("celery -A proj inspect ping", "oneshot", "proj", True),
        ("gunicorn --check-config app:app", "oneshot", "app:app", True),
        ("gunicorn -k uvicorn.workers.UvicornWorker proj.asgi:application", "server", "proj.asgi:application", True),
        ("gunicorn 'app:create_app()'", "server", "", True),
        ("python worker.py", "worker", "worker.py", False),
        ("python -m proj.consumers.billing_consumer", "worker", "proj.consumers.billing_consumer", False),
        ("python app.py", "server", "app.py", False),
        ("python scripts/wait_for_db.py", "oneshot", "scripts/wait_for_db.py", False),
        ("python odd.py", "unknown", "odd.py", False),
        ("python -", "unknown", "", False),
        ("python", "oneshot", "", True),
        ("mytool serve", "server", "pkg.cli:main", False),
        ("othertool serve", "unknown", "", False),
        ("bin/start celery -A p worker", "worker", "p", True),
        ("--flag only", "unknown", "", False),
        ("$… gunicorn", "unknown", "", False),
    ],
)
def test_recognised(command: str, kind: str, target: str, sure: bool) -> None:
    found = recognise(command.split(), PROGRAMS, {"mytool": "pkg.cli:main"})
    assert (found.kind, found.sure) == (kind, sure)
    if target:
        assert found.target == target


def test_options_have_their_long_names() -> None:
    found = recognise(["gunicorn", "-t", "90", "-w4", "--graceful-timeout=20", "--preload", "app:app"], PROGRAMS)
    assert found.options == (("--timeout", "90"), ("--workers", "4"), ("--graceful-timeout", "20"), ("--preload", ""))
    assert (found.option("--timeout"), found.option("--preload"), found.option("--nothing")) == ("90", "", None)


def test_development() -> None:
    assert recognise(["uvicorn", "a:b", "--reload"], PROGRAMS).development
    assert recognise(["python", "manage.py", "runserver"], PROGRAMS).development
    assert not recognise(["uvicorn", "a:b"], PROGRAMS).development


WORDS = st.sampled_from(
    [
        "python",
        "-m",
        "celery",
        "tini",
        "--",
        "-g",
        "env",
        "A=1",
        "uv",
        "run",
        "gunicorn",
        "app:app",
        "-c",
        "sh",
        "timeout",
        "5",
        "$…",
        "$@",
        "",
    ]
)


@given(st.lists(WORDS, max_size=25))
def test_any_words_end(words: list[str]) -> None:
    rest = program(words, PROGRAMS)
    assert program(rest, PROGRAMS) == rest or len(rest) < len(words)
    recognise(words, PROGRAMS)
