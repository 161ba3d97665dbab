"""What the calls of OpenStack's libraries do: requests over a broker, transactions, retries."""

from __future__ import annotations

import pytest

from roadworthy.engine import model_of
from roadworthy.knowledge.load import load_knowledge
from roadworthy.knowledge.vocabulary import GuardKind

_RPC = """
import oslo_messaging

class API:
    def __init__(self, transport, target):
        self.client = oslo_messaging.get_rpc_client(transport, target)

    def create(self, context):
        return self.client.prepare(timeout=10).call(context, "create")

    def forget(self, context):
        self.client.cast(context, "forget")
"""
_DATABASE = """
import oslo_db.api
from oslo_db.sqlalchemy import enginefacade

@oslo_db.api.wrap_db_retry(max_retries=3, retry_on_deadlock=True)
def save(context, order):
    with _writing(context) as session:
        session.add(order)

def _writing(context):
    return enginefacade.writer.using(context)

@enginefacade.writer
def touch(context):
    context.session.flush()
"""


def test_a_call_waits_for_an_answer_and_a_cast_does_not() -> None:
    model = model_of({"app.py": _RPC})
    assert sorted((e.function.name, e.effect.value) for e in model.effects_of()) == [
        ("create", "rpc"), ("forget", "enqueue"),
    ]  # fmt: skip


def test_a_call_that_says_nothing_waits_a_minute() -> None:
    rows = load_knowledge().calls("oslo_messaging.RPCClient.call")
    assert [(row.timeout.absent, row.timeout.argument) for row in rows if row.timeout] == [(60.0, "timeout")]


def test_a_session_of_the_facade_comes_with_a_transaction() -> None:
    """Also where a function of the project hands it out."""
    model = model_of({"app.py": _DATABASE})
    save = model.symbols.by_id["app.save"]
    added = next(site for site in save.calls if getattr(site.fact.func, "name", "") == "add")
    assert [e.effect.value for e in model.effects_of() if e.site is added] == ["sql-insert"]
    assert GuardKind.TRANSACTION in {guard.kind for guard in model.guards.on_site(added)}
    assert {g.kind for g in model.guards.on_function(model.symbols.by_id["app.touch"])} == {GuardKind.TRANSACTION}


def test_a_retry_of_the_database() -> None:
    model = model_of({"app.py": _DATABASE})
    (guard,) = [g for g in model.guards.on_function(model.symbols.by_id["app.save"]) if g.kind is GuardKind.RETRY]
    assert guard.attempts == 4
    assert "oslo_db.exception.DBDeadlock" in guard.on


@pytest.mark.parametrize("name", ["DBDuplicateEntry"])
def test_a_duplicate_is_a_conflict(name: str) -> None:
    row = load_knowledge().exception(f"oslo_db.exception.{name}")
    assert row is not None
    assert row.nature == "conflict"


def test_services_and_timers() -> None:
    text = """
from oslo_service import loopingcall, service
import cotyledon
from futurist import periodics

class Server(service.Service):
    def start(self):
        self.tg.add_timer(60, self.sweep)
        loopingcall.FixedIntervalLoopingCall(self.poll).start(interval=5)

    def stop(self): ...

    def sweep(self): ...

    def poll(self): ...

class Worker(cotyledon.Service):
    def run(self): ...

    def terminate(self): ...

@periodics.periodic(60)
def tidy(): ...
"""
    found = {(e.function.qualname, e.kind.value) for e in model_of({"app.py": text}).entries.all}
    assert found == {
        ("Server.start", "startup"), ("Server.stop", "shutdown"), ("Server.sweep", "scheduled"), ("Server.poll", "scheduled"),
        ("Worker.run", "worker-loop"), ("Worker.terminate", "shutdown"), ("tidy", "scheduled"),
    }  # fmt: skip
