"""The FastAPI example over ASGI, on a real PostgreSQL."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType
from uuid import uuid4

import httpx
import psycopg
import pytest

from mainstem.postgres.topics import create_topic
from tests.contrib.django.running import url

pytestmark = pytest.mark.stack
PATH = Path(__file__).parents[2] / "examples" / "fastapi_shop.py"


@pytest.fixture
def shop(fresh_database: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The example, on a database of its own."""
    monkeypatch.setenv("DATABASE_URL", url(fresh_database))
    with psycopg.connect(fresh_database) as connection:
        create_topic(connection, "order_events")
    specification = importlib.util.spec_from_file_location("fastapi_shop", PATH)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, "fastapi_shop", module)
    specification.loader.exec_module(module)
    return module


@pytest.fixture
async def client(shop: ModuleType) -> AsyncIterator[httpx.AsyncClient]:
    """A browser before the running shop."""
    transport = httpx.ASGITransport(shop.app)
    async with (
        shop.app.router.lifespan_context(shop.app),
        httpx.AsyncClient(transport=transport, base_url="http://shop") as client,
    ):
        yield client


async def test_an_order_and_its_event_come_together(client: httpx.AsyncClient) -> None:
    """Aim: commit. Method: place an order over HTTP, ask for its events."""
    order_id = str(uuid4())
    answer = await client.post("/orders", json={"id": order_id, "customer": "Ada", "total": "12.5"})
    events = (await client.get(f"/orders/{order_id}/events")).json()

    assert answer.status_code == 201
    assert events == ["OrderPlaced"]


async def test_an_order_that_fails_leaves_no_event(
    client: httpx.AsyncClient, fresh_database: str
) -> None:
    """Aim: rollback. Method: the same order twice; count rows and events in the tables."""
    order = {"id": str(uuid4()), "customer": "Ada", "total": "12.5"}
    answers = [(await client.post("/orders", json=order)).status_code for _ in range(2)]
    with psycopg.connect(fresh_database) as connection:
        rows = connection.execute(
            "SELECT (SELECT count(*) FROM orders), (SELECT count(*) FROM events.order_events)"
        ).fetchone()

    assert answers == [201, 409]
    assert rows == (1, 1)
