"""The payment provider."""

import uuid

from orders.config import settings
from orders.http import partner_client
from orders.models import Order


def charge(order: Order) -> str:
    """Take the order's total from the customer; the provider's webhook tells us when it is settled."""
    with partner_client(settings.payments_url, settings.payments_token) as client:
        response = client.post(
            "/v1/charges",
            json={"amount": order.total_cents, "reference": str(order.id), "email": order.customer.email},
            headers={"Idempotency-Key": str(uuid.uuid4())},
        )
        response.raise_for_status()
        return response.json()["id"]


def refund(order: Order, provider_ref: str) -> None:
    with partner_client(settings.payments_url, settings.payments_token) as client:
        response = client.post(
            f"/v1/charges/{provider_ref}/refunds",
            json={"amount": order.total_cents},
            headers={"Idempotency-Key": f"refund-{order.id}"},
        )
        response.raise_for_status()
