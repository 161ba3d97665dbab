"""From a cart to an order."""

import uuid

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from orders.models import Customer, Order, OrderLine
from orders.schemas import NewOrder


async def customer_for(session: AsyncSession, email: str, name: str) -> Customer:
    """The customer with this address, made on the first order."""
    customer = await session.scalar(select(Customer).where(Customer.email == email.lower()))
    if customer is None:
        customer = Customer(email=email.lower(), name=name)
        session.add(customer)
        await session.flush()
    return customer


async def place(session: AsyncSession, customer: Customer, new: NewOrder) -> tuple[Order, bool]:
    """The order of this cart, and whether it is new: a cart that is sent twice is still one order."""
    order_id = await session.scalar(
        insert(Order)
        .values(
            id=uuid.uuid4(),
            cart_id=new.cart_id,
            customer_id=customer.id,
            total_cents=new.total_cents,
            postcode=new.postcode,
        )
        .on_conflict_do_nothing(index_elements=["cart_id"])
        .returning(Order.id)
    )
    if order_id is not None:
        session.add_all(OrderLine(order_id=order_id, **line.model_dump()) for line in new.lines)
        await session.flush()
    order = await session.scalar(select(Order).where(Order.cart_id == new.cart_id))
    return order, order_id is not None
