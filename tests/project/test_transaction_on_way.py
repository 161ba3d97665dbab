"""Which transaction is open when one entry comes to a call."""

from __future__ import annotations

from roadworthy.engine import model_of
from roadworthy.knowledge.vocabulary import EntryKind

FILES = {
    "app/settings.py": """
DATABASES = {"default": {"ENGINE": "django.db.backends.postgresql", "ATOMIC_REQUESTS": True}}
""",
    "app/rates.py": """
import requests


def refresh():
    requests.get("https://rates.example/latest")
""",
    "app/views.py": """
from django.http import HttpResponse
from django.urls import path

from app.rates import refresh


def rates(request):
    refresh()
    return HttpResponse()


urlpatterns = [path("rates", rates)]
""",
    "app/management/commands/load.py": """
from django.core.management.base import BaseCommand
from django.db import transaction

from app.rates import refresh


class Command(BaseCommand):
    def handle(self, *args, **options):
        refresh()
""",
    "app/management/commands/load_all.py": """
from django.core.management.base import BaseCommand
from django.db import transaction

from app.rates import refresh


class Command(BaseCommand):
    def handle(self, *args, **options):
        with transaction.atomic():
            refresh()
""",
}


def _held(path: str) -> str:
    model = model_of(FILES)
    site = model.symbols.by_id["app.rates.refresh"].calls[0]
    entry = next(entry for entry in model.entries.all if entry.function.path == path)
    guard = model.transaction_on_way(entry, site)
    return guard.name.rpartition(".")[2] if guard is not None else ""


def test_a_request_holds_the_transaction_of_the_setting() -> None:
    """Every request runs in one; a command does not."""
    assert _held("app/views.py") == "ATOMIC_REQUESTS"
    assert _held("app/management/commands/load.py") == ""


def test_a_block_counts_for_the_entry_that_comes_through_it() -> None:
    """The block of one command is nothing to the other."""
    assert _held("app/management/commands/load_all.py") == "atomic"


def test_the_setting_is_one_of_requests() -> None:
    """The view of the example is a handler: the test above tells what it means to."""
    model = model_of(FILES)
    kinds = {entry.function.path: entry.kind for entry in model.entries.all}
    assert kinds["app/views.py"] is EntryKind.HTTP_HANDLER
