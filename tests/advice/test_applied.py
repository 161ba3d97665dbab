"""Fixes that behave as their reader expects: several writers, programs that run on, NULLs, whose id is claimed."""

from __future__ import annotations

from advice.test_fix_texts import fixes
from roadworthy.rules.durability.in_place_state_write import check as state_writes
from roadworthy.rules.idempotency.missing_unique_constraint import check as missing_keys
from roadworthy.rules.idempotency.read_modify_write import check as read_modify_write
from roadworthy.rules.idempotency.unguarded_redelivery import check as redelivery
from roadworthy.rules.resilience.call_without_timeout import check as timeouts
from roadworthy.rules.resilience.wait_without_timeout import check as waits


def test_the_wait_for_a_program_ends_the_program() -> None:
    """A limit on `communicate()` leaves the program behind; what was bound stays bound."""
    text = fixes(
        waits,
        app="""
        from subprocess import PIPE, Popen

        import flask

        app = flask.Flask(__name__)

        @app.post("/render")
        def render():
            process = Popen(["wkhtmltopdf", "page.html", "-"], stdout=PIPE, stderr=PIPE)
            pdf, _ = process.communicate()
            return pdf
        """,
    )
    assert "    pdf, _ = process.communicate(timeout=60)\nexcept subprocess.TimeoutExpired:\n    process.kill()" in text


def test_a_program_that_no_request_waits_for_may_take_longer() -> None:
    """A build or a backup of a minute is healthy."""
    text = fixes(
        timeouts,
        app="""
        import subprocess

        from celery import shared_task

        @shared_task
        def backup():
            subprocess.run(["pg_dump", "shop"], check=True)
        """,
    )
    assert "timeout=600" in text


def test_each_writer_has_a_name_of_its_own() -> None:
    """Two requests that write `state.json.new` at once would rename each other's half."""
    text = fixes(
        state_writes,
        app="""
        import json

        import flask

        app = flask.Flask(__name__)
        STATE = "/var/lib/shop/state.json"

        @app.get("/state")
        def show():
            with open(STATE) as file:
                return json.load(file)

        @app.post("/state")
        def save():
            with open(STATE, "w") as file:
                json.dump(flask.request.json, file)
            return ""
        """,
    )
    assert 'partial = f"{STATE}.{uuid.uuid4().hex}.new"' in text


def test_a_key_says_what_it_does_with_null() -> None:
    """A column that is looked up by what may be None is no part of a key for these rows."""
    text = fixes(
        missing_keys,
        app="""
        from django.db import models
        from django.http import HttpResponse
        from django.urls import path

        class Price(models.Model):
            mode = models.CharField(max_length=20)
            until = models.DateTimeField(null=True)

        def load(request):
            data = request.POST
            Price.objects.get_or_create(mode=data["mode"], until=data.get("until"))
            return HttpResponse()

        urlpatterns = [path("load", load)]
        """,
    )
    assert "with the condition `until IS NULL`" in text


def test_no_claim_by_the_id_of_a_customer() -> None:
    """Many events come of one customer: the claim of the first would swallow the others."""
    text = fixes(
        redelivery,
        app="""
        import flask
        import redis
        from django.core.mail import send_mail

        app = flask.Flask(__name__)
        cache = redis.Redis(socket_timeout=5)

        @app.post("/stripe/webhook")
        def stripe_webhook():
            customer_id = flask.request.json["data"]["object"]["customer"]
            send_mail("Your plan has changed", str(customer_id), None, ["sales@example.org"])
            return ""
        """,
    )
    assert "Claim the id of the event" in text
    assert "redis.set" not in text


def test_a_redis_client_is_used_where_there_is_one() -> None:
    """`import redis` brings the library, which has no `set()`."""
    source = """
    import flask
    {line}
    from django.core.mail import send_mail

    app = flask.Flask(__name__)

    @app.post("/stripe/webhook")
    def stripe_webhook():
        event_id = flask.request.json["id"]
        send_mail("Your plan has changed", str(event_id), None, ["sales@example.org"])
        return ""
    """
    store = "from redis import Redis\n\nredis = Redis(socket_timeout=5)\n"
    with_client = fixes(redelivery, app=source.format(line="from store import redis"), store=store)
    without = fixes(redelivery, app=source.format(line="import store"), store=store)
    assert "if not redis.set(" in with_client
    assert "redis.set" not in without
    assert "Claim `event_id`" in without


def test_an_increment_by_a_parameter_of_that_name() -> None:
    """`self.rows + rows` adds the caller's number: nothing depends on the row's."""
    text = fixes(
        read_modify_write,
        app="""
        from django.db import models
        from django.http import HttpResponse
        from django.urls import path

        class Query(models.Model):
            rows = models.IntegerField(default=0)

        def add(query, rows):
            query.rows = query.rows + rows
            query.save()

        def progress(request, pk):
            add(Query.objects.get(pk=pk), int(request.POST["rows"]))
            return HttpResponse()

        urlpatterns = [path("progress/<int:pk>", progress)]
        """,
    )
    assert "depends on the number" not in text
    assert 'F("rows") + rows' in text
