"""Orders: the table, the event, and placing one: the row and the event together, or neither."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID

from sqlalchemy import DateTime, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mainstem import Dec, Event, Int32, event_type
from mainstem.postgres import AsyncPostgresEventStore

TOPIC: Final = "order_events"
SHOWN_MAX: Final = 6
PRICES: Final = {
    "Assam": Decimal("7.95"),
    "Darjeeling": Decimal("12.40"),
    "Earl Grey": Decimal("6.85"),
    "Sencha": Decimal("14.10"),
}
"""What the shop sells, by the pack, in euros."""


class Base(DeclarativeBase):
    """The shop's tables."""


class Order(Base):
    """An order; its events have its id as their key."""

    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer: Mapped[str]
    country: Mapped[str]
    tea: Mapped[str]
    packs: Mapped[int]
    total: Mapped[Decimal]
    placed_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=func.now(), index=True
    )


@event_type("com.example.shop")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced:
    """Somebody ordered."""

    country: str
    tea: str
    packs: Int32
    total: Annotated[Decimal, Dec(12, 2)]


async def place(order: Order, session: AsyncSession, store: AsyncPostgresEventStore) -> None:
    """Save the order and its event in one transaction; IntegrityError for an id that is taken."""
    order.total = PRICES[order.tea] * order.packs
    placed = OrderPlaced(country=order.country, tea=order.tea, packs=order.packs, total=order.total)
    async with session.begin():
        session.add(order)
        await store.save(TOPIC, Event(order.id, placed), within=session)


async def newest(session: AsyncSession) -> list[Order]:
    """The last orders, the newest first."""
    query = select(Order).order_by(Order.placed_at.desc()).limit(SHOWN_MAX)
    return list(await session.scalars(query))
