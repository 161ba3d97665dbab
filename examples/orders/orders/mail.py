"""Messages to customers, through the company's mail relay."""

from orders.config import settings
from orders.http import partner_client
from orders.models import Order


def send(order: Order, template: str) -> None:
    with partner_client(settings.mail_url, settings.mail_token) as client:
        response = client.post(
            "/messages",
            json={"to": order.customer.email, "template": template, "order": str(order.id)},
        )
        response.raise_for_status()
