"""How entries are called after their routes."""

from __future__ import annotations

from roadworthy.engine import model_of

_ROUTER = """
from fastapi import APIRouter

router = APIRouter(prefix="/orders")


@router.get("/{number}")
def read(number: int): ...


@router.post("/webhooks/install")
def install_webhook(): ...
"""


def test_a_route_has_the_prefix_of_its_router() -> None:
    """A reader looks for the path that clients call; installing a webhook is no event from outside."""
    model = model_of({"app/orders.py": _ROUTER})
    labels = {entry.function.name: (entry.label, entry.kind.value) for entry in model.entries.all}
    assert labels["read"] == ("GET /orders/{number}", "http-handler")
    assert labels["install_webhook"] == ("POST /orders/webhooks/install", "http-handler")
