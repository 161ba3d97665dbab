"""What the payment provider tells us. It repeats an event until it sees a 2xx."""

import hashlib
import hmac
import uuid

from fastapi import APIRouter, HTTPException, Request
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from orders import audit
from orders.config import settings
from orders.db import Db
from orders.durable import run_in_background
from orders.models import Order, OrderStatus, Payment, WebhookEvent
from orders.schemas import ProviderEvent
from orders.workflows import FulfilOrder

router = APIRouter(prefix="/webhooks")


async def verified(request: Request) -> ProviderEvent:
    body = await request.body()
    expected = hmac.new(settings.webhook_secret.encode(), body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, request.headers.get("X-Signature", "")):
        raise HTTPException(401, "bad signature")
    return ProviderEvent.model_validate_json(body)


async def first_delivery(session: AsyncSession, event: ProviderEvent) -> bool:
    """Remember the event; false when it was here before."""
    result = await session.execute(
        insert(WebhookEvent).values(id=event.id).on_conflict_do_nothing(index_elements=["id"])
    )
    return result.rowcount == 1


@router.post("/payments")
async def payment_settled(request: Request, session: Db) -> dict[str, bool]:
    event = await verified(request)
    order = await session.get_one(Order, event.order_id)
    session.add(Payment(order_id=order.id, provider_ref=event.charge_id, amount_cents=event.amount_cents))
    order.status = OrderStatus.PAID
    await session.commit()
    await run_in_background(FulfilOrder.run, str(order.id), id=f"fulfil-{uuid.uuid4()}")
    return {"ok": True}


@router.post("/disputes")
async def payment_disputed(request: Request, session: Db) -> dict[str, bool]:
    event = await verified(request)
    if await first_delivery(session, event):
        order = await session.get_one(Order, event.order_id)
        order.status = OrderStatus.CANCELLED
        await session.commit()
        await audit.record(order.id, "disputed", {"charge": event.charge_id})
    return {"ok": True}
