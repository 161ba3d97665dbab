"""Fixes in the names, the style and the libraries of the code at hand."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pytest

from advice import projects
from advice.snippets import faults, prose, snippets
from roadworthy.advice import database as advise_database
from roadworthy.advice import inserts as advise_inserts
from roadworthy.advice import keys as advise_keys
from roadworthy.advice import recipes as advise
from roadworthy.advice import shelf
from roadworthy.engine import model_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roadworthy.project.effects import EffectAt
    from roadworthy.project.model import Model
    from roadworthy.project.symbols import CallSite, Function


@cache
def project(name: str) -> Model:
    return model_of(getattr(projects, name))


def function(model: Model, name: str) -> Function:
    return model.symbols.by_id[name]


def site(where: Function, model: Model, callee: str) -> CallSite:
    return next(site for site in where.calls if model.callee_text(site) == callee)


def effect(where: Function, model: Model, callee: str) -> EffectAt:
    return model.effects_at(site(where, model, callee))[0]


def code(text: str) -> str:
    return "\n".join(block for _, block in snippets(text))


# --- what each fix says ----------------------------------------------------------------------------------------------


def timeout_of(name: str, where: str, callee: str) -> str:
    model = project(name)
    found = effect(function(model, where), model, callee)
    return advise.timeout(model, found, model.timeout(found))


def test_timeout_carries_the_arguments_of_the_call_and_the_projects_setting() -> None:
    text = timeout_of("SERVICE", "app.api.create", "requests.get")
    assert (
        code(text)
        == 'requests.get("https://stock.example/level", params={"id": order_id}, timeout=settings.http_timeout)'
    )
    assert "`settings.http_timeout` is the limit in `app/rates.py:18`" in text


def test_timeout_of_a_client_replaces_the_none_that_it_was_given() -> None:
    text = timeout_of("SERVICE", "app.api.convert", "client.get")
    assert code(text) == "httpx.AsyncClient(timeout=settings.http_timeout)"
    assert "where the client is made" in text


def test_timeout_without_an_example_is_a_literal() -> None:
    assert code(timeout_of("PLAIN", "main.push", "requests.post")) == "requests.post(url, json=body, timeout=10)"


def test_timeout_that_only_a_setting_can_give_stands_beside_its_kin() -> None:
    text = timeout_of("DJANGO", "shop.views.send_receipt", "send_mail")
    assert code(text) == "EMAIL_TIMEOUT = 10"
    assert "beside `EMAIL_HOST` (`shop/settings.py:2`)" in text


def test_on_commit_defers_the_call_as_it_is() -> None:
    model = project("DJANGO")
    where = function(model, "shop.views.place")
    text = advise.on_commit(model, site(where, model, "confirm.delay"), "confirm.delay(…)")
    assert code(text) == "transaction.on_commit(lambda: confirm.delay(order.pk))"
    assert "`transaction.on_commit(lambda: invoice.delay(order.pk))` (`shop/views.py:14`)" in text


def test_on_commit_in_a_loop_binds_the_round() -> None:
    model = project("DJANGO")
    where = function(model, "shop.views.place_all")
    text = advise.on_commit(model, site(where, model, "confirm.delay"), "confirm.delay(…)")
    assert code(text) == "transaction.on_commit(partial(confirm.delay, order.pk))"


def test_durable_declares_the_job_as_the_others_are() -> None:
    model = project("DJANGO")
    text = advise.durable(model, function(model, "shop.views.place"), "send_receipt()")
    assert code(text).split("\n") == [
        "@shared_task(autoretry_for=(OSError,), retry_backoff=True, max_retries=8)",
        "def send_receipt(order_id): ...",
        "",
        "send_receipt.delay(order.pk)",
    ]


def test_durable_prefers_a_job_to_an_activity() -> None:
    """An activity is started by a workflow only, however many of them there are."""
    activities = "from temporalio import activity\n" + "".join(
        f"@activity.defn(name='a{n}')\ndef a{n}(order): ...\n" for n in range(9)
    )
    jobs = "from celery import shared_task\n@shared_task\ndef confirm(order): ...\n"
    web = (
        "from fastapi import APIRouter\nimport asyncio\nfrom app.jobs import confirm\nrouter = APIRouter()\n"
        "@router.post('/c')\ndef other(order: int):\n    confirm.delay(order)\nasync def audit(order): ...\n"
        "@router.post('/x')\nasync def place(order: int):\n    asyncio.create_task(audit(order))\n"
    )
    model = model_of({"app/web.py": web, "app/jobs.py": jobs, "app/flows.py": activities})
    text = advise.durable(model, function(model, "app.web.place"), "audit()")
    assert "`@shared_task`" in text and "activity" not in text


def test_durable_starts_what_is_a_job_already() -> None:
    model = project("DJANGO")
    text = advise.durable(model, function(model, "shop.views.place"), "confirm()")
    assert code(text) == "confirm.delay(order.pk)"
    assert "is a job already" in text


def test_durable_uses_the_launcher_of_the_project() -> None:
    model = project("SERVICE")
    text = advise.durable(model, function(model, "app.api.create"), "store()")
    assert code(text) == 'await run_in_background("store", order_id)'
    assert "`run_in_background()` (`app/background.py:5`, used at 2 places)" in text


def test_durable_without_any_system_says_so_once() -> None:
    model = project("PLAIN")
    text = advise.durable(model, function(model, "main.main"), "work()")
    assert text.count("no durable system") == 1


def test_retry_applies_the_projects_decorator_to_this_function() -> None:
    model = project("SERVICE")
    where = function(model, "app.api.convert")
    text = advise.retry(model, where, effect=effect(where, model, "client.get"))
    assert code(text) == "@retrying\nasync def convert(currency): ..."
    assert "`@retrying` (`app/retrying.py:4`, used at 2 places)" in text


def test_retry_for_async_code_is_no_example_for_sync_code() -> None:
    model = project("SERVICE")
    where = function(model, "app.rates.old")
    assert "@retrying" not in advise.retry(model, where, effect=effect(where, model, "requests.get"))


def test_retry_of_a_job_is_left_to_the_queue() -> None:
    model = project("DJANGO")
    text = advise.retry(model, function(model, "shop.tasks.confirm"))
    assert "shop/tasks.py:9" in text
    assert code(text).startswith("@shared_task(autoretry_for=")


def test_upsert_finds_by_the_key_with_the_values_at_hand() -> None:
    model = project("DJANGO")
    found = effect(function(model, "shop.views.place"), model, "Order.objects.create")
    text = advise.upsert(model, found, "`number`")
    assert code(text) == 'Order.objects.get_or_create(number=request.POST["number"])'
    assert "`record()` (`shop/tasks.py:14`) does it so" in text


def test_off_loop_keeps_the_arguments_and_names_the_async_client() -> None:
    model = project("SERVICE")
    text = advise.off_loop(model, site(function(model, "app.api.create"), model, "requests.get"))
    assert code(text).startswith("await asyncio.to_thread(requests.get, ")
    assert "httpx.AsyncClient" in prose(text)


def test_off_loop_of_a_handler_that_awaits_nothing_is_a_plain_def() -> None:
    model = project("SERVICE")
    text = advise.off_loop(model, site(function(model, "app.api.levels"), model, "requests.get"))
    assert text == "`levels` awaits nothing: declare it with a plain `def`, and the framework runs it in a thread."


def test_logs_go_to_the_logger_of_the_module() -> None:
    model = project("SERVICE")
    assert 'log.exception("create failed")' in advise.log_and_raise(model, function(model, "app.api.create"))


def test_a_stream_is_no_logger() -> None:
    text = "import logging, sys\n\ndef greet():\n    sys.stdout.write('a')\n    sys.stdout.write('b')\n    logging.info('c')\n"
    model = model_of({"app.py": text})
    assert "logging.exception(" in advise.log_and_raise(model, function(model, "app.greet"))


def test_warnings_are_no_logger() -> None:
    """`warnings` has no `exception()`."""
    text = "import warnings\n\ndef greet():\n    warnings.warn('old')\n"
    model = model_of({"app.py": text})
    assert "    logger.exception(" in advise.log_and_raise(model, function(model, "app.greet"))


def test_a_function_that_logs_is_no_logger() -> None:
    """`log = make_log("queue")` gives a function: it has no `exception()`."""
    text = "from app.base import make_log\n\nlog = make_log('queue')\n\ndef greet():\n    log('hello')\n"
    model = model_of({"app.py": text})
    assert "    logger.exception(" in advise.log_and_raise(model, function(model, "app.greet"))


def test_kept_task_is_the_task_at_hand() -> None:
    model = project("SERVICE")
    text = advise.keep_task(model, site(function(model, "app.api.create"), model, "asyncio.create_task"))
    assert "task = asyncio.create_task(store(session, order_id))" in code(text)


# --- the form of all of them -----------------------------------------------------------------------------------------


def every_fix() -> Iterator[tuple[str, str]]:
    """Each recipe at each place of the projects where it can be asked for."""
    for name in ("DJANGO", "SERVICE", "PLAIN"):
        model = project(name)
        for where in model.functions:
            for kind, text in of_function(model, where):
                yield f"{name} {kind} {where.id}", text
            for call in where.calls:
                for kind, text in of_call(model, call):
                    yield f"{name} {kind} {call.path}:{call.line}", text
        for table in model.schema.tables:
            yield f"{name} unique {table.name}", advise.unique(model, table.name, ("number", "email"))


def of_function(model: Model, where: Function) -> Iterator[tuple[str, str]]:
    yield "log", advise.log_and_raise(model, where)
    yield "shutdown", advise.shutdown(model, where)
    yield "lock", advise.lock(model, where)
    yield "backoff", advise.backoff(model, where)
    yield "retry", advise.retry(model, where)
    yield "key", advise.idempotency_key(model, where)
    yield "durable", advise.durable(model, where, "send()")
    yield "jitter", advise.jitter(model, where, "2 ** attempt")
    yield "atomic", advise.atomic_write(model, where, "path")
    yield "id", advise.deterministic_id(model, where, "`a.id` and `b`")
    yield "dedup", advise.dedup(model, where, "the event's id")


def of_call(model: Model, call: CallSite) -> Iterator[tuple[str, str]]:
    yield "off-loop", advise.off_loop(model, call)
    yield "isolate", advise.isolate(model, call)
    yield "keep", advise.keep_task(model, call)
    yield "bounded", advise.bounded(model, call)
    yield "on-commit", advise.on_commit(model, call, f"{model.callee_text(call)}()")
    for found in model.effects_at(call):
        yield "timeout", advise.timeout(model, found, model.timeout(found))
        yield "retry", advise.retry(model, call.function, effect=found)
        yield "upsert", advise.upsert(model, found, "`number`")


def test_every_fix_is_well_formed() -> None:
    wrong = {place: told for place, text in every_fix() if (told := faults(text))}
    assert wrong == {}


def test_faults_are_seen() -> None:
    assert faults("Do it.\n```python\nf(a=1, …)\n```") != []
    assert faults("Do it.\n```python\n…\n```") == ["says nothing"]
    assert faults("Do it:\n```python\nf($hole)\n```") != []
    assert faults("Do it") == ["prose ends in 'Do it'"]


# --- the shelf -------------------------------------------------------------------------------------------------------


def test_every_recipe_names_known_libraries() -> None:
    model = project("PLAIN")
    known = {name for library in model.knowledge.libraries for name in (library.library, *library.distributions)}
    known |= {name.replace("_", "-") for name in known}
    named = {
        name for recipes in shelf.shelves().values() for recipe in recipes for name in (*recipe.library, *recipe.uses)
    }
    assert sorted(named - known) == []


def test_every_recipe_can_be_chosen() -> None:
    """A recipe behind a plainer one of the same topic that always fits is never seen."""
    for topic, recipes in shelf.shelves().items():
        for number, recipe in enumerate(recipes):
            before = [
                r
                for r in recipes[:number]
                if not (r.library or r.uses or r.names or r.python) and r.is_async in (None, recipe.is_async)
            ]
            assert all(shelf.holes(r) - shelf.holes(recipe) for r in before), (
                f"{topic}: recipe {number + 1} is never reached"
            )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[recipe]]\ntopic = "nonsense"\ntext = "a"', "no such topic"),
        ('[[recipe]]\ntopic = "retry"', "says nothing"),
        ('[[recipe]]\ntopic = "retry"\ntext = "$unheard"', "unknown holes unheard"),
        ('[[recipe]]\ntopic = "retry"\ntext = "costs 5 $"', "stands alone"),
        ('[[recipe]]\ntopic = "retry"\ntext = "a"\nwhen = 1', "unknown field"),
        ("[[recipe", "recipes.toml"),
    ],
)
def test_a_wrong_recipe_is_refused(text: str, told: str) -> None:
    with pytest.raises(shelf.RecipeError, match=told):
        shelf.read_shelf("recipes.toml", text)


RACES = {
    "app/models.py": """
from django.db import models


class Voucher(models.Model):
    code = models.CharField(max_length=20)
    left = models.IntegerField()
""",
    "app/views.py": """
from django.http import HttpResponse
from django.urls import path

from app.models import Voucher


def make(request, code):
    if Voucher.objects.filter(code=code).exists():
        raise ValueError("taken")
    Voucher.objects.create(code=code, left=3)
    return HttpResponse()


def take(request, pk, amount):
    voucher = Voucher.objects.get(pk=pk)
    voucher.left -= min(amount, voucher.left)
    voucher.save()
    return HttpResponse()


urlpatterns = [path("make/<code>", make), path("take/<int:pk>", take)]
""",
}


def test_whoever_is_refused_when_the_row_is_there_is_refused_by_the_unique_key_too() -> None:
    model = model_of(RACES)
    where = function(model, "app.views.make")
    pair = next(iter(model.checks.of(where)))
    text = advise_inserts.insert_or_refuse(model, pair)
    assert "Voucher.objects.create(code=code, left=3)" in code(text)
    assert code(text).endswith('except IntegrityError:\n    raise ValueError("taken")')


def test_a_step_that_depends_on_the_number_asks_for_a_lock() -> None:
    model = model_of(RACES)
    mutation = next(iter(model.mutations.of(function(model, "app.views.take"))))
    text = advise_database.in_one_statement(model, mutation)
    assert "select_for_update()" in text
    assert "voucher = Voucher.objects.select_for_update().get(pk=voucher.pk)" in code(text)


def test_a_column_compared_with_a_literal_makes_the_key_partial() -> None:
    """Other rows of the same owner, which are not hidden, may be many."""
    model = model_of(
        {
            "app/models.py": """
from django.db import models


class Template(models.Model):
    service = models.IntegerField()
    hidden = models.BooleanField()
""",
            "app/views.py": """
from app.models import Template


def hidden_template(service):
    found = Template.objects.filter(service=service, hidden=True).first()
    if found is not None:
        return found
    return Template.objects.create(service=service, hidden=True)
""",
        }
    )
    check = next(iter(model.checks.of(function(model, "app.views.hidden_template"))))
    text = advise_keys.key_and_insert(model, check, check.keys, "insert")
    assert "condition=models.Q(hidden=True)" in code(text)
    assert "reads the row again" in prose(text)
