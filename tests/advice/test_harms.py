"""What a finding says will happen: the entry that really leads there, the fault that can happen there, and a fix that does no new harm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roadworthy.engine import model_of
from roadworthy.rules.durability.enqueue_inside_transaction import check as enqueued
from roadworthy.rules.durability.in_place_state_write import check as in_place
from roadworthy.rules.durability.unreferenced_task import check as unreferenced
from roadworthy.rules.idempotency.check_then_insert import check as check_then_insert
from roadworthy.rules.resilience.call_without_timeout import check as timeouts
from roadworthy.rules.resilience.retry_of_permanent_errors import check as permanent
from roadworthy.rules.resilience.retry_without_delay import check as without_delay
from roadworthy.rules.resilience.single_attempt_call import check as single_attempt
from roadworthy.rules.resilience.swallowed_exception import check as swallowed

if TYPE_CHECKING:
    from roadworthy.findings.finding import Finding


def found(check, **files: str) -> list[Finding]:
    """What one rule finds in a small project."""
    return list(check(model_of({f"{name.replace('__', '/')}.py": text for name, text in files.items()})))


_SHARED = """
import threading, time
import requests

def guarded(work):
    for _ in range(3):
        return work()

def fetch():
    requests.get("https://api.example.org/orders")

def count():
    return 1

class Watch:
    def run(self):
        while True:
            guarded(count)
            time.sleep(1)

class Sync:
    def run(self):
        while True:
            guarded(fetch)
            time.sleep(1)
"""


def test_a_helper_runs_what_this_caller_gave_it() -> None:
    """`guarded(work)` is called by two loops: each of them runs its own function only."""
    (finding,) = found(timeouts, app=_SHARED)
    assert "the loop in `Sync.run`" in finding.impact
    assert "Watch.run" not in finding.impact


_MIXIN = """
from rest_framework import viewsets
import requests

class Cached:
    pass

class Orders(Cached, viewsets.ModelViewSet):
    def partial_update(self, request, *args, **kwargs):
        requests.get("https://api.example.org/orders")
        return super().partial_update(request, *args, **kwargs)

class Notes(Cached, viewsets.ModelViewSet):
    def partial_update(self, request, *args, **kwargs):
        return super().partial_update(request, *args, **kwargs)
"""


def test_super_does_not_lead_to_a_sibling() -> None:
    """What a base does not define comes from the library, not from another class under that base."""
    model = model_of({"app.py": _MIXIN})
    notes = next(fn for fn in model.functions if fn.qualname == "Notes.partial_update")
    assert not [edge.callee.qualname for edge in model.edges_from(notes)]


_START = """
import time
import pymysql

def prepare():
    conn = pymysql.connect(host="db", user="a", password="b", database="c")
    conn.cursor().execute("SET x = 1")

def work():
    pass

def main():
    prepare()
    while True:
        work()
        time.sleep(1)
"""


def test_what_stands_above_the_loop_belongs_to_the_start() -> None:
    """A call before the endless loop runs once: the process does not become ready, and no loop stops."""
    (finding,) = found(timeouts, app=_START)
    assert "the start of `main`" in finding.impact
    assert finding.severity.name != "HIGH"


def test_what_stands_in_the_loop_stays_the_loops() -> None:
    """The neighbour: the same call in the loop."""
    text = _START.replace("    prepare()\n    while True:\n", "    while True:\n        prepare()\n")
    (finding,) = found(timeouts, app=text)
    assert "the loop in `main`" in finding.impact
    assert finding.severity.name == "HIGH"


_ALIAS = """
from django.db import models
from django.http import HttpResponse
from django.urls import path

class Alias(models.Model):
    address = models.CharField(max_length=200, unique=True)
    def add(self, text):
        Recipient.objects.create(alias=self, text=text)

class Recipient(models.Model):
    alias = models.ForeignKey(Alias, on_delete=models.CASCADE)
    text = models.CharField(max_length=200)

def save(request, address, text):
    alias = Alias.objects.filter(address=address).first()
    if alias:
        alias.add(text)
        return
    Alias.objects.create(address=address)

def handle(request, address):
    save(request, address, request.POST["text"])
    return HttpResponse()

urlpatterns = [path("alias/<address>", handle)]
"""


def test_who_comes_second_does_what_is_done_to_a_row_that_is_there() -> None:
    """`return` is no answer where something was done before it: to repeat it alone would lose the recipient."""
    (finding,) = found(check_then_insert, app=_ALIAS)
    assert "it is there now" in finding.fix
    assert "except IntegrityError:\n    return" not in finding.fix


_ALERTS = """
from celery import shared_task
from django.db import models
from django.http import HttpResponse
from django.urls import path

class Order(models.Model):
    number = models.CharField(max_length=20)

class Alert(models.Model):
    order = models.ForeignKey(Order, on_delete=models.CASCADE)
    kind = models.CharField(max_length=20)

@shared_task
def check(pk, kind):
    order = Order.objects.get(pk=pk)
    if not Alert.objects.filter(order=order, kind=kind).exists():
        Alert.objects.create(order=order, kind=kind)

def ask(request, pk):
    order = Order.objects.get(pk=pk)
    %s
    return HttpResponse()

urlpatterns = [path("ask/<pk>", ask)]
"""


def test_no_key_over_what_another_insert_repeats() -> None:
    """A handler that inserts without a look lets one key have several rows: a lock keeps the two runs apart."""
    (finding,) = found(check_then_insert, app=_ALERTS % 'Alert.objects.create(order=order, kind=request.POST["kind"])')
    assert "`ask()` (app.py:" in finding.fix
    assert "UniqueConstraint" not in finding.fix
    assert "select_for_update" in finding.fix


def test_a_key_where_every_insert_looks() -> None:
    """The neighbour: nobody else inserts."""
    (finding,) = found(check_then_insert, app=_ALERTS % "pass")
    assert "UniqueConstraint" in finding.fix


_SENDS = """
from celery import shared_task
from django.core.mail import EmailMessage
from django.db import models, transaction

class Order(models.Model):
    state = models.CharField(max_length=20)

@shared_task
def tell(pk):
    print(Order.objects.get(pk=pk).state)

@shared_task
def ping(pk):
    print(pk)

def post(order):
    message = EmailMessage("a", "b", None, ["c@example.org"])
    try:
        message.send()
    except Exception:
        print("not sent")

def approve(order):
    order.state = "approved"
    order.save()
    post(order)

def ship(pk):
    with transaction.atomic():
        order = Order.objects.get(pk=pk)
        order.state = "shipped"
        order.save()
        tell.delay(order.pk)
        ping.delay(order.pk)

def accept(pk):
    with transaction.atomic():
        approve(Order.objects.get(pk=pk))
"""


def test_the_job_and_the_row_are_named_and_each_send_is_told() -> None:
    """The one that reads the changed row, and the line of the other in the same transaction."""
    shipped = next(f for f in found(enqueued, app=_SENDS) if f.at.function == "ship")
    assert "the job `tell` can run and finds the `Order` as it was" in shipped.impact
    assert "The same for line" in shipped.fix


def test_a_job_that_reads_no_row_is_harmed_by_a_rollback_only() -> None:
    """Nothing can be too early for it."""
    text = _SENDS.replace("        tell.delay(order.pk)\n", "")
    shipped = next(f for f in found(enqueued, app=text) if f.at.function == "ship")
    assert shipped.impact.startswith("After a rollback")
    assert "as it was" not in shipped.impact


def test_a_mail_keeps_the_handler_around_it() -> None:
    """What only sends is put off as a whole: `on_commit(message.send)` would leave its `try`."""
    accepted = next(f for f in found(enqueued, app=_SENDS) if f.at.function == "accept")
    assert "transaction.on_commit(lambda: post(order))" in accepted.fix


def test_a_file_with_the_name_of_its_content_has_no_old_state() -> None:
    """The digest is the name: what is lost is not an older file."""
    text = """
import os
from flask import Flask
app = Flask(__name__)

def path_of(digest):
    return os.path.join("/var/blobs", digest)

@app.post("/blob/<digest>")
def save(digest, data):
    with open(path_of(digest), "wb") as out:
        out.write(data)

def load(digest):
    with open(path_of(digest), "rb") as source:
        return source.read()
"""
    (finding,) = found(in_place, app=text)
    assert "under the name of the whole content" in finding.impact
    (finding,) = found(in_place, app=text.replace("digest", "user"))
    assert "the old state is gone" in finding.impact


def test_a_loop_that_keeps_its_failures_is_only_collected() -> None:
    """Its exceptions are logged; and nobody can await it."""
    text = """
import asyncio, logging

async def prune():
    while True:
        try:
            print("prune")
        except Exception:
            logging.warning("failed")
        await asyncio.sleep(60)

async def start():
    asyncio.create_task(prune())
"""
    (finding,) = found(unreferenced, app=text)
    assert "without an error" in finding.impact
    assert "Await it" not in finding.fix


def test_a_pause_counts_with_the_loops_own_variable() -> None:
    """A variable that is there is used; where the loop counts for nobody, the pause counts itself."""
    text = """
import requests

def send(order):
    for _ in range(5):
        try:
            return requests.put("https://api.example.org", json=order, timeout=3)
        except requests.ConnectionError:
            print("again")
"""
    (finding,) = found(without_delay, app=text)
    assert "with `delay = 1` above the loop" in finding.fix
    assert "delay = min(30, 2 * delay)" in finding.fix
    (finding,) = found(without_delay, app=text.replace("for _ in", "for n in"))
    assert "2 ** n" in finding.fix
    assert "attempt`" not in finding.fix


def test_a_policy_is_narrowed_by_its_own_argument() -> None:
    """The decorator as it is written, with the errors of this client that may pass by themselves."""
    text = """
import requests
from retry import retry

@retry(tries=3, delay=1, backoff=2)
def libraries():
    answer = requests.get("https://api.example.org", timeout=3)
    answer.raise_for_status()
    return answer.json()
"""
    (finding,) = found(permanent, app=text)
    assert "exceptions=(requests.ConnectionError, requests.Timeout)" in finding.fix
    assert "tries=3" in finding.fix


_PUSH = """
import requests
from celery import shared_task

@shared_task
def push(pk):
    requests.post("https://api.example.org/orders", json={"id": pk}, timeout=3)%s
"""


def test_a_503_raises_where_somebody_asks_for_it() -> None:
    """A response of `requests` says nothing by itself."""
    (finding,) = found(single_attempt, app=_PUSH % "")
    assert "503" not in finding.impact
    (finding,) = found(single_attempt, app=_PUSH % ".raise_for_status()")
    assert "503" in finding.impact


def test_a_swallowed_failure_says_what_is_taken_for_the_answer() -> None:
    """The call that is asked, the value that stands for its answer, and who gets it."""
    text = """
import requests

def rates():
    try:
        return requests.get("https://api.example.org/rates", timeout=3).json()
    except Exception:
        return {}

def price(order):
    return rates().get(order)
"""
    (finding,) = found(swallowed, app=text)
    assert "`price()` (app.py:" in finding.impact
    assert "works with `{}` as if that were the answer" in finding.impact


def test_an_answer_at_which_nobody_looks() -> None:
    """The caller drops the `False`: what was asked for counts as done."""
    text = """
import requests

def known(name):
    try:
        requests.get(f"https://api.example.org/keys/{name}", timeout=3)
        return True
    except Exception:
        return False

def remove(name):
    known(name)
    print("removed")
"""
    (finding,) = found(swallowed, app=text)
    assert "nobody looks at what `known` returns" in finding.impact
