from __future__ import annotations

from facts_around.showing import facts_of, golden, settings, show
from roadworthy.facts.around import extract_around


def test_compose() -> None:
    facts = facts_of(
        "deploy/docker-compose.yml",
        r"""
        x-common: &common
          restart: always
          stop_grace_period: 1m30s
          environment: &env
            LEVEL: info
            SECRET_KEY: hunter2
        services:
          api:
            <<: *common
            build: {context: ., dockerfile: docker/Dockerfile, target: prod}
            init: true
            command: >
              gunicorn app:app
              --workers ${WORKERS:-3} --price $$5
            healthcheck:
              test: ["CMD", "curl", "localhost"]
            volumes: [".:/code", "data:/data"]
          worker:
            extends: api
            command:
              - bash
              - -c
              - |
                python wait.py
                exec celery -A proj worker
          odd:
            image: minio
            entrypoint: sh
            command: -c 'mkdir x && minio server'
        """,
    )
    assert show(facts) == golden(
        """
        compose
        13-14 exec command api: gunicorn app:app --workers 3 --price $5 [exec last]
        24-24 shell command worker: python wait.py by bash -c
        25-25 shell command worker: celery -A proj worker [exec last] by bash -c
        29-29 shell command odd: mkdir x by sh -c
        29-29 shell command odd: minio server [last] by sh -c
        """
    )
    found = settings(facts)
    assert found["services.api.stop_grace_period"] == found["services.worker.stop_grace_period"] == "1m30s"
    assert found["services.api.init"] == "true"
    assert [s.line for s in facts.settings if s.key == "services.api.name"] == [8]
    assert found["services.api.build.target"] == "prod"
    assert found["services.api.env.LEVEL"] == "info"
    assert found["services.api.env.SECRET_KEY"] == "***"
    assert found["services.api.volume"] == ".:/code"
    assert found["services.api.healthcheck.test"] == "CMD curl localhost"


def test_kubernetes_with_several_documents() -> None:
    facts = facts_of(
        "k8s/api.yaml",
        """
        apiVersion: apps/v1
        kind: Deployment
        metadata: {name: api}
        spec:
          replicas: 2
          strategy: {type: Recreate}
          template:
            metadata:
              labels: {app: api}
            spec:
              terminationGracePeriodSeconds: 60
              initContainers:
                - name: migrate
                  command: [python, manage.py, migrate]
              containers:
                - name: web
                  image: org/api:1
                  command: ["/bin/sh", "-c"]
                  args:
                    - |
                      set -e
                      gunicorn app:app
                  lifecycle:
                    preStop:
                      exec:
                        command: [sleep, "10"]
                  readinessProbe:
                    httpGet: {path: /, port: 80}
                - name: side
                  args: [--flag]
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: api}
        spec:
          selector: {app: api}
        """,
    )
    assert show(facts) == golden(
        """
        kubernetes
        14-14 exec run Deployment/api/migrate: python manage.py migrate [exec last]
        22-22 shell command Deployment/api/web: gunicorn app:app [last] by /bin/sh -c
        26-26 exec prestop Deployment/api/web: sleep 10 [exec last]
        30-30 exec cmd Deployment/api/side: --flag [exec last]
        """
    )
    found = settings(facts)
    assert found["Deployment/api.replicas"] == "2"
    assert found["Deployment/api.strategy"] == "Recreate"
    assert found["Deployment/api.terminationGracePeriodSeconds"] == "60"
    assert found["Deployment/api/web.preStop"] == "exec"
    assert found["Deployment/api/web.readinessProbe"] == "present"
    assert found["Service/api.selector.app"] == "api"


def test_helm_templates() -> None:
    facts = facts_of(
        "chart/templates/worker.yaml",
        """
        {{- if .Values.worker.enabled }}
        apiVersion: apps/v1
        kind: Deployment
        metadata:
          name: {{ include "x.fullname" . }}-worker
          labels:
            {{- include "x.labels" . | nindent 4 }}
        spec:
          {{- if not .Values.autoscaling }}{{/* nothing */}}
          replicas: {{ .Values.worker.replicas | default 3 }}
          {{- end }}
          template:
            spec:
              terminationGracePeriodSeconds: {{ .Values.grace }}
              containers:
                - name: worker
                  command: [{{ include "prefix" . }}"celery", "-A", "{{ .Values.app }}", worker]
                  env:
                    {{- toYaml .Values.env | nindent 12 }}
        {{- end }}
        """,
    )
    assert show(facts) == golden(
        """
        kubernetes
        17-17 exec command Deployment/$…-worker/worker: celery -A $… worker [exec last]
        """
    )
    found = settings(facts)
    assert found["Deployment/$…-worker.replicas"] == "3"
    assert found["Deployment/$…-worker.terminationGracePeriodSeconds"] == "$…"


def test_cron_jobs_and_lists() -> None:
    facts = facts_of(
        "jobs.yml",
        """
        kind: List
        items:
          - kind: CronJob
            metadata: {name: nightly}
            spec:
              schedule: "0 3 * * *"
              concurrencyPolicy: Forbid
              jobTemplate:
                spec:
                  template:
                    spec:
                      containers:
                        - {name: job, command: [python, nightly.py]}
        """,
    )
    assert facts.processes[0].owner == "CronJob/nightly/job"
    assert settings(facts)["CronJob/nightly.concurrencyPolicy"] == "Forbid"


def test_other_yaml_is_declined() -> None:
    assert extract_around("config.yaml", b"a: 1\nb: [1, 2]\n") is None
    assert extract_around("openapi.yml", b"openapi: 3.0.0\nservices:\n") is None


def test_anchors_are_never_expanded() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]\n" for i in range(1, 200))
    facts = facts_of("docker-compose.yml", bomb + "services:\n  web:\n    image: x\n    command: *a199\n")
    assert facts.processes == ()
    assert settings(facts)["services.web.image"] == "x"


def test_an_alias_to_itself_ends() -> None:
    facts = facts_of(
        "docker-compose.yml", "x: &x\n  <<: *x\nservices:\n  web:\n    <<: *x\n    image: y\n    command: run me\n"
    )
    assert facts.processes[0].argv == ("run", "me")


def test_a_broken_document_leaves_the_others() -> None:
    good = "kind: Job\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n      containers:\n        - {name: c, command: [run]}\n"
    facts = facts_of("jobs.yaml", "kind: Job\nmetadata: [\n---\n" + good)
    assert [p.owner for p in facts.processes] == ["Job/a/c"]
    assert [p.line for p in facts.problems] == [1]


def test_platform_manifests() -> None:
    heroku = facts_of(
        "heroku.yml", "run:\n  web: gunicorn app:app\n  worker:\n    command:\n      - celery -A p worker\n"
    )
    assert [p.argv for p in heroku.processes] == [("gunicorn", "app:app"), ("celery", "-A", "p", "worker")]
    render = facts_of("render.yaml", "services:\n  - type: worker\n    name: w\n    startCommand: celery -A p worker\n")
    assert render.processes[0].owner == "w"
    fly = facts_of("fly.toml", 'kill_timeout = 5\n[processes]\napp = "gunicorn app:app"\n')
    assert fly.processes[0].line == 3
    assert settings(fly)["kill_timeout"] == "5"
