"""What is mined from a code base, and which example fits which place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from advice import projects
from roadworthy.advice.listing import KINDS, listing
from roadworthy.advice.mining import MINERS
from roadworthy.advice.patterns import best, cite, mine, nearest
from roadworthy.engine import model_of

if TYPE_CHECKING:
    from roadworthy.project.model import Model


def names(model: Model, kind: str) -> list[str]:
    return [pattern.name for pattern in mine(model).by_kind.get(kind, ())]


HTTP = """
import requests

def fetch(url):
    return requests.get(url, timeout=3)
"""
PROCESS = """
import subprocess

def version():
    return subprocess.run(["git", "--version"], timeout=2)
"""


def test_an_example_is_of_the_same_family() -> None:
    model = model_of({"app/a.py": PROCESS, "app/b.py": "def f():\n    ..."})
    function = model.symbols.by_id["app.b.f"]
    assert best(model, "timeout", function, "requests") is None
    assert best(model, "timeout", function, "subprocess") is not None


def test_the_nearest_example_comes_first() -> None:
    files = {"app/web/a.py": HTTP, "app/jobs/b.py": HTTP, "app/jobs/c.py": "def f():\n    ..."}
    model = model_of(files)
    pattern = best(model, "timeout", model.symbols.by_id["app.jobs.c.f"], "requests")
    assert pattern is not None
    assert pattern.near(model.symbols.by_id["app.jobs.c.f"]).path == "app/jobs/b.py"
    assert len(pattern.uses) == 2


def test_what_another_project_of_the_repository_does_is_not_at_hand() -> None:
    lists = dict.fromkeys(("api/pyproject.toml", "agents/pyproject.toml"), '[project]\ndependencies = ["requests"]')
    model = model_of({"api/a.py": HTTP, "agents/b.py": "def f():\n    ...", **lists})
    assert best(model, "timeout", model.symbols.by_id["agents.b.f"], "requests") is None
    shared = model_of({"api/a.py": HTTP, "shared/a.py": HTTP, "agents/b.py": "def f():\n    ...", **lists})
    pattern = best(shared, "timeout", shared.symbols.by_id["agents.b.f"], "requests")
    assert pattern is not None


def test_tools_are_examples_only_when_there_is_nothing_else() -> None:
    tool = HTTP.replace("requests.get(", "requests.request('GET', ")
    here = {"app/web.py": "def f():\n    ..."}
    alone = model_of({"tools/release.py": tool, **here})
    beside = model_of({"tools/release.py": tool, "app/far/away.py": HTTP, **here})
    for model, path in ((alone, "tools/release.py"), (beside, "app/far/away.py")):
        pattern = best(model, "timeout", model.symbols.by_id["app.web.f"], "requests")
        assert pattern is not None
        assert pattern.path == path


def test_launchers_are_known_by_the_names_of_jobs() -> None:
    files = {
        "app/jobs.py": "import dramatiq\n\n"
        + "".join(
            f"@dramatiq.actor(actor_name='order.{name}')\ndef {name}(order_id):\n    ...\n\n"
            for name in ("paid", "sent", "lost")
        ),
        "app/queue.py": "WAITING = []\n\ndef enqueue_job(name, *args):\n    WAITING.append((name, args))\n",
        "app/web.py": "from app.queue import enqueue_job\n\ndef f(order_id):\n"
        + "".join(f"    enqueue_job('order.{name}', order_id)\n" for name in ("paid", "sent", "lost")),
    }
    assert names(model_of(files), "durable") == ["enqueue_job()"]


def test_a_decorator_for_other_errors_is_no_example() -> None:
    files = {
        "app/again.py": """
import time, sqlalchemy.exc

def again(function):
    def run(*args):
        for attempt in range(3):
            try:
                return function(*args)
            except sqlalchemy.exc.OperationalError:
                if attempt == 2:
                    raise
                time.sleep(2**attempt)
    return run
""",
        "app/rows.py": "from app.again import again\n\n@again\ndef load(session):\n    return session.execute('SELECT 1')\n",
        "app/web.py": "import requests\n\ndef fetch(url):\n    return requests.get(url, timeout=3)\n",
    }
    from roadworthy.advice import recipes as advise

    model = model_of(files)
    assert names(model, "retry") == ["@again"]
    fetch = model.symbols.by_id["app.web.fetch"]
    assert "@again" not in advise.retry(model, fetch, ("requests.exceptions.ConnectionError",))
    assert "@again" in advise.retry(model, fetch, ("sqlalchemy.exc.OperationalError",))


def test_a_method_of_another_class_is_no_example() -> None:
    helper = """
import asyncio

class {name}:
    def __init__(self):
        self._tasks = set()

    def _keep(self, work):
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def run(self):
        self._keep(asyncio.sleep(1))
"""
    model = model_of(
        {"app/a.py": helper.format(name="A"), "app/b.py": "class B:\n    async def run(self):\n        ...\n"}
    )
    assert names(model, "keep-task") == ["A._keep()"]
    assert best(model, "keep-task", model.symbols.by_id["app.b.B.run"]) is None
    assert best(model, "keep-task", model.symbols.by_id["app.a.A.run"]) is not None


def test_a_lock_of_the_process_is_no_row_lock() -> None:
    files = {
        "app/a.py": "import threading\n\nLOCK = threading.Lock()\n\ndef f():\n    with LOCK:\n        print(1)\n",
        "app/b.py": "from app.models import Order\n\ndef g(pk):\n    return Order.objects.select_for_update().get(pk=pk)\n",
        "app/models.py": "from django.db import models\n\nclass Order(models.Model):\n    n = models.IntegerField()\n",
    }
    model = model_of(files)
    assert names(model, "lock") == ["with LOCK"]
    assert names(model, "row-lock") == ["g()"]


def test_ids_are_derived_by_functions_that_return_the_digest() -> None:
    files = {
        "app/a.py": """
import hashlib

def document_id(url):
    return hashlib.sha256(url.encode()).hexdigest()

def token_key(token):
    return hashlib.sha256(token.encode()).hexdigest()

def store_id(url, rows):
    rows.append(hashlib.sha256(url.encode()).hexdigest())
"""
    }
    assert names(model_of(files), "deterministic-id") == ["document_id()"]


def test_files_are_written_whole_by_a_helper_that_takes_both() -> None:
    files = {
        "app/a.py": """
import os

def write_atomic(path, text):
    with open(f"{path}.part", "w") as out:
        out.write(text)
    os.replace(f"{path}.part", path)

def publish(report):
    with open("report.part", "w") as out:
        out.write(report)
    os.replace("report.part", "report")
"""
    }
    assert names(model_of(files), "atomic-write") == ["write_atomic()"]


def test_signal_handlers_count_for_sigterm_only() -> None:
    both = "import signal\n\ndef stop(*_):\n    ...\n\ndef a():\n    signal.signal(signal.SIG{name}, stop)\n"
    assert names(model_of({"app/a.py": both.format(name="INT")}), "shutdown") == []
    assert names(model_of({"app/a.py": both.format(name="TERM")}), "shutdown") == ["a()"]


def test_nothing_is_cited_where_there_is_nothing() -> None:
    model = model_of({"a.py": "x = 1"})
    assert nearest(model, "retry", None) == ""
    assert cite(None, None) == ""


# --- the list --------------------------------------------------------------------------------------------------------


def test_every_kind_that_is_mined_is_listed() -> None:
    listed = {kind for kinds in KINDS.values() for kind in kinds}
    mined = {
        seen.kind
        for project in (projects.DJANGO, projects.SERVICE, projects.PLAIN)
        for miner in MINERS
        for seen in miner(model_of(project))
    }
    assert mined <= listed


@pytest.mark.parametrize("form", ["terminal", "markdown"])
def test_the_list_names_patterns_with_counts_and_places(form: str) -> None:
    text = listing(mine(model_of(projects.SERVICE)), form)
    assert "run_in_background()" in text
    assert "app/background.py:5" in text
    assert text.index("Resilience") < text.index("Durability")


def test_the_list_for_machines_is_whole() -> None:
    patterns = mine(model_of(projects.SERVICE))
    rows = json.loads(listing(patterns, "json"))["patterns"]
    assert len(rows) == sum(len(found) for found in patterns.by_kind.values())
    launcher = next(row for row in rows if row["name"] == "run_in_background()")
    assert (launcher["pillar"], launcher["kind"], launcher["uses"], launcher["defined"]) == (
        "durability",
        "durable",
        2,
        True,
    )
    assert launcher["places"][0]["code"] == 'await run_in_background("refresh_rates", currency)'


def test_an_empty_project_has_an_empty_list() -> None:
    assert listing(mine(model_of({"a.py": "x = 1"})), "terminal") == "No patterns found.\n"
