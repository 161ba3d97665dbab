"""Fixes that can be pasted: the row, the session, the decorator and the names at hand, and no gap."""

from __future__ import annotations

from advice.test_fix_texts import fixes
from roadworthy.advice.imports import with_imports
from roadworthy.engine import model_of
from roadworthy.rules.durability.forgotten_task import check as forgotten
from roadworthy.rules.durability.in_process_background_work import check as background
from roadworthy.rules.idempotency.check_then_insert import check as check_then_insert
from roadworthy.rules.idempotency.random_workflow_id import check as workflow_ids
from roadworthy.rules.idempotency.read_modify_write import check as read_modify_write
from roadworthy.rules.idempotency.unconditional_claim import check as claims
from roadworthy.rules.resilience.call_without_timeout import check as timeouts
from roadworthy.rules.resilience.single_attempt_call import check as single_attempt
from roadworthy.rules.resilience.swallowed_exception import check as swallowed

_REMINDERS = """
from celery import shared_task
from django.core.mail import send_mail
from django.db import models

class Reminder(models.Model):
    address = models.EmailField()
    status = models.CharField(max_length=20)
    sent = models.BooleanField(default=False)

@shared_task
def remind_all():
    for reminder in Reminder.objects.filter(status="new"):
        send_mail("Your basket", "text", None, [reminder.address])
        reminder.status = "sent"
        reminder.save()

@shared_task
def remind(pk):
    reminder = Reminder.objects.get(pk=pk)
    if reminder.sent:
        return
    send_mail("Your basket", "text", None, [reminder.address])
    reminder.sent = True
    reminder.save()
"""


def test_a_claim_is_written_with_the_row_and_the_states_at_hand() -> None:
    """No gap is left: the variable of the loop, the state by which it was picked, the state that it gets."""
    text = fixes(claims, app=_REMINDERS)
    assert 'Reminder.objects.filter(pk=reminder.pk, status="new").update(status="sent")' in text
    assert "continue  # another run has it" in text
    assert "…" not in text


def test_a_flag_that_is_turned_had_the_other_value() -> None:
    """The state of one row is asked after it was read: the flag says what it was."""
    text = fixes(claims, app=_REMINDERS)
    assert "Reminder.objects.filter(pk=reminder.pk, sent=False).update(sent=True)" in text
    assert "return  # another run has it" in text


def test_a_claim_whose_old_state_is_not_written_locks_the_row() -> None:
    """Where nothing says which state it was, the row is read for update."""
    text = fixes(
        claims,
        app=_REMINDERS.replace(
            "sent = models.BooleanField(default=False)", "sent = models.DateTimeField(null=True)"
        ).replace("reminder.sent = True", "reminder.sent = now()"),
    )
    assert "Read the row with `select_for_update()` (line 20)" in text
    assert "row.pk" not in text


_HELPERS = """
from fastapi import FastAPI
from sqlalchemy import Column, Integer, String
from sqlalchemy.orm import Session, declarative_base

Base = declarative_base()
app = FastAPI()


class Label(Base):
    __tablename__ = "label"
    id = Column(Integer, primary_key=True)
    name = Column(String)


def find(db_session: Session, name: str):
    return db_session.query(Label).filter(Label.name == name).one_or_none()


def create(db_session: Session, name: str):
    label = Label(name=name)
    db_session.add(label)
    db_session.commit()
    return label


@app.post("/labels")
def add(db_session: Session, name: str):
    label = find(db_session, name)
    if label is None:
        label = create(db_session, name)
    return label.id
"""


def test_an_insert_by_a_helper_is_repeated_as_it_is_called() -> None:
    """The values stand in the helper: what is written is the call at hand, the session at hand, and the lookup once more."""
    text = fixes(check_then_insert, app=_HELPERS)
    assert "**values" not in text
    assert (
        "    label = create(db_session, name)\nexcept IntegrityError:\n    db_session.rollback()\n    label = find(db_session, name)"
        in text
    )


_SYNC_SESSION = """
from fastapi import FastAPI
from sqlalchemy import Column, Integer, String
from sqlalchemy.orm import Session, declarative_base

Base = declarative_base()
app = FastAPI()


class Label(Base):
    __tablename__ = "label"
    id = Column(Integer, primary_key=True)
    name = Column(String)


@app.post("/labels")
async def add(db: Session, name: str):
    label = db.query(Label).filter(Label.name == name).first()
    if label is None:
        db.add(Label(name=name))
        db.commit()
"""


def test_a_session_that_is_not_awaited_stays_so() -> None:
    """A coroutine may hold a session of the ordinary kind: nothing of it is awaited, and it has its own name."""
    text = fixes(check_then_insert, app=_SYNC_SESSION)
    assert "db.begin_nested()" in text or "db.execute(" in text
    assert "await" not in text


_COUNTER = """
from celery import shared_task
from django.db import models

class Host(models.Model):
    seen = models.IntegerField(default=0)

    def note(self):
        self.seen = (self.seen or 0) + 1
        self.save()

@shared_task
def note_all(pk):
    Host.objects.get(pk=pk).note()
"""


def test_a_number_in_django_is_an_f_expression() -> None:
    """Also where the object is not read again afterwards."""
    text = fixes(read_modify_write, app=_COUNTER)
    assert 'self.seen = Coalesce("seen", 0) + 1' in text
    assert "line 9 becomes the expression, which `save()` (line 10)" in text
    assert "UPDATE …" not in text


_STARTS = """
import asyncio
from temporalio.client import Client

async def start(client: Client, order_id: str):
    await client.start_workflow("Fulfil", order_id, id=f"fulfil-{order_id}", task_queue="orders")


async def order(client: Client, order_id: str):
    task = asyncio.create_task(start(client, order_id))
    return {"ok": True}
"""


def test_a_task_that_starts_something_durable_is_awaited() -> None:
    """It needs no job around it: once the start is through, nothing is left to lose."""
    text = fixes(forgotten, app=_STARTS)
    assert "wait for it before success is told" in text
    assert "await start(client, order_id)" in text


_IDLE = """
from celery import Celery
import requests

app = Celery()


@app.task(max_retries=5, default_retry_delay=60)
def ban(url):
    requests.delete(url, timeout=5)
"""


def test_a_retry_that_is_never_asked_for_is_written_into_the_decorator() -> None:
    """The decorator as it is, with the errors that the job meets."""
    text = fixes(single_attempt, app=_IDLE)
    assert (
        "@app.task(max_retries=5, default_retry_delay=60, autoretry_for=("
        in text.replace("\n    ", "").replace(",default", ", default")
        or "autoretry_for=(requests." in text
    )
    assert "…" not in text


_NAMED = """
from celery import Celery
from fastapi import BackgroundTasks, FastAPI
import requests

app = FastAPI()
jobs = Celery()


@jobs.task(name="bill")
def bill(order_id):
    requests.post("https://pay.test", json={"order": order_id}, timeout=5)


@app.post("/a")
def a(order_id: int):
    jobs.send_task("bill", args=(order_id,))


def update(order_id):
    requests.post("https://index.test", json={"order": order_id}, timeout=5)


@app.post("/c")
def c(order_id: int, tasks: BackgroundTasks):
    tasks.add_task(update, order_id)
"""


def test_a_job_that_is_started_by_its_name_is_registered_under_it() -> None:
    """`send_task` takes a name, not a function."""
    text = fixes(background, app=_NAMED)
    assert '@jobs.task(name="update")' in text
    assert 'jobs.send_task("update", args=(order_id,))' in text


_MANY = """
from datetime import datetime
from fastapi import FastAPI
from temporalio.client import Client

app = FastAPI()


@app.post("/fill")
async def fill(client: Client, order_id: str, versions: list):
    items = [version.id for version in versions]
    await client.start_workflow("Fill", [order_id, items], id=f"fill-{datetime.now()}", task_queue="q")
"""


def test_an_id_of_a_comprehension_is_not_at_hand() -> None:
    """Outside of the comprehension there is no such name."""
    text = fixes(workflow_ids, app=_MANY)
    assert "order_id" in text
    assert "version.id" not in text


_SALES = """
import flask
from simple_salesforce import Salesforce

app = flask.Flask(__name__)


@app.post("/contacts")
def contact():
    client = Salesforce(username="u", password="p", security_token="t")
    client.Contact.create({"LastName": "Li"})
    return "ok"
"""


def test_a_client_that_is_limited_by_its_session_is_given_one() -> None:
    """A number would be no session."""
    text = fixes(timeouts, app=_SALES)
    assert "session=limited" in text
    assert "adapter" in text


def test_a_logger_of_another_function_is_not_at_hand() -> None:
    """`job_logger` lives in the function that made it."""
    text = fixes(
        swallowed,
        app="import logging\nimport requests\nlogger = logging.getLogger(__name__)\n"
        "def sync():\n    job_logger = logging.getLogger('job')\n    job_logger.info('a')\n    job_logger.info('b')\n    job_logger.info('c')\n"
        "def rates():\n    try:\n        return requests.get('https://api.example.org', timeout=3).json()\n    except Exception:\n        return {}\n",
    )
    assert "    logger.exception(" in text
    assert "job_logger" not in text


def test_a_scoped_session_is_asked_for_as_the_code_does() -> None:
    """No name `session` is at hand: the code calls the registry each time."""
    text = fixes(
        check_then_insert,
        app="from flask import Flask, current_app\nfrom sqlalchemy import Column, Integer, String\n"
        "from sqlalchemy.orm import declarative_base\napp = Flask(__name__)\nBase = declarative_base()\n"
        "class Account(Base):\n    __tablename__ = 'account'\n    id = Column(Integer, primary_key=True)\n"
        "    email = Column(String, unique=True)\n"
        "@app.post('/account/<email>')\ndef account(email):\n"
        "    found = current_app.scoped_session().query(Account).filter(Account.email == email).first()\n"
        "    if not found:\n        found = Account(email=email)\n        current_app.scoped_session().add(found)\n"
        "    current_app.scoped_session().commit()\n    return found.email\n",
    )
    assert "with current_app.scoped_session().begin_nested():" in text or "begin_nested" not in text
    assert "with session." not in text


def test_what_a_cited_place_has_is_imported_here_all_the_same() -> None:
    """The example that is named stands in another module: its imports do not count."""
    files = {
        "models.py": "from django.db import models, transaction\n"
        "class Shop(models.Model):\n    sold = models.IntegerField(default=0)\n"
        "def close(pk):\n    with transaction.atomic():\n        shop = Shop.objects.select_for_update().get(pk=pk)\n        shop.save()\n",
        "views.py": "from django.http import HttpResponse\nfrom django.urls import path\nfrom models import Shop\n"
        "def sell(request, pk):\n    shop = Shop.objects.get(pk=pk)\n    if shop.sold > 0:\n        shop.sold -= 1\n        shop.save()\n"
        "    return HttpResponse()\nurlpatterns = [path('sell/<int:pk>', sell)]\n",
    }
    model = model_of(files)
    (finding,) = read_modify_write(model)
    text = with_imports(model, finding.at.path, finding.at.line, finding.fix)
    assert "does it so" in text
    assert "`from django.db import transaction`" in text


def test_a_setting_of_one_environment_is_no_place() -> None:
    """Mail of development goes to the console: a limit there mends nothing."""
    text = fixes(
        timeouts,
        settings_dev='EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"\n',
        app="from django.core.mail import send_mail\ndef remind():\n    send_mail('a', 'b', 'c', ['d'])\n",
    )
    assert "EMAIL_TIMEOUT = 10" in text
    assert "settings_dev" not in text
