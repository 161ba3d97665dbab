"""The carrier's API."""

from dataclasses import dataclass

import requests

from orders.config import settings
from orders.models import Order

_session = requests.Session()
_session.headers["Authorization"] = f"Bearer {settings.carrier_token}"


@dataclass(frozen=True)
class Label:
    tracking_code: str
    url: str


def rates(postcode: str, parcels: int) -> list[dict]:
    response = _session.get(f"{settings.carrier_url}/rates", params={"to": postcode, "parcels": parcels})
    response.raise_for_status()
    return response.json()["rates"]


def book(order: Order) -> Label:
    """Book the pick-up. The carrier takes our order number as its own, so booking twice gives the same label."""
    response = _session.put(
        f"{settings.carrier_url}/shipments/{order.id}",
        json={"to": order.postcode, "parcels": len(order.lines)},
    )
    response.raise_for_status()
    body = response.json()
    return Label(tracking_code=body["tracking"], url=body["label_url"])
