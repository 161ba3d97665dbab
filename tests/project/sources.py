"""Made-up models that the tests read, and that the installed frameworks can load too."""

DJANGO = """
from django.db import models
from django.db.models.functions import Lower


class Stamped(models.Model):
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        abstract = True
        unique_together = [("shop", "created")]


class Shop(models.Model):
    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=50)


class Customer(models.Model):
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE)
    email = models.EmailField()
    number = models.CharField(max_length=9, db_column="nr")
    deleted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), "shop", name="one_email"),
            models.UniqueConstraint(fields=["shop", "number"], name="one_number", condition=models.Q(deleted_at__isnull=True)),
        ]


class Order(Stamped):
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE)
    external_id = models.CharField(max_length=50)

    class Meta(Stamped.Meta):
        db_table = "orders"
        indexes = [models.Index(fields=["external_id"])]


class Parcel(Stamped):
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE)


class Invoice(Stamped):
    shop = models.ForeignKey(Shop, on_delete=models.CASCADE)
    order = models.OneToOneField(Order, on_delete=models.CASCADE)

    class Meta:
        unique_together = ("shop", "order")


class Receipt(models.Model):
    code = models.UUIDField(primary_key=True)


class PaperReceipt(Receipt):
    class Meta:
        proxy = True
"""

SQLALCHEMY = """
from typing import Annotated, Optional

from sqlalchemy import Column, ForeignKey, Index, Integer, MetaData, String, Table, UniqueConstraint, func, text
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column, relationship

key = Annotated[int, mapped_column(primary_key=True)]


class Base(DeclarativeBase):
    pass


class Owned:
    owner: Mapped[str] = mapped_column(String(20))

    @declared_attr
    def code(cls):
        return mapped_column(String(9), unique=True)


class Shop(Base):
    __tablename__ = "shops"
    id: Mapped[key]
    slug = Column(String(20), unique=True)
    customers: Mapped[list["Customer"]] = relationship(back_populates="shop")


class Customer(Base):
    __tablename__ = "customers"
    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    email: Mapped[str] = mapped_column()
    number: Mapped[Optional[str]] = mapped_column("nr", String(9))
    deleted_at: Mapped[Optional[int]]
    shop: Mapped[Shop] = relationship(back_populates="customers")
    __table_args__ = (
        UniqueConstraint("shop_id", "nr", name="one_number"),
        Index("one_email", func.lower(email), unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("not_unique", "shop_id"),
        {"comment": "people"},
    )


class Stock(Owned, Base):
    __tablename__ = "stock"
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"), primary_key=True)
    place: Mapped[str] = mapped_column(String(9), primary_key=True)

    @declared_attr.directive
    def __table_args__(cls):
        return (UniqueConstraint(cls.shop_id, cls.owner),)


class Person(Base):
    __tablename__ = "people"
    id: Mapped[key]
    kind: Mapped[str]
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "person"}


class Clerk(Person):
    desk: Mapped[Optional[str]] = mapped_column(String(5), unique=True)
    __mapper_args__ = {"polymorphic_identity": "clerk"}


Index("one_owner", Stock.owner, unique=True)

tags = Table(
    "tags",
    Base.metadata,
    Column("shop_id", ForeignKey("shops.id"), primary_key=True),
    Column("name", String(9), primary_key=True),
    Column("rank", Integer, unique=True),
)
"""

DJANGO_KEYS = {
    "store_shop": {("id",), ("slug",)},
    "store_customer": {("id",), ("email", "shop_id"), ("nr", "shop_id", "partial")},
    "orders": {("id",), ("created", "shop_id")},
    "store_parcel": {("id",), ("created", "shop_id")},
    "store_invoice": {("id",), ("order_id",), ("order_id", "shop_id")},
    "store_receipt": {("code",)},
}

SQLALCHEMY_KEYS = {
    "shops": {("id",), ("slug",)},
    "customers": {("id",), ("nr", "shop_id"), ("email", "partial")},
    "stock": {("place", "shop_id"), ("code",), ("owner", "shop_id"), ("owner",)},
    "people": {("id",), ("desk",)},
    "tags": {("name", "shop_id"), ("rank",)},
}
