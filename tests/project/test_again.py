"""What runs again, and what is made anew in it: minting, boundaries, dedup, stable ids. Small programs, asked directly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from roadworthy.engine import model_of
from roadworthy.knowledge.vocabulary import Effect
from roadworthy.project.boundaries import comes_again, entries_around, retries_around, retries_over
from roadworthy.project.dedup import dedup_before
from roadworthy.project.meanings import meant
from roadworthy.project.minting import Minted, Minting
from roadworthy.project.stable import given_ids, own_ids

if TYPE_CHECKING:
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


def function(model: Model, name: str) -> Function:
    """The function of this name."""
    return next(fn for fn in model.functions if fn.name == name)


def call(model: Model, name: str, callee: str) -> CallSite:
    """The call of `callee` in the function of this name."""
    return next(site for site in function(model, name).calls if model.callee_text(site) == callee)


def minted(source: str, name: str = "use", callee: str = "send") -> list[Minted]:
    """What is made anew in the first argument of a call."""
    model = model_of({"app.py": source})
    site = call(model, name, callee)
    return Minting(model).of(site.fact.args[0], site.function, site.fact.order)


@pytest.mark.parametrize(
    ("body", "kinds"),
    [
        ("send(str(uuid.uuid4()))", ["random"]),
        ("key = f'{order.id}-{uuid.uuid4().hex}'\n    send(key)", ["random"]),
        ("send(f'{order.id}-{time.time()}')", ["clock"]),
        ("send(order.id)", []),
        ("send(datetime.date.today())", []),
        ("send(datetime.datetime.now().strftime('%Y-%m-%d'))", []),
        ("send(datetime.datetime.now().strftime('%Y-%m-%dT%H'))", ["clock"]),
        ("send(hashlib.sha256(order.body).hexdigest())", []),
        ("send(hashlib.sha256(uuid.uuid4().bytes).hexdigest())", ["random"]),
        ("send(hash(order.url))", ["process-hash"]),
        ("keys = []\n    for o in order:\n        keys.append(uuid.uuid4())\n    send(keys)", ["random"]),
    ],
)
def test_what_is_made_anew(body: str, kinds: list[str]) -> None:
    """Randomness, the clock and salted hashes are followed; days, digests of stable things and plain fields are none."""
    source = f"import uuid, time, datetime, hashlib\n\ndef use(order):\n    {body}\n"
    assert [m.kind for m in minted(source)] == kinds


@pytest.mark.parametrize(
    ("body", "optional"),
    [
        ("send(uuid.uuid4())", False),
        ("send(key or uuid.uuid4())", True),
        ("send(key if key else uuid.uuid4())", True),
        ("if not key:\n        key = uuid.uuid4()\n    send(key)", True),
        ("send(request.headers.get('key', uuid.uuid4()))", True),
        ("send(None or uuid.uuid4())", False),
    ],
)
def test_a_value_that_is_taken_when_it_is_there(body: str, optional: bool) -> None:
    """A fallback is told from a value that is always new."""
    assert [m.optional for m in minted(f"import uuid\n\ndef use(request, key=None):\n    {body}\n")] == [optional]


def test_a_value_is_followed_up_to_the_caller_that_makes_it() -> None:
    """The way down is kept: the caller is where the value comes to be."""
    found = minted("import uuid\n\ndef use(key):\n    send(key)\n\ndef top():\n    use(uuid.uuid4())\n")
    assert [(m.top.name, len(m.carried)) for m in found] == [("top", 1)]


RETRIED = """
import uuid, requests, tenacity

@tenacity.retry(stop=tenacity.stop_after_attempt(3))
def attempt({parameter}):
    {inside}
    requests.post("https://pay.example", headers={{"Idempotency-Key": key}}, timeout=5)

def top():
    {outside}
    attempt({argument})
"""


@pytest.mark.parametrize(
    ("program", "retries"),
    [
        (RETRIED.format(parameter="", inside="key = str(uuid.uuid4())", outside="pass", argument=""), 1),
        (RETRIED.format(parameter="key", inside="pass", outside="key = str(uuid.uuid4())", argument="key"), 0),
    ],
    ids=["inside", "carried in"],
)
def test_a_retry_encloses_the_making_or_only_the_use(program: str, retries: int) -> None:
    """The one question behind the rules on keys."""
    model = model_of({"app.py": program})
    use = call(model, "attempt", "requests.post")
    key = dict(use.fact.kwargs)["headers"]
    (found,) = Minting(model).of(key, use.function, use.fact.order)
    assert len(retries_around(model, found, use)) == retries
    assert len(retries_over(model, use)) == 1


JOB = """
from celery import shared_task
import uuid, boto3

s3 = boto3.client("s3")

@shared_task{options}
def job({bind}number):
    name = str(uuid.uuid4())
    s3.put_object(Bucket="b", Key=name)
    {after}
"""


@pytest.mark.parametrize(
    ("options", "bind", "after", "again"),
    [
        ("", "", "pass", False),
        ("(acks_late=True)", "", "pass", True),
        ("(autoretry_for=(OSError,))", "", "pass", True),
        ("(bind=True)", "self, ", "raise self.retry()", True),
    ],
)
def test_jobs_that_come_again(options: str, bind: str, after: str, again: bool) -> None:
    """Late acknowledgement, automatic retries, and retries that the body asks for."""
    model = model_of({"app.py": JOB.format(options=options, bind=bind, after=after)})
    use = call(model, "job", "s3.put_object")
    (found,) = Minting(model).of(dict(use.fact.kwargs)["Key"], use.function, use.fact.order)
    (entry,) = entries_around(model, found, use)
    assert comes_again(model, entry) is again


def test_a_setting_of_the_application_makes_jobs_come_again() -> None:
    """`CELERY_TASK_ACKS_LATE = True` stands far from the job."""
    model = model_of(
        {"app.py": JOB.format(options="", bind="", after="pass"), "settings.py": "CELERY_TASK_ACKS_LATE = True\n"}
    )
    (entry,) = model.entries.at(function(model, "job"))
    assert comes_again(model, entry)


HOOK = """
import flask, stripe, redis
from models import Order, Event

app = flask.Flask(__name__)
r = redis.Redis(socket_timeout=1)

@app.post("/webhooks/payment")
def payment_webhook():
    event = flask.request.get_json()
    {guard}
        {body}
"""

MODELS = """
from django.db import models

class Order(models.Model):
    status = models.CharField(max_length=9)

class Event(models.Model):
    key = models.CharField(max_length=9, unique=True)
"""


@pytest.mark.parametrize(
    ("guard", "kind"),
    [
        ("if True:", None),
        ("if event['type'] == 'paid':", None),
        ("if event['status'] == 'paid':", None),
        ("order = Order.objects.get(pk=1)\n    if order:", None),
        ("order = Order.objects.get(pk=1)\n    if order.status != 'paid':", "condition"),
        ("if r.set(event['id'], 1, nx=True):", "condition"),
        ("seen = Event.objects.filter(key=event['id']).exists()\n    if not seen:", "condition"),
        ("found = Event.objects.filter(key=event['id']).first()\n    if not found:", "condition"),
        ("found = Event.objects.filter(key=event['id']).first()\n    if found:", None),
    ],
)
def test_checks_of_earlier_work(guard: str, kind: str | None) -> None:
    """A stored state and a record of the event count; a field of the message and the mere presence of the thing do not."""
    body = "stripe.Refund.create(charge=event['charge'])"
    model = model_of({"app.py": HOOK.format(guard=guard, body=body), "models.py": MODELS})
    site = call(model, "payment_webhook", "stripe.Refund.create")
    (effect,) = model.effects_at(site)
    (entry,) = model.entries.at(site.function)
    found = dedup_before(model, entry, effect)
    assert (found.kind if found is not None else None) == kind


@pytest.mark.parametrize(
    ("name", "url", "word"),
    [
        ("send_sms", "/v1/messages", Effect.SMS),
        ("refund_payment", "/refunds", Effect.CHARGE),
        ("send_email", "/send", Effect.EMAIL),
        ("search", "/payments/search", Effect.HTTP_REQUEST),
        ("revert_tax", "/tax/refunds", Effect.HTTP_REQUEST),
    ],
)
def test_what_a_request_means_by_its_names(name: str, url: str, word: Effect) -> None:
    """The function's name decides; what reads or computes is no deed."""
    model = model_of(
        {"app.py": f"import requests\n\ndef {name}():\n    requests.post('https://x.example{url}', timeout=5)\n"}
    )
    (effect,) = model.effects_at(call(model, name, "requests.post"))
    assert meant(model, effect) is word


def test_stable_ids() -> None:
    """Ids of the thing come before those of its scope; ids of runs and traces do not count."""
    source = (
        "def use(order, user_id, request_id):\n    x = Input(order_id=order.id)\n    send(x, user_id, request_id)\n"
    )
    model = model_of({"app.py": source})
    site = call(model, "use", "send")
    assert given_ids(site) == ["order.id", "user_id"]
    assert own_ids(site) == ["order.id"]
