"""What the API takes and gives."""

import uuid

from pydantic import BaseModel, Field

from orders.models import Order, OrderStatus


class NewLine(BaseModel):
    sku: str = Field(max_length=32)
    quantity: int = Field(gt=0)
    price_cents: int = Field(ge=0)


class NewOrder(BaseModel):
    cart_id: uuid.UUID
    email: str = Field(max_length=254)
    name: str = Field(max_length=200)
    postcode: str = Field(max_length=12)
    lines: list[NewLine] = Field(min_length=1, max_length=200)

    @property
    def total_cents(self) -> int:
        return sum(line.quantity * line.price_cents for line in self.lines)


class OrderOut(BaseModel):
    id: uuid.UUID
    status: OrderStatus
    total_cents: int

    @classmethod
    def of(cls, order: Order) -> "OrderOut":
        return cls(id=order.id, status=order.status, total_cents=order.total_cents)


class ProviderEvent(BaseModel):
    """An event of the payment provider, as its webhook sends it."""

    id: str
    type: str
    order_id: uuid.UUID
    charge_id: str
    amount_cents: int
