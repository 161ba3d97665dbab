"""What is on the shelf and for whom it is kept."""

import uuid

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from orders.models import Order, StockItem, StockReservation


class OutOfStock(Exception):
    pass


def reserve(session: Session, order: Order) -> None:
    """Keep the order's goods; reserving again changes nothing."""
    for line in order.lines:
        reserved = session.execute(
            insert(StockReservation)
            .values(order_id=order.id, sku=line.sku, quantity=line.quantity)
            .on_conflict_do_nothing(index_elements=["order_id", "sku"])
        )
        if reserved.rowcount == 0:
            continue
        taken = session.execute(
            update(StockItem)
            .where(StockItem.sku == line.sku, StockItem.available >= line.quantity)
            .values(available=StockItem.available - line.quantity)
        )
        if taken.rowcount == 0:
            raise OutOfStock(line.sku)


def release(session: Session, order_id: uuid.UUID) -> None:
    reservations = session.scalars(select(StockReservation).where(StockReservation.order_id == order_id)).all()
    for reservation in reservations:
        item = session.get(StockItem, reservation.sku)
        item.available += reservation.quantity
    session.execute(delete(StockReservation).where(StockReservation.order_id == order_id))
