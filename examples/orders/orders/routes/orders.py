"""Placing, reading and cancelling orders."""

import asyncio
import uuid

from fastapi import APIRouter, HTTPException

from orders import audit, shipping
from orders.db import Db
from orders.durable import run_in_background
from orders.models import Order, OrderStatus
from orders.placing import customer_for, place
from orders.schemas import NewOrder, OrderOut
from orders.tasks import charge_order, send_confirmation
from orders.workflows import RefundOrder

router = APIRouter(prefix="/orders")


async def found(session: Db, order_id: uuid.UUID) -> Order:
    order = await session.get(Order, order_id)
    if order is None:
        raise HTTPException(404, "no such order")
    return order


@router.post("", status_code=201)
async def create_order(new: NewOrder, session: Db) -> OrderOut:
    customer = await customer_for(session, new.email, new.name)
    order, is_new = await place(session, customer, new)
    if is_new:
        charge_order.delay(str(order.id))
        send_confirmation.delay(str(order.id))
    await session.commit()
    if is_new:
        asyncio.create_task(audit.record(order.id, "placed", new.model_dump()))
    return OrderOut.of(order)


@router.get("/{order_id}")
async def read_order(order_id: uuid.UUID, session: Db) -> OrderOut:
    return OrderOut.of(await found(session, order_id))


@router.get("/{order_id}/shipping-options")
async def shipping_options(order_id: uuid.UUID, session: Db) -> list[dict]:
    order = await found(session, order_id)
    return shipping.rates(order.postcode, len(order.lines))


@router.post("/{order_id}/cancel", status_code=202)
async def cancel_order(order_id: uuid.UUID, session: Db) -> OrderOut:
    order = await found(session, order_id)
    if order.status not in (OrderStatus.PENDING, OrderStatus.PAID):
        raise HTTPException(409, f"the order is {order.status}")
    order.status = OrderStatus.CANCELLED
    await session.commit()
    await audit.record(order.id, "cancelled", {})
    await run_in_background(RefundOrder.run, str(order.id), id=f"refund-{order.id}")
    return OrderOut.of(order)
