"""Fulfilment and refunds, step by step."""

import uuid
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

with workflow.unsafe.imports_passed_through():
    from sqlalchemy import select
    from sqlalchemy.dialects.postgresql import insert

    from orders import mail, payments, shipping, stock
    from orders.db import Sessions
    from orders.models import Order, OrderStatus, Payment, Shipment

_STEP = {
    "start_to_close_timeout": timedelta(minutes=2),
    "retry_policy": RetryPolicy(maximum_attempts=20, non_retryable_error_types=["OutOfStock"]),
}


@activity.defn
def reserve_stock(order_id: str) -> None:
    with Sessions.begin() as session:
        stock.reserve(session, session.get_one(Order, uuid.UUID(order_id)))


@activity.defn
def book_shipment(order_id: str) -> None:
    with Sessions.begin() as session:
        order = session.get_one(Order, uuid.UUID(order_id))
        label = shipping.book(order)
        session.execute(
            insert(Shipment)
            .values(order_id=order.id, tracking_code=label.tracking_code, label_url=label.url)
            .on_conflict_do_nothing(index_elements=["order_id"])
        )
        order.status = OrderStatus.SHIPPED


@activity.defn
def refund_payment(order_id: str) -> None:
    with Sessions() as session:
        order = session.get_one(Order, uuid.UUID(order_id))
        payment = session.scalars(select(Payment).where(Payment.order_id == order.id)).first()
    if payment is not None:
        payments.refund(order, payment.provider_ref)


@activity.defn
def tell_customer(order_id: str, template: str) -> None:
    with Sessions() as session:
        order = session.get_one(Order, uuid.UUID(order_id))
    mail.send(order, template)


@workflow.defn
class FulfilOrder:
    @workflow.run
    async def run(self, order_id: str) -> None:
        await workflow.execute_activity(reserve_stock, order_id, **_STEP)
        await workflow.execute_activity(book_shipment, order_id, **_STEP)
        await workflow.execute_activity(tell_customer, args=[order_id, "shipped"], **_STEP)


@workflow.defn
class RefundOrder:
    @workflow.run
    async def run(self, order_id: str) -> None:
        await workflow.execute_activity(refund_payment, order_id, **_STEP)
        await workflow.execute_activity(tell_customer, args=[order_id, "refunded"], **_STEP)
