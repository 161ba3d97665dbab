from __future__ import annotations

import pytest

from facts_around.showing import facts_of, settings
from roadworthy.facts.around import extract_around, wants


def test_toml_ini_and_env() -> None:
    toml = facts_of(
        "config.toml",
        'title = "x"\n[http]\ntimeout = 2.5\nretry = true\nnested = {a = 1}\n[[servers]]\nhost = "a"\n[[servers]]\nhost = "b"\n',
    )
    assert settings(toml) == {
        "title": "x", "http.timeout": "2.5", "http.retry": "true", "http.nested.a": "1", "servers.0.host": "a", "servers.1.host": "b",
    }  # fmt: skip
    assert [s.line for s in toml.settings] == [1, 3, 4, 5, 7, 9]
    ini = facts_of(
        "uwsgi.ini", "[uwsgi]\nharakiri = 60 ; seconds\ndie-on-term = true\nattach-daemon = celery -A p worker\n"
    )
    assert settings(ini)["uwsgi.harakiri"] == "60"
    assert ini.processes[0].argv == ("celery", "-A", "p", "worker")
    env = facts_of(".env.example", "# c\nexport A='1'\nTIMEOUT=30\nnot a line\n")
    assert settings(env) == {"A": "1", "TIMEOUT": "30"}


def test_secrets_do_not_stay() -> None:
    env = facts_of(".env", "API_KEY=abc\nTOKEN_TTL_SECONDS=300\nDATABASE_URL=postgres://me:pw@db/x?connect_timeout=3\n")
    assert settings(env) == {
        "API_KEY": "***",
        "TOKEN_TTL_SECONDS": "300",
        "DATABASE_URL": "postgres://me:***@db/x?connect_timeout=3",
    }


def test_templates_of_toml_are_filled() -> None:
    facts = facts_of(
        "pyproject.toml",
        '[project]\nname = "{{ cookiecutter.name }}"\n[project.scripts]\n{{ cookiecutter.name }} = "a:b"\n',
    )
    assert not facts.problems


def test_settings_are_capped() -> None:
    facts = facts_of("config.ini", "[a]\n" + "".join(f"k{i} = {i}\n" for i in range(3000)))
    assert len(facts.settings) == 2000
    assert [p.line for p in facts.problems] == [2002]


@pytest.mark.parametrize(
    "path",
    [
        "Dockerfile", "docker/Dockerfile.prod", "api.Dockerfile", "Containerfile", "Dockerfile.j2", "docker-compose.yml", "compose.yaml",
        "chart/templates/x.yaml", "Procfile", "Procfile.dev", "scripts/run.sh", "compose/production/django/start", "docker-entrypoint",
        "deploy/x.service", "etc/supervisord.conf", "uwsgi.ini", "a/b.sql", "requirements.txt", "requirements-dev.txt", "requirements/prod.txt",
        "constraints.txt", "uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "pylock.prod.toml", "Pipfile", "Pipfile.lock",
        "pyproject.toml", "setup.cfg", ".env", ".env.example", "local.env", ".envs/.prod/.django", "config.toml",
    ],
)  # fmt: skip
def test_wanted(path: str) -> None:
    assert wants(path)


@pytest.mark.parametrize(
    "path",
    [
        "app.py", "gunicorn.conf.py", "setup.py", "README.md", ".github/workflows/ci.yml", ".gitlab-ci.yml", "node_modules/x/Dockerfile",
        "Cargo.toml", "package-lock.json", "tests/test_dockerfile.py", "LICENSE", "docs/notes.txt", "Dockerfile.md", ".dockerignore",
        "pytest.ini", "data.json", "",
    ],
)  # fmt: skip
def test_not_wanted(path: str) -> None:
    assert not wants(path)
    assert extract_around(path, b"FROM x\n") is None
