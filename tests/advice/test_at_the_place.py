"""Fixes that fit the place where they go: nothing that is given is lost, the right database, the row that is known, the work that has been handed over."""

from __future__ import annotations

from advice.test_fix_texts import fixes
from roadworthy.advice.layout import broken
from roadworthy.engine import model_of
from roadworthy.rules.durability.success_after_failed_write import check as untold
from roadworthy.rules.idempotency.check_then_insert import check as check_then_insert
from roadworthy.rules.idempotency.lookup_wider_than_key import check as wider
from roadworthy.rules.idempotency.missing_unique_constraint import check as missing_keys
from roadworthy.rules.resilience.partial_retry import check as partial_retry
from roadworthy.rules.resilience.secondary_failure_fails_primary import check as side_work
from roadworthy.rules.resilience.single_attempt_call import check as single_attempt
from roadworthy.rules.resilience.swallowed_exception import check as swallowed
from roadworthy.rules.resilience.unbounded_fan_out import check as fan_out
from roadworthy.rules.resilience.wait_without_timeout import check as waits

_ENTRIES = """
from celery import shared_task
from django.db import models, transaction
from django.http import HttpResponse
from django.urls import path

class Shop(models.Model):
    name = models.CharField(max_length=20)

class Entry(models.Model):
    key = models.CharField(max_length=50, unique=True)
    shop = models.ForeignKey(Shop, null=True, on_delete=models.SET_NULL)
    state = models.CharField(max_length=10)

def webhook(request):
    shop = Shop.objects.first()
    more = {"shop": shop}
    Entry.objects.get_or_create(key=request.POST["id"], state=request.POST["state"], shop=shop, defaults=more)
    return HttpResponse()

urlpatterns = [path("webhook", webhook)]
"""


def test_a_narrower_lookup_keeps_all_that_it_was_given() -> None:
    """What is no key moves into the defaults, in front of those that are there; the method stays."""
    text = fixes(wider, app=_ENTRIES)
    assert "Entry.objects.get_or_create(" in text
    assert '"state": request.POST["state"]' in text.replace("'", '"')
    assert '"shop": shop' in text
    assert "**more" in text


def test_a_key_for_some_rows_on_mysql_is_an_expression() -> None:
    """MySQL ignores the condition of a constraint."""
    text = fixes(
        missing_keys,
        manage="import MySQLdb\n",
        app="""
from celery import shared_task
from django.db import models

class Shop(models.Model):
    name = models.CharField(max_length=20)

class Entry(models.Model):
    key = models.CharField(max_length=50)
    shop = models.ForeignKey(Shop, null=True, on_delete=models.SET_NULL)

    class Meta:
        unique_together = ("key", "shop")

@shared_task
def store(key, shop=None):
    Entry.objects.get_or_create(key=key, shop=shop)
""",
    )
    assert "condition=" not in text
    assert "models.Case(models.When(shop__isnull=True, then=models.Value(1)))" in text
    assert "NOT NULL; or" not in text


_SMTP = """
from smtplib import SMTPDataError, SMTPServerDisconnected
from threading import Thread

from django.core.mail import EmailMessage
from django.http import HttpResponse
from django.urls import path

class Sending(Thread):
    def __init__(self, message: EmailMessage):
        super().__init__()
        self.message = message

    def run(self):
        for attempt in range(3):
            try:
                self.message.send()
                return
            except (SMTPServerDisconnected, SMTPDataError):
                if attempt == 2:
                    raise

def remind(request):
    Sending(EmailMessage("a", "b", "c", ["d"])).start()
    return HttpResponse()

urlpatterns = [path("remind", remind)]
"""


def test_of_a_wide_error_only_what_passes_is_repeated() -> None:
    """`OSError` is the base of every `SMTPException`."""
    model = model_of({"app.py": _SMTP})
    (finding,) = [found for found in partial_retry(model) if "OSError" in found.title]
    assert "ConnectionError, TimeoutError)" in finding.fix
    assert "OSError" not in finding.fix


def test_what_was_handed_over_fails_by_itself() -> None:
    """The handler has answered by then: it is the task that fails."""
    model = model_of({
        "app.py": """
import asyncio

import httpx
from fastapi import FastAPI

app = FastAPI()

async def fetch(url):
    async with httpx.AsyncClient(timeout=5) as client:
        return await client.get(url)

async def refresh(urls):
    await asyncio.gather(*(fetch(url) for url in urls))

@app.post("/refresh")
async def start(urls: list[str]):
    app.task = asyncio.create_task(refresh(urls))
    return {}
"""
    })  # fmt: skip
    (finding,) = fan_out(model)
    assert "`refresh()`, which the handler of `POST /refresh` leaves to a task, fails as a whole" in finding.impact


def test_side_work_is_written_as_it_is() -> None:
    """The statement with its arguments stands in the handler."""
    text = fixes(
        side_work,
        app="""
import requests
from fastapi import FastAPI
from sqlalchemy.orm import Session

app = FastAPI()

def tell_slack(text: str, channel: str) -> None:
    requests.post("https://hooks.slack.com/services/x", json={"text": text}, timeout=3).raise_for_status()

@app.post("/orders")
def place(session: Session, order: dict):
    session.add(order)
    session.commit()
    tell_slack("new order", channel="sales")
    return {}
""",
    )
    assert '    tell_slack("new order", channel="sales")\nexcept Exception:' in text


_CHECKS = """
from django.db import models, transaction
from django.http import HttpResponse
from django.urls import path

class Project(models.Model):
    ping_key = models.CharField(max_length=20, unique=True)

class Check(models.Model):
    slug = models.CharField(max_length=50)
    project = models.ForeignKey(Project, on_delete=models.CASCADE)

class Member(models.Model):
    project = models.ForeignKey(Project, on_delete=models.CASCADE)
    email = models.CharField(max_length=50)
    role = models.CharField(max_length=5)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "email"], name="member")]

def ping(request, key, slug):
    try:
        check = Check.objects.get(slug=slug, project__ping_key=key)
    except Check.DoesNotExist:
        project = Project.objects.get(ping_key=key)
        check = Check(project=project, slug=slug)
        check.save()
    except Check.MultipleObjectsReturned:
        return HttpResponse(status=409)
    return HttpResponse(check.pk)

def invite(project, email):
    if Member.objects.filter(project=project, email=email).exists():
        return False
    member = Member.objects.create(project=project, email=email, role="r")
    print(member)
    return True

def invited(request, pk):
    return HttpResponse(invite(Project.objects.get(pk=pk), request.POST["email"]))

urlpatterns = [path("ping/<key>/<slug>", ping), path("invite/<int:pk>", invited)]
"""


def test_a_row_is_locked_where_it_is_known() -> None:
    """The project is read behind the lookup: the lock goes there, and the row is looked for once more."""
    text = fixes(check_then_insert, app=_CHECKS)
    assert "where it is known (line 25), look once more under the lock" in text
    assert "look for the row once more" in text


def test_whoever_comes_second_gets_the_answer_of_the_code() -> None:
    """`False` is returned where the row is there: also where another run has just inserted it."""
    text = fixes(check_then_insert, app=_CHECKS)
    assert "member, created = Member.objects.get_or_create(" in text
    assert "if not created:\n    return False" in text


def test_a_failure_of_a_handler_is_let_out_at_the_end_of_it() -> None:
    """The clause as it is written, with `raise`."""
    text = fixes(
        untold,
        app="""
import logging
from flask import Flask
from flask_sqlalchemy import SQLAlchemy

app = Flask(__name__)
db = SQLAlchemy(app)

class Question(db.Model):
    id = db.Column(db.Integer, primary_key=True)

@app.post("/question")
def ask():
    try:
        db.session.add(Question())
        db.session.commit()
    except Exception as error:
        logging.error(error)
    return {"status": "queued"}
""",
    )
    assert "except Exception as error:\n    ...  # as it is\n    raise" in text


def test_a_job_that_mails_many_is_not_run_again_as_a_whole() -> None:
    """Those before the failure would get a second mail."""
    text = fixes(
        single_attempt,
        app="""
from celery import shared_task
from django.core.mail import send_mail

@shared_task
def remind(addresses):
    for address in addresses:
        send_mail("a", "b", None, [address])
""",
    )
    assert "a job of its own for each `address`" in text
    assert "autoretry_for" not in text


def test_a_failure_in_the_middle_of_work_is_logged_only() -> None:
    """A `raise` would leave out what comes after the block."""
    text = fixes(
        swallowed,
        app="""
import requests
from flask import Flask

app = Flask(__name__)

@app.post("/touch")
def touch():
    data = {}
    try:
        data["rate"] = requests.get("https://rates.example", timeout=3).json()
    except Exception:
        pass
    requests.put("https://store.example", json=data, timeout=3).raise_for_status()
    return data
""",
    )
    assert 'logger.exception("requests.get() failed")\n```' in text


def test_the_limit_of_a_lock_is_its_own() -> None:
    """The options of the client that it belongs to are none of its arguments."""
    text = fixes(
        waits,
        app="""
import redis
from celery import shared_task

client = redis.Redis(socket_timeout=5)

@shared_task
def alone(name):
    lock = client.lock(name)
    lock.acquire()
""",
    )
    assert "blocking_timeout" in text.partition("```")[2]
    assert "socket_connect_timeout" not in text


def test_a_call_with_a_lambda_is_broken_at_its_commas() -> None:
    """Those of the lambda's own parameters stay together."""
    line = "@retry.on_result(expo, lambda state, last: state in states_that_pass_by_themselves, max_value=10, jitter=full_jitter, on_backoff=log)"
    text = broken(line)
    assert "    lambda state, last: state in states_that_pass_by_themselves,\n    max_value=10,\n" in text
