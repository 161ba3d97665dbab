"""The audit trail."""

import json
import uuid

from orders.db import AsyncSessions
from orders.models import AuditEntry


async def record(order_id: uuid.UUID, action: str, detail: dict) -> None:
    async with AsyncSessions() as session:
        session.add(AuditEntry(order_id=order_id, action=action, detail=json.dumps(detail, default=str)))
        await session.commit()
