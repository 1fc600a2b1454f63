"""The shop's web application: orders are placed, and a page shows them and the revenue, live.

Serve it with `uvicorn --factory main:create_app`; README.md tells what runs beside it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, cast
from uuid import UUID

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import FileResponse
from fastapi.sse import EventSourceResponse
from fastapi.staticfiles import StaticFiles
from orders import PRICES, Base, Order, OrderPlaced, newest, place
from pace import MinuteCounted, Pace, PaceFollower
from projections import RevenueByCountry
from pydantic import BaseModel, ConfigDict, Field, field_validator
from revenue import Revenue, changes, revenue
from sqlalchemy import make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from mainstem.assembly import registry_for
from mainstem.contrib.asgi import ReadYourWrites
from mainstem.kafka import AsyncKafkaEventStore
from mainstem.postgres import AsyncPostgresEventStore
from mainstem.projection.waiting import AsyncProjectionWaiter

PAGE: Final = Path(__file__).parent / "page"
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self';"
    " img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""The page loads nothing from elsewhere, and runs no script but ours."""


class NewOrder(BaseModel):
    """What a customer sends; they choose the id, so a repeated request is known."""

    id: UUID
    customer: str = Field(min_length=1, max_length=60)
    country: str = Field(min_length=2, max_length=40)
    tea: str
    packs: int = Field(ge=1, le=99)

    @field_validator("tea")
    @classmethod
    def sold_here(cls, tea: str) -> str:
        """Only what has a price."""
        if tea not in PRICES:
            raise ValueError("we do not sell this tea")
        return tea


class ShownOrder(BaseModel):
    """An order in the list."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    customer: str
    country: str
    tea: str
    packs: int
    total: Decimal
    placed_at: datetime


async def opened_session(request: Request) -> AsyncIterator[AsyncSession]:
    """A session for one request."""
    async with request.app.state.new_session() as session:
        yield session


async def opened_store(request: Request) -> AsyncPostgresEventStore:
    """The store of the process."""
    return cast("AsyncPostgresEventStore", request.app.state.store)


async def pace_of_now(request: Request) -> Pace:
    """What this minute has brought in, as the stream counted it."""
    return cast("PaceFollower", request.app.state.pace).now()


Session = Annotated[AsyncSession, Depends(opened_session)]
Store = Annotated[AsyncPostgresEventStore, Depends(opened_store)]
Now = Annotated[Pace, Depends(pace_of_now)]

router = APIRouter()


@router.get("/")
async def page() -> FileResponse:
    """The page, which asks for the rest."""
    return FileResponse(PAGE / "index.html", headers=HEADERS)


@router.get("/prices")
async def prices() -> dict[str, Decimal]:
    """What there is to buy."""
    return PRICES


@router.post("/orders", status_code=201)
async def place_order(new: NewOrder, session: Session, store: Store) -> ShownOrder:
    """Save the order and its event together; the answer carries a token, see `create_app`."""
    order = Order(**new.model_dump())
    try:
        await place(order, session, store)
    except IntegrityError as error:
        raise HTTPException(409, "this order was placed before") from error
    await session.refresh(order)
    return ShownOrder.model_validate(order)


@router.get("/orders")
async def newest_orders(session: Session) -> list[ShownOrder]:
    """The last orders."""
    return [ShownOrder.model_validate(order) for order in await newest(session)]


@router.get("/revenue")
async def revenue_now(session: Session, pace: Now) -> Revenue:
    """The revenue; for a request with a token, that of everything before it."""
    return await revenue(session, pace)


@router.get("/revenue/changes", response_class=EventSourceResponse)
async def revenue_changes(request: Request) -> AsyncIterator[Revenue]:
    """The revenue now, and again whenever it has changed, as server-sent events."""
    state = request.app.state
    async for found in changes(state.new_session, state.pace.now):
        yield found


def create_app() -> FastAPI:
    """The application on the servers that DATABASE_URL and KAFKA_BOOTSTRAP name."""
    database, kafka = os.environ["DATABASE_URL"], os.environ["KAFKA_BOOTSTRAP"]
    engine = create_async_engine(make_url(database).set(drivername="postgresql+asyncpg"))
    store = AsyncPostgresEventStore.open(database, types=[OrderPlaced])
    waiter = AsyncProjectionWaiter(RevenueByCountry, database, kafka)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)  # Alembic, in a real shop.
        with closing(registry_for(database)) as registry:
            opened = AsyncKafkaEventStore.open(
                kafka, registry=registry, types=[MinuteCounted], key_type=str
            )
            async with store, waiter, opened as log:
                app.state.pace = PaceFollower(log)
                following = asyncio.create_task(app.state.pace.follow())
                yield
                following.cancel()
                with suppress(asyncio.CancelledError):
                    await following
        await engine.dispose()

    app = FastAPI(lifespan=lifespan, docs_url=None, redoc_url=None)
    app.state.new_session = async_sessionmaker(engine)
    app.state.store = store
    app.include_router(router)
    app.mount("/page", StaticFiles(directory=PAGE))
    # Whoever sends the token of their order with the next request sees it in the revenue.
    app.add_middleware(ReadYourWrites, store=store, waiter=waiter)
    return app
