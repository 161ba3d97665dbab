"""The map of a service: what each entry does, how it is reached, and what covers it on every way or only on some."""

from __future__ import annotations

from roadworthy.engine import model_of
from roadworthy.findings.servicemap import Deed, Ends, MapEntry, Survives
from roadworthy.project.mapping import map_of

ORDERS = {
    "app/api.py": """
import asyncio
import httpx
import requests
from fastapi import FastAPI

app = FastAPI()


@app.post("/orders")
async def create(order: dict) -> None:
    asyncio.create_task(tell(order))
    await asyncio.to_thread(charge, order)


@app.post("/orders/{number}/charge")
def charge_again(number: int) -> None:
    try:
        charge({})
    except Exception:
        pass
    charge({})


@app.get("/rates")
def rates() -> None:
    requests.get("https://rates.example.com", timeout=5)


@app.get("/health")
def health() -> str:
    return "ok"


def charge(order: dict) -> None:
    requests.post("https://pay.example.com", json=order)


async def tell(order: dict) -> None:
    async with httpx.AsyncClient() as client:
        await client.post("https://chat.example.com", json=order)
""",
    "app/tasks.py": """
import requests
from celery import Celery
from tenacity import retry, stop_after_attempt, wait_exponential

celery = Celery()


@celery.task
def send(number: int) -> None:
    push(number)


@celery.task(acks_late=True)
def archive(number: int) -> None:
    open("archive", "w").write(str(number))
    send.delay(number)


@retry(stop=stop_after_attempt(3), wait=wait_exponential())
def push(number: int) -> None:
    requests.put("https://push.example.com", timeout=3)
""",
    "app/flows.py": """
from datetime import timedelta
from temporalio import activity, workflow


@activity.defn
async def ship(number: int) -> None: ...


@workflow.defn
class Fulfil:
    @workflow.run
    async def run(self, number: int) -> None:
        await workflow.execute_activity(ship, number, start_to_close_timeout=timedelta(seconds=9))
""",
    "tests/test_api.py": "import requests\n\n\ndef test_it():\n    requests.get('http://x')\n",
}


def entries(files: dict[str, str]) -> dict[str, MapEntry]:
    return {entry.name: entry for entry in map_of(model_of(files)).entries}


def deed(entry: MapEntry, effect: str) -> Deed:
    (found,) = [one for one in entry.deeds if one.effect == effect]
    return found


def test_every_entry_is_there_also_one_that_does_nothing() -> None:
    """In the order of the model: what hurts most people first."""
    found = entries(ORDERS)
    assert list(found) == [
        "POST /orders", "POST /orders/{number}/charge", "GET /rates", "GET /health", "send", "archive", "ship", "Fulfil.run",
    ]  # fmt: skip
    assert found["GET /health"].deeds == ()


def test_a_time_limit_is_there_or_not() -> None:
    """Of the call itself, with its place."""
    found = entries(ORDERS)
    limited = deed(found["GET /rates"], "http-request")
    assert (limited.ends, limited.may_hang) == (Ends.YES, False)
    assert [(one.text, one.path, one.line) for one in limited.under("timeout")] == [("5 s", "app/api.py", 27)]
    assert deed(found["POST /orders/{number}/charge"], "http-request").may_hang
    assert found["POST /orders/{number}/charge"].hanging == 1


def test_work_that_is_left_alone() -> None:
    """A task is told from a thread that is awaited."""
    runs = {one.target: one.runs for one in entries(ORDERS)["POST /orders"].deeds}
    assert runs == {"requests.post": "inline", "AsyncClient.post": "task"}


def test_a_handler_on_one_of_two_ways() -> None:
    """The shortest way shows it; it is marked as not lying on each."""
    found = deed(entries(ORDERS)["POST /orders/{number}/charge"], "http-request")
    assert [(one.kind, one.text, one.everywhere) for one in found.protections] == [("catch", "Exception", False)]


def test_a_retry_of_a_decorator_on_the_way() -> None:
    """With what it does."""
    found = deed(entries(ORDERS)["send"], "http-request")
    assert [(one.text, one.everywhere) for one in found.under("retry")] == [("3x, growing delay (retry)", True)]
    assert [step.function for step in found.steps] == ["send", "send", "push"]


def test_what_a_crash_does() -> None:
    """By when the broker is told, and by the engine."""
    found = entries(ORDERS)
    assert found["send"].survives is Survives.NO
    assert found["archive"].survives is Survives.YES
    assert found["Fulfil.run"].survives is Survives.YES
    assert found["POST /orders"].survives is Survives.NO


def test_what_is_handed_over_names_who_takes_it() -> None:
    """A job of a queue, a step of a workflow."""
    found = entries(ORDERS)
    assert deed(found["archive"], "enqueue").target == "send"
    step = deed(found["Fulfil.run"], "start-durable")
    assert (step.target, step.repeat) == ("ship", "yes")


SHARED = {
    "jobs.py": """
from celery import Celery

celery = Celery()


@celery.task
def first() -> None: ...


@celery.task
def second() -> None: ...


def launch(job, *arguments) -> None:
    job.apply_async(arguments)


@celery.task
def one() -> None:
    launch(first)


@celery.task
def other() -> None:
    launch(second)
""",
}


def test_a_shared_launcher_starts_what_this_entry_gives_it() -> None:
    """Not what others give it."""
    found = entries(SHARED)
    assert deed(found["one"], "enqueue").target == "first"
    assert deed(found["other"], "enqueue").target == "second"


ROWS = {
    "shop/models.py": """
from django.db import models


class Payment(models.Model):
    event = models.CharField(max_length=40, unique=True)
    amount = models.IntegerField()


class Note(models.Model):
    text = models.TextField()
""",
    "shop/views.py": """
from django.db import transaction
from django.http import HttpResponse
from django.views.decorators.csrf import csrf_exempt
from shop.models import Note, Payment


@csrf_exempt
def webhook(request):
    with transaction.atomic():
        Payment.objects.create(event=request.POST["id"], amount=1)
        Note.objects.create(text="paid")
    return HttpResponse()
""",
    "shop/urls.py": """
from django.urls import path
from shop.views import webhook

urlpatterns = [path("payments/webhook/", webhook)]
""",
}


def test_rows_their_transaction_and_their_key() -> None:
    """A unique key keeps the first from happening twice; nothing keeps the second."""
    (entry,) = entries(ROWS).values()
    assert (entry.kind, entry.name, entry.repeats) == ("webhook-handler", "payments/webhook/", True)
    note, payment = (one for one in entry.deeds if one.effect == "sql-insert")
    assert [one.text for one in payment.under("transaction")] == ["atomic"]
    assert [one.text for one in payment.under("unique-key")] == ["event"]
    assert note.under("unique-key") == ()
    assert (entry.doubled, entry.doubles(payment), entry.doubles(note)) == (1, False, True)


def test_the_same_map_whatever_the_order_of_the_files() -> None:
    """Deterministic."""
    assert map_of(model_of(ORDERS)) == map_of(model_of(dict(reversed(ORDERS.items()))))
