"""Fixes of races and keys fit the columns, the locks and the sessions that are there."""

from __future__ import annotations

from roadworthy.engine import model_of
from roadworthy.rules.idempotency.check_then_insert import check as check_then_insert
from roadworthy.rules.idempotency.check_then_store import check as check_then_store
from roadworthy.rules.idempotency.read_modify_write import check as read_modify_write


def fixes(check, **files: str) -> str:
    """The fixes of one rule in a small project; `settings="…"` is `settings.py`."""
    model = model_of({f"{name}.py": text for name, text in files.items()})
    return "\n".join(found.fix for found in check(model))


_EITHER = """
from fastapi import FastAPI
from sqlalchemy import Column, Integer, create_engine
from sqlalchemy.orm import Session, declarative_base

Base = declarative_base()
app = FastAPI()
engine = create_engine("postgresql:///shop")

class Kind(Base):
    __tablename__ = "kinds"
    id = Column(Integer, primary_key=True)
    mine = Column(Integer, nullable=False)
    permit = Column(Integer)
    notice = Column(Integer)

@app.post("/kinds")
def give(mine: int, permit: int | None = None, notice: int | None = None):
    if not permit and not notice:
        raise ValueError("one of the two")
    with Session(engine) as session:
        if session.query(Kind).filter_by(mine=mine, permit=permit, notice=notice).first() is None:
            session.add(Kind(mine=mine, permit=permit, notice=notice))
            session.commit()
"""


def test_a_key_that_rows_with_a_null_pass_says_so() -> None:
    """Whoever has one of two values lacks the other: a key over both refuses nothing."""
    text = fixes(check_then_insert, app=_EITHER)
    assert "Rows with NULL in `permit` or `notice` pass such a key" in text
    assert "NULLS NOT DISTINCT" in text


_STORES = {
    "noxfile": "from nox_uv import session\n\n@session\ndef lint(session):\n    session.run('ruff')\n",
    "models": """
from sqlalchemy import Column, Integer, UniqueConstraint
from sqlalchemy.orm import declarative_base

Base = declarative_base()

class Run(Base):
    __tablename__ = "runs"
    id = Column(Integer, primary_key=True)
    page = Column(Integer, nullable=False)
    __table_args__ = (UniqueConstraint("page"),)
""",
    "stores": """
from models import Run
from sqlalchemy import select

class RunStore:
    def __init__(self, session):
        self._session = session

    def add(self, page):
        self._session.add(Run(page=page))
        self._session.flush()

    def find(self, page):
        return self._session.execute(select(Run).where(Run.page == page)).scalar_one_or_none()
""",
    "app": """
from fastapi import FastAPI
from stores import RunStore

app = FastAPI()

class Scheduler:
    def __init__(self, runs: RunStore):
        self._runs = runs

    def plan(self, page):
        found = self._runs.find(page=page)
        if found:
            return None
        self._runs.add(page)
        return page

@app.post("/runs")
def plan(page: int, scheduler: Scheduler):
    return scheduler.plan(page)
""",
}


def test_a_session_that_a_helper_keeps_is_not_named() -> None:
    """Where the session is not at hand, none is called, and none of another library is imported."""
    text = fixes(check_then_insert, **_STORES)
    assert "catch the `IntegrityError` of the key around `self._runs.add()`" in text
    assert "session" not in text


_FOLDED = """
from django.db import models
from django.http import HttpResponse
from django.urls import path

class Team(models.Model):
    name = models.CharField(max_length=64)

def add(request):
    name = request.POST["name"]
    if not Team.objects.filter(name__iexact=name).exists():
        Team.objects.create(name=name)
    return HttpResponse()

urlpatterns = [path("add", add)]
"""


def test_a_look_that_ignores_case_asks_for_a_key_that_does() -> None:
    """A unique key over the column as it is lets `Red` and `red` by."""
    text = fixes(check_then_insert, app=_FOLDED)
    assert "put `lower(name)` in its place" in text


_OPEN = """
from flask import Flask, request
from pymongo import MongoClient

app = Flask(__name__)
submissions = MongoClient("mongodb://db").lab.submissions

@app.route("/open", methods=["POST"])
def open_submission():
    institute = request.form["institute"]
    found = submissions.find_one({"institute": institute, "status": "open"})
    if found is None:
        submissions.insert_one({"institute": institute, "status": "open"})
    return ""
"""


def test_an_index_over_some_documents_is_partial() -> None:
    """Of the closed submissions an institute has many."""
    text = fixes(check_then_store, app=_OPEN)
    assert "a unique index over `institute`" in text
    assert 'partialFilterExpression={"status": "open"}' in text


_REMINDED = """
from celery import shared_task
from django.core.mail import send_mail
from django.db import models
from django.utils import timezone

class Invoice(models.Model):
    address = models.EmailField()
    reminders = models.IntegerField(default=0)
    last = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(auto_now=True)

@shared_task
def remind(pk):
    invoice = Invoice.objects.get(pk=pk)
    send_mail("Your invoice", "", None, [invoice.address])
    invoice.last = timezone.now()
    invoice.reminders += 1
    invoice.save()
"""


def test_a_counter_of_a_loaded_row_names_what_it_saves() -> None:
    """The expression alone leaves every other column to be written back."""
    text = fixes(read_modify_write, app=_REMINDED)
    assert 'update_fields=["last", "reminders", "updated_at"]' in text
    assert "update_fields" not in fixes(
        read_modify_write, app=_REMINDED.replace("save()", 'save(update_fields=["reminders"])')
    )


_CURSOR = """
from django.db import models, transaction
from django.http import HttpResponse
from django.urls import path

class Cursor(models.Model):
    rule = models.CharField(max_length=20, unique=True)
    last = models.IntegerField(default=0)

def turn(request, rule):
    with transaction.atomic():
        cursor = Cursor.objects.select_for_update().filter(rule=rule).first()
        if cursor is None:
            cursor = Cursor.objects.create(rule=rule, last=0)
        cursor.last += 1
        cursor.save(update_fields=["last"])
    return HttpResponse()

urlpatterns = [path("turn/<rule>", turn)]
"""


def test_a_row_that_is_locked_stays_locked() -> None:
    """Whoever comes second gets the row of the first under the lock."""
    text = fixes(check_then_insert, app=_CURSOR)
    assert "Cursor.objects.select_for_update().get_or_create(" in text
