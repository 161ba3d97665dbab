from __future__ import annotations

import pytest

from facts_around.showing import facts_of, golden, settings, show


def test_stages_forms_and_continuations() -> None:
    facts = facts_of(
        "Dockerfile",
        r"""
        # syntax=docker/dockerfile:1
        ARG VERSION=3.12
        FROM python:${VERSION}-slim AS base
        ENV PORT=8000 NAME="a b"
        ENV OLD old form
        WORKDIR /srv
        RUN <<EOF
        CMD ["not", "an", "instruction"]
        EOF
        COPY --chown=app:app ./deploy/start.sh ./start
        CMD gunicorn app:app \
            # a comment inside
            --bind 0.0.0.0:$PORT \

            && echo "$UNKNOWN done"
        FROM base AS prod
        STOPSIGNAL SIGQUIT
        ENTRYPOINT ["/usr/bin/tini", "--"]
        CMD ["sh", "-c", "exec uvicorn a:b"]
        """,
    )
    assert show(facts) == golden(
        """
        dockerfile
        11-13 shell cmd base: gunicorn app:app --bind 0.0.0.0:8000 by /bin/sh -c
        15-15 shell cmd base: echo $… done [last] by /bin/sh -c
        18-18 exec entrypoint prod: /usr/bin/tini -- [exec last]
        19-19 shell cmd prod: uvicorn a:b [exec last] by sh -c
        """
    )
    found = settings(facts)
    assert found["stage.base.from"] == "python:3.12-slim"
    assert found["stage.base.env.NAME"] == "a b"
    assert found["stage.base.env.OLD"] == "old form"
    assert found["stage.base.copy:/srv/start"] == "./deploy/start.sh"
    assert found["stage.prod.stopsignal"] == "SIGQUIT"


def test_what_is_no_json_list_is_the_shell_form() -> None:
    facts = facts_of("Dockerfile", "FROM x\nCMD ['gunicorn', 'app']\n")
    assert facts.processes[0].form == "shell"


def test_json_form_takes_no_variables() -> None:
    facts = facts_of("Dockerfile", 'FROM x\nENV APP=a:b\nCMD ["gunicorn", "$APP"]\n')
    assert facts.processes[0].argv == ("gunicorn", "$APP")


def test_only_the_last_cmd_of_a_stage_counts() -> None:
    facts = facts_of("Dockerfile", 'FROM x\nCMD ["a"]\nCMD ["b"]\n')
    assert [process.argv for process in facts.processes] == [("b",)]


@pytest.mark.parametrize(
    ("entrypoint", "command"),
    [('["bash", "-lc"]', '["migrate; gunicorn a:b"]'), ('["bash"]', '["-lc", "migrate; gunicorn a:b"]')],
)
def test_a_shell_in_entrypoint_runs_the_text_in_cmd(entrypoint: str, command: str) -> None:
    facts = facts_of("Dockerfile", f"FROM x\nENTRYPOINT {entrypoint}\nCMD {command}\n")
    assert [(p.role, p.argv, p.shell) for p in facts.processes] == [
        ("cmd", ("migrate",), ("bash", "-lc")),
        ("cmd", ("gunicorn", "a:b"), ("bash", "-lc")),
    ]


def test_a_script_before_a_shell_text_is_not_its_shell() -> None:
    facts = facts_of("Dockerfile", 'FROM x\nENTRYPOINT ["/entry.sh"]\nCMD ["sh", "-c", "exec a"]\n')
    assert [(p.role, p.shell) for p in facts.processes] == [("entrypoint", ()), ("cmd", ("sh", "-c"))]


def test_shell_instruction_and_windows_escape() -> None:
    facts = facts_of("Dockerfile", '# escape=`\nFROM x\nSHELL ["/bin/bash", "-ec"]\nCMD a `\n  b\n')
    assert show(facts).splitlines()[1] == "4-5 shell cmd 0: a b [last] by /bin/bash -ec"


def test_templates_are_read() -> None:
    facts = facts_of("Dockerfile.j2", 'FROM {{ image }}\n{% if x %}\nCMD ["{{ program }}", "run"]\n{% endif %}\n')
    assert facts.processes[0].argv == ("$…", "run")
    assert settings(facts)["stage.0.from"] == "$…"


def test_an_unclosed_heredoc_does_not_swallow_the_file() -> None:
    facts = facts_of("Dockerfile", 'FROM x\nRUN <<EOF\necho\nCMD ["a"]\n')
    assert [p.argv for p in facts.processes] == [("a",)]
