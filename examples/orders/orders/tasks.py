"""Short jobs and the schedule."""

import logging
import uuid
from datetime import timedelta

import httpx
from celery import Celery
from sqlalchemy import select

from orders import mail, payments, stock
from orders.config import settings
from orders.db import Sessions
from orders.http import partner_client
from orders.models import Order, OrderStatus, now

log = logging.getLogger(__name__)

celery = Celery("orders", broker=settings.redis_url)
celery.conf.beat_schedule = {
    "expire-unpaid-orders": {"task": "orders.tasks.expire_unpaid_orders", "schedule": 300.0},
    "post-to-ledger": {"task": "orders.tasks.post_paid_orders", "schedule": 3600.0},
}

UNPAID_FOR = timedelta(hours=2)


@celery.task(
    autoretry_for=(httpx.TransportError, httpx.HTTPStatusError),
    retry_backoff=True,
    retry_jitter=True,
    max_retries=8,
    acks_late=True,
)
def charge_order(order_id: str) -> None:
    with Sessions() as session:
        order = session.get_one(Order, uuid.UUID(order_id))
        if order.status is OrderStatus.PENDING:
            payments.charge(order)


@celery.task
def send_confirmation(order_id: str) -> None:
    with Sessions() as session:
        order = session.get_one(Order, uuid.UUID(order_id))
        mail.send(order, "confirmation")


@celery.task
def expire_unpaid_orders() -> None:
    with Sessions() as session:
        unpaid = session.scalars(
            select(Order).where(Order.status == OrderStatus.PENDING, Order.created_at < now() - UNPAID_FOR)
        ).all()
        for order in unpaid:
            try:
                stock.release(session, order.id)
                order.status = OrderStatus.EXPIRED
                session.commit()
            except Exception:
                session.rollback()


@celery.task
def post_paid_orders() -> None:
    """Hand the last two hours' orders to the ledger; an order that is there already stays as it is."""
    with Sessions() as session, partner_client(settings.ledger_url, settings.ledger_token) as ledger:
        paid = session.scalars(
            select(Order).where(Order.status == OrderStatus.PAID, Order.created_at > now() - timedelta(hours=2))
        ).all()
        for order in paid:
            try:
                response = ledger.put(f"/entries/order-{order.id}", json={"cents": order.total_cents})
                response.raise_for_status()
            except httpx.HTTPError:
                log.exception("order %s is not in the ledger yet", order.id)
