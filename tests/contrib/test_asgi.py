"""The ASGI middleware: who wrote over HTTP sees it with the next request, over real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI, HTTPException

from mainstem import Event
from mainstem.contrib.asgi import ReadYourWrites, remember
from mainstem.contrib.read_your_writes import Passage, parsed
from mainstem.errors import ConfigurationError
from mainstem.kafka.settings import KafkaSettings
from mainstem.postgres import AsyncPostgresEventStore
from mainstem.postgres.tokens import Token
from mainstem.projection.waiting import AsyncProjectionWaiter
from mainstem.testing.databases import Databases
from tests.projection.waiting.scene import Happened, Scene

pytestmark = pytest.mark.stack

TIMEOUT_S = 20.0
NEVER = "FFFFFFFF/0"
"""A token that nothing will reach."""


@pytest.fixture(scope="module")
def flowing(mainstem_databases: Databases, kafka: KafkaSettings) -> Iterator[Scene]:
    """Replicator and projector run."""
    with mainstem_databases.one(()) as address, Scene(address, kafka) as scene:
        scene.replicate()
        scene.project()
        yield scene


@pytest.fixture
async def store(flowing: Scene) -> AsyncIterator[AsyncPostgresEventStore]:
    """The shop's store."""
    async with AsyncPostgresEventStore.open(flowing.database_url, types=[Happened]) as store:
        yield store


@pytest.fixture
async def waiter(flowing: Scene) -> AsyncIterator[AsyncProjectionWaiter]:
    """What waits for the shop's projection."""
    async with AsyncProjectionWaiter(
        flowing.projection, flowing.database_url, flowing.kafka, line=flowing.line
    ) as waiter:
        yield waiter


@pytest.fixture
def shop(flowing: Scene, store: AsyncPostgresEventStore) -> FastAPI:
    """Saves events by POST, and shows by GET whether the projection has them."""
    app = FastAPI()

    @app.post("/{key}")
    async def save(key: UUID) -> None:
        await store.save(flowing.topic, Event(key, Happened(1)))

    @app.put("/{key}")
    async def fail(key: UUID) -> None:
        raise HTTPException(409, str(key))

    @app.get("/{key}")
    def show(key: UUID) -> bool:
        return flowing.has_seen(Event(key, Happened(1)))

    @app.get("/saved/{token:path}")
    def remembered(token: str) -> None:
        remember(Token(1))
        remember(Token.parse(token))
        remember(Token(2))

    return app


def visit(app: FastAPI, *entries: Any, **options: Any) -> httpx.AsyncClient:
    """A browser before the application with the middleware."""
    wrapped = ReadYourWrites(app, *entries, **options)
    return httpx.AsyncClient(transport=httpx.ASGITransport(wrapped), base_url="http://shop")


async def test_who_wrote_sees_it_with_the_next_request(
    shop: FastAPI, store: AsyncPostgresEventStore, waiter: AsyncProjectionWaiter
) -> None:
    """Twenty times: POST, and GET with the token that came back."""
    shown = []
    async with visit(shop, store, waiter, timeout_s=TIMEOUT_S) as client:
        for _ in range(20):
            place = f"/{uuid4()}"
            token = (await client.post(place)).headers["Mainstem-Token"]
            shown.append((await client.get(place, headers={"Mainstem-Token": token})).json())

    assert shown == [True] * 20


async def test_a_browser_carries_the_token_in_a_cookie(
    shop: FastAPI, store: AsyncPostgresEventStore, waiter: AsyncProjectionWaiter
) -> None:
    """Its script does nothing: the cookie comes back with the next request."""
    shown = []
    async with visit(shop, store, waiter, timeout_s=TIMEOUT_S, cookie="written") as client:
        for _ in range(5):
            place = f"/{uuid4()}"
            await client.post(place)
            shown.append((await client.get(place)).json())

        assert parsed(client.cookies["written"])
    assert shown == [True] * 5


async def test_who_waits_in_vain_is_served_and_told(
    shop: FastAPI, store: AsyncPostgresEventStore, waiter: AsyncProjectionWaiter
) -> None:
    """A token that is never reached: 200 and stale, or 503 where that is wanted."""
    place, headers = f"/{uuid4()}", {"Mainstem-Token": NEVER}
    async with visit(shop, store, waiter, timeout_s=0.1) as client:
        served = await client.get(place, headers=headers)
        usual = await client.get(place)
    async with visit(shop, store, waiter, timeout_s=0.1, refuses_stale=True) as client:
        refused = await client.get(place, headers=headers)

    assert (served.status_code, served.json(), served.headers["Mainstem-Stale"]) == (
        200,
        False,
        "1",
    )
    assert "Mainstem-Stale" not in usual.headers
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
    assert refused.text.startswith("What you wrote")


async def test_an_answer_carries_a_token_only_where_something_may_be_saved(
    shop: FastAPI, store: AsyncPostgresEventStore, waiter: AsyncProjectionWaiter
) -> None:
    """Neither a GET nor a failure does, unless its handler remembers a token: then the newest."""
    place = f"/{uuid4()}"
    async with visit(shop, store, waiter, header="Written") as client:
        shown, failed = await client.get(place), await client.put(place)
        saved = await client.get("/saved/0/1A2B")

    assert (failed.status_code, "Written" in shown.headers, "Written" in failed.headers) == (
        409,
        False,
        False,
    )
    assert saved.headers["Written"] == "0/1A2B"


async def test_a_write_does_not_fail_for_want_of_a_token(
    flowing: Scene, waiter: AsyncProjectionWaiter
) -> None:
    """The store is closed as the answer begins: it is sent without a token, and says so."""
    app = FastAPI()
    away = AsyncPostgresEventStore.open(flowing.database_url)
    await away.close()

    @app.post("/")
    async def save() -> str:
        return "saved"

    async with visit(app, away, waiter) as client:
        answer = await client.post("/")

    assert (answer.json(), answer.headers["Mainstem-Stale"]) == ("saved", "1")
    assert "Mainstem-Token" not in answer.headers


async def test_what_is_no_http_passes_by(
    store: AsyncPostgresEventStore, waiter: AsyncProjectionWaiter
) -> None:
    """Lifespan and websockets reach the application as they came, with the same two functions."""
    seen: list[object] = []

    async def app(*entries: object) -> None:
        seen.extend(entries)

    async def receive() -> dict[str, Any]:
        return {}

    async def send(message: Any) -> None:
        del message

    scope = {"type": "lifespan"}
    await ReadYourWrites(app, store, waiter)(scope, receive, send)

    assert seen == [scope, receive, send]


async def test_what_is_no_token_is_ignored(
    shop: FastAPI, store: AsyncPostgresEventStore, waiter: AsyncProjectionWaiter
) -> None:
    """A header and cookies of any other text: the request is served as if they were not there."""
    place = f"/{uuid4()}"
    headers = {"Mainstem-Token": "yesterday", "Cookie": "written=0/xyz; \x7f=;;"}
    async with visit(shop, store, waiter, cookie="written") as client:
        answer = await client.get(place, headers=headers)

    assert (answer.status_code, "Mainstem-Stale" in answer.headers) == (200, False)


def test_the_newest_token_counts() -> None:
    """Header and cookie may both be there."""
    passage = Passage(cookie="written")

    assert passage.token_in("0/A0", "other=1; written=0/B0") == Token(0xB0)
    assert passage.token_in("0/C0", "written=0/B0") == Token(0xC0)
    assert passage.token_in(None, None) is None
    with pytest.raises(ConfigurationError):
        Passage(timeout_s=-1)


def test_remembering_outside_of_a_request_does_nothing() -> None:
    """The same code runs in a worker or a script."""
    remember(Token(1))
