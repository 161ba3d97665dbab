from __future__ import annotations

import pytest

from facts_around.showing import facts_of, golden, settings, show
from roadworthy.facts.around import extract_around


def test_order_branches_functions_and_ends() -> None:
    facts = facts_of(
        "entrypoint.sh",
        r"""
        #!/bin/bash
        set -euo pipefail
        serve() {
          exec gunicorn app:app --bind "0.0.0.0:${PORT:-8000}" "$@"
        }
        unused() { celery worker; }
        python manage.py migrate && echo done
        case "$1" in
          web|server) serve ;;
          worker) exec celery -A proj worker > /tmp/log 2>&1 ;;
          *) exec "$@" ;;
        esac
        """,
    )
    assert show(facts) == golden(
        """
        shell
        7-7 script run -: python manage.py migrate by /bin/bash
        7-7 script run -: echo done by /bin/bash
        4-4 script run -: gunicorn app:app --bind 0.0.0.0:8000 $@ [exec last wrapped] by /bin/bash if $1 in web|server
        10-10 script run -: celery -A proj worker [exec last wrapped] by /bin/bash if $1 in worker
        11-11 script run -: $@ [exec last wrapped] by /bin/bash if $1 in *
        """
    )
    assert settings(facts)["shell.set"] == "-euo pipefail"


def test_exec_does_not_replace_the_script_everywhere() -> None:
    facts = facts_of("run.sh", "exec a | tee log\n( exec b )\nexec c &\nexec > >(tee log)\nexec 2>&1\nexec -a name d\n")
    assert [(p.argv, p.replaces_shell) for p in facts.processes] == [
        (("a",), False),
        (("tee", "log"), False),
        (("b",), False),
        (("c",), False),
        (("d",), True),
    ]


def test_traps_tell_what_their_handler_does() -> None:
    facts = facts_of(
        "run.sh",
        "stop() { kill -TERM $pid; }\ntrap stop SIGTERM 2\ntrap 'rm x' EXIT\ntrap - HUP\nserver &\npid=$!\nwait\n",
    )
    found = settings(facts)
    assert found["shell.trap.TERM"] == found["shell.trap.INT"] == "{ kill -TERM $pid; }"
    assert found["shell.trap.EXIT"] == "rm x"
    assert "shell.trap.HUP" not in found
    assert facts.processes[0].background


def test_variables_with_one_value_are_followed() -> None:
    facts = facts_of(
        "run.sh",
        """
        WORKERS=4
        CMD=(gunicorn -w "$WORKERS")
        CMD+=(app:app)
        : "${LEVEL:=info}"
        TWICE=a
        TWICE=b
        OPTS="--x --y"
        exec "${CMD[@]}" --log-level "$LEVEL" $TWICE $OPTS "$OPTS" `date`
        """,
    )
    assert facts.processes[-1].argv == (
        "gunicorn", "-w", "4", "app:app", "--log-level", "info", "$…", "--x", "--y", "--x --y", "$…",
    )  # fmt: skip


def test_arguments_keep_their_names() -> None:
    facts = facts_of("run.sh", 'exec "$@"\nexec $*\nexec "${@:2}"\nexec "$1" "${2}"\n')
    assert [p.argv for p in facts.processes] == [("$@",), ("$@",), ("$@",), ("$1", "$2")]


def test_an_if_on_an_argument_is_a_case() -> None:
    facts = facts_of("run.sh", 'if [ "$1" = "web" ]; then\n  a\nelif [[ $1 == worker ]]; then\n  b\nelse\n  c\nfi\n')
    assert [p.cases for p in facts.processes] == [(("$1", ("web",)),), (("$1", ("worker",)),), ()]
    assert all(p.is_last for p in facts.processes)


def test_trailing_exit_does_not_hide_the_last_command() -> None:
    facts = facts_of("run.sh", "a\nb\nexit $?\n")
    assert [p.is_last for p in facts.processes] == [False, True, False]


def test_a_loop_has_no_last_command() -> None:
    facts = facts_of("run.sh", "while true; do\n  python poll.py\ndone\n")
    assert [(p.argv[0], p.is_last) for p in facts.processes] == [("true", False), ("python", False)]


def test_a_long_chain_keeps_its_beginning() -> None:
    facts = facts_of("run.sh", " && ".join(f"c{i}" for i in range(500)) + "\n")
    assert [facts.processes[i].argv[0] for i in (0, 1, 499)] == ["c0", "c1", "c499"]
    assert [p.is_last for p in facts.processes].count(True) == 1


def test_recursion_of_functions_ends() -> None:
    facts = facts_of("run.sh", "a() { b; work; }\nb() { a; }\na\n")
    assert [p.argv for p in facts.processes] == [("work",)]


@pytest.mark.parametrize(
    ("path", "text", "is_read"),
    [
        ("docker/start", "#!/usr/bin/env bash\nexec a\n", True),
        ("docker/start", "#!/usr/bin/env python\nprint()\n", False),
        ("bin/tool", "no shebang\n", False),
        ("run.sh", "exec a\n", True),
        ("run.sh", "#!/usr/bin/python\nx = 1\n", False),
        ("entrypoint.sh", "#!/usr/bin/with-contenv bash\nexec a\n", True),
    ],
)
def test_the_interpreter_decides(path: str, text: str, is_read: bool) -> None:
    assert (extract_around(path, text.encode()) is not None) is is_read


def test_a_broken_part_is_told_and_the_rest_kept() -> None:
    facts = facts_of("run.sh", "first\nif [ x ; then (((\nexec gunicorn app:app\n")
    assert facts.problems
    assert any(p.argv[:1] == ("first",) for p in facts.processes)


def test_a_block_may_end_right_before_the_brace_of_its_function() -> None:
    text = 'warn() { if [[ $QUIET -ne 1 ]]; then echo "$@"; fi }\nloop() { for x in a b; do work; done }\nloop\nexec serve\n'
    facts = facts_of("run.sh", text)
    assert not facts.problems
    assert [p.argv for p in facts.processes] == [("work",), ("serve",)]
