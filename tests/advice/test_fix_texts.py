"""What a fix says in code whose ways differ from the usual: units, reserved words, raw SQL, tables of settings, nested functions."""

from __future__ import annotations

from roadworthy.engine import model_of
from roadworthy.rules.durability.in_process_background_work import check as background
from roadworthy.rules.idempotency.check_then_insert import check as check_then_insert
from roadworthy.rules.idempotency.read_modify_write import check as read_modify_write
from roadworthy.rules.resilience.call_without_timeout import check as timeouts
from roadworthy.rules.resilience.retry_of_permanent_errors import check as permanent
from roadworthy.rules.resilience.single_attempt_call import check as single
from roadworthy.rules.resilience.unbounded_fan_out import check as fan_out
from roadworthy.rules.resilience.unflushed_on_shutdown import check as unflushed


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
    assert "subprocess.run(command, shell=True, timeout=600).returncode" in text


def test_a_table_of_mailers_gets_the_limit() -> None:
    """Where the project configures mail in a table, a single setting would be ignored."""
    text = fixes(
        timeouts,
        settings='MAILERS = {"default": {"OPTIONS": {"host": "mail"}}}\n',
        app="from django.core.mail import send_mail\ndef remind():\n    send_mail('a', 'b', 'c', ['d'])\n",
    )
    assert "`MAILERS` (`settings.py:1`)" in text
    assert '{"timeout": 10}' in text


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
    """A column called `user` needs quotes in SQL, in the key as in the conflict."""
    text = fixes(check_then_insert, app=_LICENCES)
    assert 'ON accepted ("user", licence)' in text
    assert 'ON CONFLICT ("user", licence) DO NOTHING' in text


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


def test_a_producer_that_a_factory_keeps_is_flushed_at_exit() -> None:
    """A `finally` around its making would close it before its first use."""
    kept = """
known = {}

def producer_of(kind):
    producer = Producer({"bootstrap.servers": "kafka"})
    known[kind] = producer
    return producer

def tell(order):
    producer_of("orders").produce("orders", order)
"""
    text = fixes(unflushed, app="from confluent_kafka import Producer\n" + kept)
    assert "atexit.register(producer.flush)" in text
    assert "finally" not in text


_JOB = """
import requests
from celery import shared_task


@shared_task(bind=True, max_retries=3)
def deliver(self, url):
    try:
        requests.post(url, timeout=5).raise_for_status()
    except Exception as exc:
        self.retry(exc=exc)
"""


def test_a_job_names_the_errors_of_the_client_that_it_calls() -> None:
    """`requests.ConnectionError` is no built-in `ConnectionError`: a handler for that would repeat nothing."""
    text = fixes(permanent, app=_JOB)
    assert "except (requests.ConnectionError, requests.Timeout) as exc:\n    raise self.retry(exc=exc)" in text


_NIGHTLY = """
import requests


def load(url):
    try:
        return requests.get(url, timeout=5).json()
    except requests.RequestException as error:
        %s


if __name__ == "__main__":
    load("https://rates.example/all")
"""


def test_a_retry_stands_inside_of_the_handler_that_turns_the_error() -> None:
    """A decorator would see another error; where the handler raises the same one again, it will do."""
    assert "which calls `ask()` in place of `requests.get()`" in fixes(
        single, app=_NIGHTLY % "raise LookupError(url) from error"
    )
    assert "ask()" not in fixes(single, app=_NIGHTLY % "raise")
