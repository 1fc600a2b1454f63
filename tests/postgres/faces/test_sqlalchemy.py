"""SQLAlchemy: states of Sessions and Connections that a save within meets, beside the contract."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, NullPool, create_engine, exc
from sqlalchemy.ext.asyncio import (
    AsyncConnection,
    async_scoped_session,
    async_sessionmaker,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker
from sqlalchemy.orm import scoped_session as scoped

from mainstem.errors import ConnectionMisused, ServerUnavailable
from tests.postgres.conftest import count
from tests.postgres.faces.alchemy import (
    Alchemy,
    AlchemyAsyncpg,
    AlchemyAsyncpgConnection,
    AlchemyConnection,
    AsyncAlchemy,
    url,
)
from tests.postgres.faces.callers import Address, Stores
from tests.postgres.payloads import noted

Connection = psycopg.Connection[Any]

KINDS = [Alchemy, AlchemyConnection, AsyncAlchemy, AlchemyAsyncpg, AlchemyAsyncpgConnection]


class Base(DeclarativeBase):
    """The tables of these tests."""


class Thing(Base):
    """A row of the application's own."""

    __tablename__ = "things"

    number: Mapped[int] = mapped_column(primary_key=True)


@pytest.fixture
def engine(address: Address) -> Engine:
    """An engine on psycopg that keeps no connection."""
    return create_engine(url(address, "psycopg"), poolclass=NullPool)


def test_a_row_and_its_event_are_one_transaction(
    stores: Stores, engine: Engine, new_topic: str, observer: Connection
) -> None:
    """Aim: the page of every reader. Method: session.begin with an object, once by an error."""
    Base.metadata.create_all(engine)
    with Session(engine) as session, session.begin():
        session.add(Thing(number=1))
        stores.sync.save(new_topic, noted(), within=session)
    with Session(engine) as session:
        stores.sync.save(new_topic, noted(), within=session)
        session.add(Thing(number=1))
        with pytest.raises(exc.IntegrityError):
            session.commit()
    things = observer.execute("SELECT number FROM things").fetchall()
    Base.metadata.drop_all(engine)

    assert things == [(1,)]
    assert count(observer, new_topic) == 1


def test_a_session_after_a_failed_flush_is_refused_until_it_rolls_back(
    stores: Stores, engine: Engine, new_topic: str, observer: Connection
) -> None:
    """Aim: the inactive state. Method: flush the row of a table that does not exist."""
    with Session(engine) as session:
        session.add(Thing(number=1))
        with pytest.raises(exc.ProgrammingError):
            session.flush()
        with pytest.raises(ConnectionMisused, match="has failed"):
            stores.sync.save(new_topic, noted(), within=session)
        session.rollback()
        stores.sync.save(new_topic, noted(), within=session)
        session.commit()

    assert count(observer, new_topic) == 1


def test_a_session_without_an_engine_is_told(stores: Stores, new_topic: str) -> None:
    """Aim: a remedy. Method: a Session that has no bind."""
    with Session() as session, pytest.raises(ConnectionMisused, match="which engine") as caught:
        stores.sync.save(new_topic, noted(), within=session)

    assert "session.connection" in caught.value.hint


def test_another_driver_is_told_which_one_works(stores: Stores, new_topic: str) -> None:
    """Aim: drivers that are no psycopg 3. Method: an engine on SQLite."""
    engine = create_engine("sqlite://")
    with (
        Session(engine) as session,
        pytest.raises(ConnectionMisused, match="sqlite3") as caught,
    ):
        stores.sync.save(new_topic, noted(), within=session)
    engine.dispose()

    assert "postgresql+psycopg" in caught.value.hint


@pytest.mark.parametrize("kind", [AsyncAlchemy, AlchemyAsyncpg], ids=lambda kind: kind.__name__)
async def test_a_synchronous_session_over_asyncio_is_refused(
    kind: type[Alchemy], stores: Stores, address: Address, new_topic: str
) -> None:
    """Aim: run_sync is no way round. Method: save by the synchronous face inside it."""

    def save(session: Session) -> None:
        stores.sync.save(new_topic, noted(), within=session)

    async with kind(stores, address) as caller:
        with pytest.raises(ConnectionMisused, match="SQLAlchemy works on"):
            await caller.within.run_sync(save)


def test_a_scoped_session_stands_for_its_session(
    stores: Stores, engine: Engine, new_topic: str, observer: Connection
) -> None:
    """Aim: proxies. Method: save within scoped_session, commit by it."""
    session = scoped(sessionmaker(engine))
    stores.sync.save(new_topic, noted(), within=session)
    session.commit()
    session.remove()

    assert count(observer, new_topic) == 1


async def test_an_async_scoped_session_stands_for_its_session(
    stores: Stores, address: Address, new_topic: str, observer: Connection
) -> None:
    """Aim: proxies. Method: save within async_scoped_session, commit by it."""
    async with AlchemyAsyncpg(stores, address) as caller:
        session = async_scoped_session(async_sessionmaker(caller.engine), scopefunc=lambda: 1)
        await stores.asynchronous.save(new_topic, noted(), within=session)
        await session.commit()
        await session.remove()

    assert count(observer, new_topic) == 1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_what_broke_can_be_rolled_back_and_used_again(
    kind: type[Alchemy], stores: Stores, address: Address, new_topic: str, observer: Connection
) -> None:
    """Aim: SQLAlchemy is told of a dead connection. Method: end it, save, roll back, save."""
    async with kind(stores, address) as caller:
        await caller.save(new_topic, noted())
        backend = await caller.scalar("SELECT pg_backend_pid()")
        observer.execute("SELECT pg_terminate_backend(%s, 5000)", (backend,))
        with pytest.raises(ServerUnavailable):
            await caller.save(new_topic, noted())
        await caller.rollback()
        await caller.save(new_topic, noted())
        await caller.commit()

    assert count(observer, new_topic) == 1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_a_savepoint_may_come_before_anything_else(
    kind: type[Alchemy], stores: Stores, address: Address, new_topic: str, observer: Connection
) -> None:
    """Aim: SQLAlchemy's lazy BEGIN. Method: begin_nested first, saves inside and after."""
    async with kind(stores, address) as caller:
        await caller.save_and_undo(new_topic)
        await caller.save(new_topic, noted())
        await caller.commit()

    assert count(observer, new_topic) == 1


async def test_a_connection_that_was_not_started_is_told(
    stores: Stores, address: Address, new_topic: str
) -> None:
    """Aim: a forgotten await. Method: an AsyncConnection that nobody entered."""
    async with AsyncAlchemy(stores, address) as caller:
        connection: AsyncConnection = caller.engine.connect()
        with pytest.raises(ConnectionMisused, match="not started"):
            await stores.asynchronous.save(new_topic, noted(), within=connection)


@pytest.mark.parametrize("kind", [Alchemy, AsyncAlchemy, AlchemyAsyncpg])
async def test_a_server_that_is_away_is_told(
    kind: type[Alchemy], stores: Stores, address: Address, new_topic: str
) -> None:
    """Aim: connecting happens inside the save. Method: an engine to a port that nobody has."""
    async with kind(stores, address._replace(port=1)) as caller:
        with pytest.raises(ServerUnavailable, match="is away"):
            await caller.save(new_topic, noted())
