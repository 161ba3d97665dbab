"""Which request handlers receive the events of others, and which manage webhooks that the project sends."""

from __future__ import annotations

import pytest

from roadworthy.engine import model_of
from roadworthy.knowledge.vocabulary import EntryKind

APP = """
from fastapi import FastAPI
app = FastAPI()

@app.post("{route}")
def {name}(body: dict): ...
"""


@pytest.mark.parametrize(
    ("route", "name", "kind"),
    [
        ("/webhooks/stripe", "stripe_webhook", EntryKind.WEBHOOK_HANDLER),
        ("/webhooks/{provider}", "payment_webhook", EntryKind.WEBHOOK_HANDLER),
        ("/hooks/{token}/resume_run", "resume_by_webhook", EntryKind.WEBHOOK_HANDLER),
        ("/{id}/activate", "activate_webhook", EntryKind.HTTP_HANDLER),
        ("/webhooks/{id}/activate", "turn_on_webhook", EntryKind.HTTP_HANDLER),
        ("/webhooks/{id}/rotate-secret", "webhook_secret", EntryKind.HTTP_HANDLER),
        ("/webhooks", "create_webhook", EntryKind.HTTP_HANDLER),
    ],
)
def test_events_of_others(route: str, name: str, kind: EntryKind) -> None:
    """A route that does something with one stored webhook is an ordinary request."""
    model = model_of({"app.py": APP.format(route=route, name=name)})
    assert [entry.kind for fn in model.functions if fn.name == name for entry in model.entries.at(fn)] == [kind]
