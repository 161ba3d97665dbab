"""What a fix says in code whose ways differ from the usual: units, reserved words, raw SQL, tables of settings, nested functions."""

from __future__ import annotations

from roadworthy.engine import model_of
from roadworthy.rules.durability.forgotten_task import check as forgotten
from roadworthy.rules.durability.in_process_background_work import check as background
from roadworthy.rules.idempotency.check_then_insert import check as check_then_insert
from roadworthy.rules.idempotency.read_modify_write import check as read_modify_write
from roadworthy.rules.idempotency.unconditional_claim import check as claims
from roadworthy.rules.resilience.call_without_timeout import check as timeouts
from roadworthy.rules.resilience.single_attempt_call import check as single_attempt
from roadworthy.rules.resilience.unbounded_fan_out import check as fan_out


def fixes(check, **files: str) -> str:
    """The fixes of one rule in a small project; `settings="…"` is `settings.py`."""
    model = model_of({f"{name}.py": text for name, text in files.items()})
    return "\n".join(found.fix for found in check(model))


def test_a_setting_in_milliseconds_becomes_seconds() -> None:
    """`asyncio.timeout()` takes seconds, whatever the setting that is at hand holds."""
    page = "from playwright.async_api import Page\nimport settings\n"
    text = fixes(
        timeouts,
        settings="ACTION_TIMEOUT_MS = 5000\n",
        pages=page
        + "async def click(page: Page):\n    await page.click('a', timeout=settings.ACTION_TIMEOUT_MS)\n"
        + "async def title(page: Page):\n    return await page.evaluate('document.title')\n",
    )
    assert "settings.ACTION_TIMEOUT_MS" not in text.replace("settings.ACTION_TIMEOUT_MS / 1000", "")
    assert "await page.evaluate('document.title')" in text.replace('"', "'")


def test_a_shell_command_gets_its_limit_from_subprocess() -> None:
    """`os.system()` takes none; what does is written out."""
    text = fixes(timeouts, app="import os\ndef run(command):\n    os.system(command)\n")
    assert "subprocess.run(command, shell=True, timeout=60).returncode" in text


def test_a_table_of_mailers_gets_the_limit() -> None:
    """Where the project configures mail in a table, a single setting would be ignored."""
    text = fixes(
        timeouts,
        settings='MAILERS = {"default": {"OPTIONS": {"host": "mail"}}}\n',
        app="from django.core.mail import send_mail\ndef remind():\n    send_mail('a', 'b', 'c', ['d'])\n",
    )
    assert "`MAILERS` (`settings.py:1`)" in text
    assert '"timeout": 10,' in text


_LICENCES = """
from fastapi import FastAPI
from databases import Database
from sqlalchemy import Column, ForeignKey, Integer, MetaData, Table

app = FastAPI()
accepted = Table("accepted", MetaData(), Column("user", Integer), Column("licence", Integer))


@app.post("/accept")
async def accept(db: Database, user: int, licence: int):
    found = await db.fetch_one('SELECT 1 FROM accepted WHERE "user" = :user AND licence = :licence', {"user": user, "licence": licence})
    if not found:
        await db.execute('INSERT INTO accepted ("user", licence) VALUES (:user, :licence)', {"user": user, "licence": licence})
"""


def test_reserved_words_stand_in_quotes() -> None:
    """A column called `user` needs quotes in SQL, and what the insert fills is all that it names."""
    text = fixes(check_then_insert, app=_LICENCES)
    assert 'ON accepted ("user", licence)' in text
    assert 'INSERT INTO accepted ("user", licence) VALUES' in text


_CHECKS = """
from django.db import models

class Project(models.Model):
    name = models.CharField(max_length=20)

class Check(models.Model):
    slug = models.CharField(max_length=20, blank=True)
    project = models.ForeignKey(Project, models.CASCADE)
    pings = models.IntegerField(default=0)
"""
_VIEWS = """
from django.urls import path
from models import Check, Project

def ping(request, name, slug):
    project = Project.objects.get(name=name)
    try:
        check = Check.objects.get(slug=slug, project=project)
    except Check.DoesNotExist:
        check = Check(slug=slug, project=project)
        check.save()
    except Check.MultipleObjectsReturned:
        return None
    return check

def count(request, key):
    check = Check.objects.get(pk=key)
    check.pings += 1
    check.save()
    return check.pings

urlpatterns = [path("<name>/<slug>", ping), path("<key>", count)]
"""


def test_several_rows_of_one_key_ask_for_a_lock() -> None:
    """A unique key is no fix for a table whose authors let one key have several rows."""
    text = fixes(check_then_insert, models=_CHECKS, views=_VIEWS)
    assert "Project.objects.select_for_update().get(pk=project.pk)" in text
    assert "UniqueConstraint" not in text


def test_an_object_used_afterwards_is_read_again() -> None:
    """After an update in the database the object at hand has the old number."""
    text = fixes(read_modify_write, models=_CHECKS, views=_VIEWS)
    assert "check.refresh_from_db()" in text


_IMPORT = """
import psycopg
from fastapi import BackgroundTasks, FastAPI

app = FastAPI()


@app.post("/import", status_code=202)
async def start(text: str, owner: int, tasks: BackgroundTasks):
    def process_import():
        with psycopg.connect("") as connection:
            connection.execute("INSERT INTO pages (body, owner) VALUES (%s, %s)", (text, owner))

    tasks.add_task(process_import)
"""


def test_a_nested_job_is_given_what_it_closes_over() -> None:
    """A job elsewhere does not see the variables of the function around it."""
    text = fixes(background, app=_IMPORT)
    assert "def process_import(text, owner)" in text
    assert "process_import.defer_async(text, owner)" in text


def test_a_tuple_of_a_loop_is_no_parameter() -> None:
    """`def bounded((a, b))` is no Python."""
    text = fixes(
        fan_out,
        app="import asyncio, httpx\nasync def one(client: httpx.AsyncClient, url):\n    await client.get(url)\n"
        "async def every(client: httpx.AsyncClient, pairs: list):\n"
        "    await asyncio.gather(*(one(client, url) for url, _ in pairs))\n",
    )
    assert "bounded((" not in text
    assert "bounded(one(client, url))" in text


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
    assert 'Host.objects.filter(pk=self.pk).update(seen=F("seen") + 1)' in text
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
import asyncio
from celery import Celery
from fastapi import FastAPI
import requests

app = FastAPI()
jobs = Celery()


@jobs.task(name="bill")
def bill(order_id):
    requests.post("https://pay.test", json={"order": order_id}, timeout=5)


@jobs.task(name="ship")
def ship(order_id):
    requests.post("https://ship.test", json={"order": order_id}, timeout=5)


@app.post("/a")
def a(order_id: int):
    jobs.send_task("bill", args=(order_id,))


@app.post("/b")
def b(order_id: int):
    jobs.send_task("ship", args=(order_id,))


async def update(order_id):
    await asyncio.to_thread(requests.post, "https://index.test", json={"order": order_id}, timeout=5)


@app.post("/c")
async def c(order_id: int):
    asyncio.create_task(update(order_id))
"""


def test_a_job_that_is_started_by_its_name_is_registered_under_it() -> None:
    """`send_task` takes a name, not a function."""
    text = fixes(forgotten, app=_NAMED)
    assert "send_task(update" not in text
    if "send_task" in text:
        assert 'send_task("update"' in text and 'name="update"' in text
