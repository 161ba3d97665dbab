from __future__ import annotations

from facts_around.showing import facts_of, golden, settings, show
from roadworthy.facts.around import extract_around


def test_systemd() -> None:
    facts = facts_of(
        "deploy/api.service",
        """
        [Unit]
        Description=x
        [Service]
        Environment="A=1" B=2
        ExecStartPre=-/bin/mkdir -p /run/x
        ExecStart=/venv/bin/gunicorn app:app \\
            --timeout 120
        KillMode=mixed
        TimeoutStopSec=5min
        """,
    )
    assert show(facts) == golden(
        """
        systemd
        5-5 exec run api.service: /bin/mkdir -p /run/x [exec last]
        6-7 exec service api.service: /venv/bin/gunicorn app:app --timeout 120 [exec last]
        """
    )
    assert settings(facts)["unit.KillMode"] == "mixed"
    assert settings(facts)["unit.env.A"] == "1"


def test_supervisor() -> None:
    facts = facts_of(
        "supervisor.conf.j2",
        """
        [supervisord]
        nodaemon=true
        [program:web]
        command = /venv/bin/uwsgi --module=a.wsgi
            --master ; a comment
        stopsignal=INT
        [program:worker]
        command=bash -c "source x && exec celery -A %(ENV_APP)s worker"
        stopasgroup = true
        {% if x %}
        [program:{{ name }}]
        command={{ command }} --x
        {% endif %}
        """,
    )
    assert show(facts) == golden(
        """
        supervisor
        4-5 exec service web: /venv/bin/uwsgi --module=a.wsgi --master [exec last]
        8-8 shell service worker: source x by bash -c
        8-8 shell service worker: celery -A $… worker [exec last] by bash -c
        12-12 exec service __hole__: $… --x [exec last]
        """
    )
    assert settings(facts)["program:web.stopsignal"] == "INT"


def test_a_conf_without_programs_is_declined() -> None:
    assert extract_around("nginx.conf", b"server { listen 80; }\n") is None


def test_procfile() -> None:
    facts = facts_of(
        "Procfile",
        """
        # comment: no
        web: gunicorn app:app --bind :$PORT
        release: python manage.py migrate
        worker: A=1 celery -A p worker
        """,
    )
    assert show(facts) == golden(
        """
        procfile
        2-2 shell service web: gunicorn app:app --bind :$… [last] by /bin/sh -c
        3-3 shell run release: python manage.py migrate [last] by /bin/sh -c
        4-4 shell service worker: celery -A p worker [last] by /bin/sh -c
        """
    )
