from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facts_around.showing import facts_of
from roadworthy.facts.around import extract_around
from roadworthy.project.deployment import Deployment, StartedProcess, build_deployment, reach, signal_reaches

if TYPE_CHECKING:
    import random

ENTRY = """
    #!/bin/sh
    set -e
    python manage.py migrate
    exec "$@"
    """


def deployment(**files: str) -> Deployment:
    return build_deployment([facts_of(path, text) for path, text in files.items()])


def only(kind: str, found: Deployment) -> StartedProcess:
    (process,) = [process for process in found.processes if process.kind == kind and process.host != "script"]
    return process


@pytest.mark.parametrize(
    ("dockerfile", "reached", "reason"),
    [
        ('FROM python:3.12\nCMD ["gunicorn", "a:b"]', True, "it is the process that is stopped"),
        ("FROM python:3.12\nCMD gunicorn a:b", False, "without exec"),
        ("FROM python:3.12\nCMD exec gunicorn a:b", True, "replaced"),
        ("FROM python:3.12-alpine\nCMD gunicorn a:b", True, "replaced"),  # busybox becomes the last command
        ("FROM rockylinux:9\nCMD migrate && gunicorn a:b", True, "replaced"),  # so does bash
        ("FROM rockylinux:9\nCMD gunicorn a:b > /log", False, "without exec"),  # but not with a redirection
        ("FROM rockylinux:9\nCMD gunicorn a:b; echo over", False, "without exec"),
        ("FROM python:3.12\nCMD gunicorn a:b &\n", False, "in the background"),
        ('FROM python:3.12\nSHELL ["/bin/bash", "-c"]\nCMD gunicorn a:b', True, "replaced"),
        ('FROM python:3.12\nCMD ["sh", "-c", "gunicorn a:b"]', False, "sh -c starts it without exec"),
        ('FROM python:3.12\nENTRYPOINT ["tini", "--"]\nCMD ["sh", "-c", "gunicorn a:b"]', False, "sh -c starts it"),
        ('FROM python:3.12\nENTRYPOINT ["tini", "-g", "--"]\nCMD ["sh", "-c", "gunicorn a:b"]', True, "whole group"),
        ('FROM python:3.12\nENTRYPOINT ["dumb-init", "--"]\nCMD gunicorn a:b', True, "whole group"),
        ('FROM python:3.12\nENTRYPOINT ["dumb-init", "-c", "--"]\nCMD gunicorn a:b', False, "without exec"),
        ('FROM python:3.12\nENTRYPOINT ["/entry.sh"]\nCMD ["gunicorn", "a:b"]', True, "replaced"),
        ("FROM python:3.12\nENTRYPOINT /entry.sh gunicorn a:b", False, "/bin/sh -c starts it"),
        ('FROM python:3.12\nENTRYPOINT ["/entry.sh"]\nCMD gunicorn a:b', False, "/bin/sh -c starts it"),
        ('FROM python:3.12\nENTRYPOINT ["bash", "/entry.sh", "gunicorn", "a:b"]', True, "replaced"),
        ('FROM python:3.12\nENTRYPOINT ["poetry", "run"]\nCMD ["gunicorn", "a:b"]', True, "replaced"),
        ('FROM python:3.12\nENTRYPOINT ["time"]\nCMD ["gunicorn", "a:b"]', False, "time does not pass signals on"),
        ('FROM python:3.12 AS one\nENTRYPOINT ["/entry.sh"]\nFROM one\nCMD ["gunicorn", "a:b"]', True, "replaced"),
    ],
)
def test_images(dockerfile: str, reached: bool, reason: str) -> None:
    process = only("server", deployment(**{"Dockerfile": dockerfile + "\n", "docker/entry.sh": ENTRY}))
    assert signal_reaches(process)[0] is reached
    assert reason in signal_reaches(process)[1]
    assert reach(process).certain
    assert process.target == "a:b"


def test_an_unknown_base_image_leaves_doubt() -> None:
    process = only("server", deployment(Dockerfile="FROM registry.example.org/base:1\nCMD gunicorn a:b\n"))
    answer = reach(process)
    assert (answer.reached, answer.certain) == (False, False)


def test_the_place_of_the_loss() -> None:
    script = "#!/bin/bash\nset -e\npython manage.py migrate\ngunicorn a:b --timeout 90\n"
    found = deployment(
        **{"Dockerfile": 'FROM python:3.12\nCOPY deploy/run.sh /start\nCMD ["/start"]\n', "deploy/run.sh": script}
    )
    ((process, answer),) = found.unreachable()
    assert (process.path, process.line, process.through_script) == ("deploy/run.sh", 4, "deploy/run.sh")
    assert process.origin == ("Dockerfile", 3)
    assert answer.at is not None
    assert (answer.at.path, answer.at.line) == ("deploy/run.sh", 4)
    assert process.option("--timeout") == "90"
    assert not process.exec


def test_copies_with_other_names_and_relative_to_the_work_folder() -> None:
    files = {
        "Dockerfile": 'FROM python:3.12\nWORKDIR /srv\nCOPY compose/worker/start ./start-worker\nCMD ["/srv/start-worker"]\n',
        "compose/worker/start": "#!/bin/bash\nexec celery -A p worker\n",
        "compose/web/start": "#!/bin/bash\nexec gunicorn a:b\n",
    }
    docker = [p for p in deployment(**files).processes if p.host == "docker"]
    assert [p.kind for p in docker] == ["worker"]


@pytest.mark.parametrize(
    ("script", "reached"),
    [
        ("gunicorn a:b &\nwait\n", False),
        ("trap 'kill -TERM $!' TERM\ngunicorn a:b &\nwait\n", True),
        ("stop() { kill $p; }\ntrap stop TERM INT\ngunicorn a:b &\np=$!\nwait $p\n", True),
        ("trap 'kill $!' EXIT\ngunicorn a:b &\nwait\n", False),  # never runs while the signal is not handled
        ("trap 'rm x' TERM\ngunicorn a:b &\nwait\n", False),
        ("trap 'kill 0' TERM\ngunicorn a:b\n", False),  # the trap waits for the foreground command
        ("run() { exec gunicorn a:b; }\nrun\n", True),
        (". ./inner.sh\n", True),
        ("./inner.sh\n", False),
        ("exec ./inner.sh\n", True),
        ("exec gunicorn a:b 2>&1 | tee log\n", False),
    ],
)
def test_scripts(script: str, reached: bool) -> None:
    files = {
        "Dockerfile": 'FROM python:3.12\nENTRYPOINT ["./run.sh"]\n',
        "run.sh": "#!/bin/bash\n" + script,
        "inner.sh": "#!/bin/bash\nexec gunicorn a:b\n",
    }
    process = only("server", deployment(**files))
    assert reach(process).reached is reached


def test_arguments_choose_the_branch() -> None:
    script = 'case "$1" in\n  web) exec gunicorn a:b ;;\n  worker) celery -A p worker ;;\n  *) exec "$@" ;;\nesac\n'
    compose = """
        services:
          web: {build: ., command: web}
          worker: {build: ., command: worker}
          other: {build: ., command: python poller.py}
        """
    found = deployment(
        **{"Dockerfile": 'FROM python:3.12\nENTRYPOINT ["/run.sh"]\n', "run.sh": script, "compose.yaml": compose}
    )
    names = {(p.owner, p.name, reach(p).reached) for p in found.processes if p.host == "compose"}
    assert names == {("web", "gunicorn", True), ("worker", "celery", False), ("other", "poller.py", True)}


def test_the_environment_chooses_the_branch() -> None:
    script = 'if [ "$KIND" = worker ]; then\n  exec celery -A p worker\nelse\n  exec gunicorn a:b\nfi\n'
    compose = "services:\n  w:\n    build: .\n    environment: {KIND: beat}\n"
    found = deployment(
        **{"Dockerfile": 'FROM python:3.12\nENTRYPOINT ["/run.sh"]\n', "run.sh": script, "compose.yaml": compose}
    )
    assert [p.kind for p in found.processes if p.host == "compose"] == ["server"]


def test_set_changes_the_arguments() -> None:
    script = 'if [ "${1#-}" != "$1" ]; then\n  set -- gunicorn a:b "$@"\nfi\nexec "$@"\n'
    found = deployment(
        **{"Dockerfile": 'FROM python:3.12\nENTRYPOINT ["/run.sh"]\nCMD ["--workers", "3"]\n', "run.sh": script}
    )
    process = only("server", found)
    assert process.option("--workers") == "3"


def test_compose_overrides_and_its_own_init() -> None:
    compose = """
        services:
          one:
            build: {context: app}
            command: ["sh", "-c", "celery -A p worker"]
            init: true
            stop_grace_period: 2m
          two:
            image: python:3.12
            entrypoint: ["gosu", "app"]
            command: ["celery", "-A", "p", "beat"]
          dev:
            build: app
            volumes: [".:/code"]
            command: gunicorn a:b
        """
    found = deployment(
        **{"app/Dockerfile": 'FROM python:3.12\nENTRYPOINT ["gunicorn"]\nCMD ["a:b"]\n', "docker-compose.yml": compose}
    )
    by_owner = {p.owner: p for p in found.processes if p.host == "compose"}
    assert by_owner["one"].argv[0] == "gunicorn"  # the entrypoint of the image stays
    assert by_owner["one"].grace_period == 120
    assert by_owner["one"].init
    assert (by_owner["two"].kind, by_owner["two"].grace_period) == ("scheduler", 10)
    assert by_owner["dev"].role == "dev"
    assert by_owner["two"].role == "prod"


def test_kubernetes() -> None:
    manifest = """
        kind: Deployment
        metadata: {name: api}
        spec:
          template:
            metadata: {labels: {app: api}}
            spec:
              containers:
                - name: web
                  image: python:3.12
                  command: ["sh", "-c", "alembic upgrade head && uvicorn a:b"]
                  lifecycle: {preStop: {exec: {command: [sleep, "5"]}}}
                - name: sidecar
                  command: [celery, -A, p, worker]
        ---
        kind: Service
        spec: {selector: {app: api}}
        """
    found = deployment(**{"k8s.yaml": manifest})
    assert {p.kind: reach(p).reached for p in found.processes} == {"oneshot": False, "server": False, "worker": True}
    web, sidecar = found.workloads
    assert (web.kind, web.container, web.pre_stop, web.behind_service, web.readiness) == (
        "Deployment",
        "web",
        "exec",
        True,
        False,
    )
    assert web.grace_period == sidecar.grace_period == 30


def test_managers_and_process_types() -> None:
    found = deployment(
        **{
            "x.service": "[Service]\nExecStart=/bin/sh -c 'gunicorn a:b'\nTimeoutStopSec=20\n",
            "y.service": "[Service]\nExecStart=/bin/sh -c 'gunicorn y:b'\nKillMode=process\n",
            "supervisord.conf": "[program:w]\ncommand=sh -c 'celery -A p worker'\n[program:v]\ncommand=sh -c 'celery -A q worker'\nstopasgroup=true\n",
            "Procfile": "web: gunicorn p:b\n",
        }
    )
    answers = {p.target: (reach(p).reached, p.grace_period) for p in found.processes}
    assert answers == {"a:b": (True, 20), "y:b": (False, 90), "p": (False, 10), "q": (True, 10), "p:b": (True, 30)}


def test_a_server_that_reloads_on_the_signal() -> None:
    text = 'FROM python:3.12\n{}CMD ["uwsgi", "--module", "a.wsgi"{}]\n'
    assert not reach(only("server", deployment(Dockerfile=text.format("", "")))).reached
    assert reach(only("server", deployment(Dockerfile=text.format("", ', "--die-on-term"')))).reached
    assert reach(only("server", deployment(Dockerfile=text.format("", ', "--ini", "x.ini"')))).reached
    assert reach(only("server", deployment(Dockerfile=text.format("STOPSIGNAL SIGINT\n", "")))).reached


def test_scripts_that_nothing_starts() -> None:
    found = deployment(**{"scripts/run.sh": "echo hi\nuvicorn a:b\n", "scripts/other.sh": "pip install x\n"})
    assert [(p.host, p.kind) for p in found.processes] == [("script", "server")]


def test_console_scripts_of_the_project() -> None:
    pyproject = '[project]\nname = "x"\n[project.scripts]\nmytool = "pkg.cli:main"\n'
    found = deployment(**{"pyproject.toml": pyproject, "Dockerfile": 'FROM python:3.12\nCMD ["mytool", "consumer"]\n'})
    assert (found.processes[0].kind, found.processes[0].target) == ("worker", "pkg.cli:main")


def test_scripts_that_start_each_other_end() -> None:
    found = deployment(
        **{"a.sh": "./b.sh\ngunicorn a:b\n", "b.sh": "./a.sh\n", "Dockerfile": 'FROM python:3.12\nCMD ["./a.sh"]\n'}
    )
    assert 0 < len(found.processes) < 100


FILES = {
    "Dockerfile": 'FROM python:3.12\nENTRYPOINT ["/run.sh"]\nCMD gunicorn a:b\n',
    "run.sh": dedent(ENTRY).lstrip(),
    "docker-compose.yml": "services:\n  w:\n    build: .\n    command: celery -A p worker\n",
    "k.yaml": "kind: Pod\nmetadata: {name: x}\nspec:\n  containers:\n    - {name: c, args: [python, worker.py]}\n",
    "Procfile": "web: ./run.sh gunicorn a:b\n",
    "pyproject.toml": '[project]\nname = "x"\n[project.scripts]\nx = "a:b"\n',
}


@given(st.randoms())
def test_the_order_of_files_does_not_matter(rng: random.Random) -> None:
    facts = [facts_of(path, text) for path, text in FILES.items()]
    expected = build_deployment(facts)
    rng.shuffle(facts)
    assert build_deployment(facts) == expected


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damaged_files_do_no_harm(data: st.DataObject) -> None:
    facts = []
    for path, text in FILES.items():
        start = data.draw(st.integers(0, len(text)))
        end = data.draw(st.integers(start, min(len(text), start + 15)))
        put = data.draw(st.sampled_from(["", '"', "$@", "\n", " ./run.sh ", "[", "exec ", "{", "- ", "services:\n"]))
        found = extract_around(path, (text[:start] + put + text[end:]).encode())
        if found is not None:
            facts.append(found)
    for process in build_deployment(facts).processes:
        assert signal_reaches(process)[1]
