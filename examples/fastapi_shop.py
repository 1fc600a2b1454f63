"""A FastAPI shop on SQLAlchemy: an order and its event are saved in one transaction, or neither.

Create the topic once, `mainstem topic create order_events`, and serve `fastapi_shop:app`.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel
from sqlalchemy import make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mainstem import Dec, Event, event_type
from mainstem.postgres import AsyncPostgresEventStore

DATABASE_URL = os.environ.get("DATABASE_URL", "postgresql://127.0.0.1:5432/shop")

engine = create_async_engine(make_url(DATABASE_URL).set(drivername="postgresql+asyncpg"))
new_session = async_sessionmaker(engine)


class Base(DeclarativeBase):
    """The shop's tables."""


class Order(Base):
    """An order; its events have its id as their key."""

    __tablename__ = "orders"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    customer: Mapped[str]
    total: Mapped[Decimal]


@event_type("com.example.shop")
@dataclass(frozen=True, slots=True, kw_only=True)
class OrderPlaced:
    """Somebody ordered."""

    customer: str
    total: Annotated[Decimal, Dec(12, 2)]


class NewOrder(BaseModel):
    """What a customer sends; they choose the id, so a repeated request is known."""

    id: UUID
    customer: str
    total: Decimal


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One event store for the whole life of the process."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)  # Alembic, in a real shop.
    async with AsyncPostgresEventStore.open(DATABASE_URL, types=[OrderPlaced]) as store:
        app.state.events = store
        yield
    await engine.dispose()


async def opened_session() -> AsyncIterator[AsyncSession]:
    """A session for one request."""
    async with new_session() as session:
        yield session


async def opened_store(request: Request) -> AsyncPostgresEventStore:
    """The store of the process."""
    return cast("AsyncPostgresEventStore", request.app.state.events)


Session = Annotated[AsyncSession, Depends(opened_session)]
Events = Annotated[AsyncPostgresEventStore, Depends(opened_store)]

app = FastAPI(lifespan=lifespan)


@app.post("/orders", status_code=201)
async def place(order: NewOrder, session: Session, events: Events) -> dict[str, UUID]:
    """Save the order and its event together."""
    placed = OrderPlaced(customer=order.customer, total=order.total)
    try:
        async with session.begin():
            session.add(Order(**order.model_dump()))
            await events.save("order_events", Event(order.id, placed), within=session)
    except IntegrityError as error:
        raise HTTPException(409, "this order was placed before") from error
    return {"id": order.id}


@app.get("/orders/{order_id}/events")
async def history(order_id: UUID, events: Events) -> list[str]:
    """What happened to the order, in order."""
    return [
        type(stored.payload).__name__ async for stored in events.read("order_events", key=order_id)
    ]
