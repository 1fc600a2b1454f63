"""Transactions: events of several topics that become visible together, or never.

A transaction has a producer with a transactional id. Who begins one with the same id fences every
older producer of it: that one's transaction is aborted, and its commit fails. After a transaction
that went well its producer is kept for the next one of the same id; after any error it is thrown
away, because a late request of it could commit or abort a later transaction (see `producer.py`).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Final, Self, TypeVar
from uuid import uuid4

from confluent_kafka import KafkaError, KafkaException

from mainstem.correlation import carried_all
from mainstem.errors import (
    ConfigurationError,
    MainstemError,
    OutcomeUnknown,
    ServerUnavailable,
)
from mainstem.event import Event, StoredEvent
from mainstem.kafka.failures import failure, kafka_errors
from mainstem.kafka.outlet import READ_FIRST, Outlet, Packing
from mainstem.kafka.producer import ABORT_S, SLICE_S
from mainstem.kafka.settings import KafkaSettings

P = TypeVar("P")

TIMEOUT_S: Final = 30.0
"""How long a transaction may stay open, and how long its beginning or its commit may take."""
IDLE_MAX: Final = 16
"""Producers that are kept for later transactions."""


class Transactors:
    """The transactional producers of one store; threads may share it."""

    def __init__(self, kafka: KafkaSettings, packing: Packing) -> None:
        """Connect when the first transaction begins."""
        self._kafka = kafka
        self._packing = packing
        self._lock = threading.Lock()
        self._idle: dict[str, Outlet] = {}
        self._busy: dict[str, Outlet | None] = {}
        self._derived: list[str] = []
        """Ids of our own making that are free."""

    def begin(self, transactional_id: str | None) -> Work:
        """Begin a transaction; it must be committed or abandoned."""
        with self._lock:
            name = transactional_id or (
                self._derived.pop() if self._derived else f"mainstem-{uuid4()}"
            )
            if name in self._busy:
                raise ConfigurationError(
                    f"a transaction with the id {name!r} is open in this store",
                    hint="take another transactional_id for transactions at the same time",
                )
            outlet = self._idle.pop(name, None)
            self._busy[name] = outlet
        try:
            if outlet is None:
                outlet = self._fenced(name)
            with kafka_errors("beginning a transaction"):
                outlet.producer.begin_transaction()
        except BaseException:
            self._end(name, outlet, derived=transactional_id is None, is_sound=False)
            raise
        return Work(self, name, outlet, derived=transactional_id is None)

    def end(self, work: Work, *, is_sound: bool) -> None:
        """Keep the transaction's producer if it is sound, else throw it away."""
        self._end(work.name, work.outlet, derived=work.derived, is_sound=is_sound)

    def close(self) -> None:
        """Throw the producers away that are idle."""
        with self._lock:
            idle, self._idle = list(self._idle.values()), {}
        for outlet in idle:
            outlet.destroy()

    def _fenced(self, name: str) -> Outlet:
        """A producer of this id; all older ones are fenced."""
        outlet = Outlet(self._kafka, self._packing, name)
        try:
            in_slices(outlet.producer.init_transactions, "fencing older producers")
        except BaseException:
            outlet.destroy()
            raise
        return outlet

    def _end(self, name: str, outlet: Outlet | None, *, derived: bool, is_sound: bool) -> None:
        with self._lock:
            self._busy.pop(name, None)
            keep = is_sound and outlet is not None and len(self._idle) < IDLE_MAX
            if keep and outlet is not None:
                self._idle[name] = outlet
            if derived and keep:
                self._derived.append(name)
        if outlet is not None and not keep:
            outlet.destroy()


class Work:
    """What both faces of a transaction share."""

    def __init__(self, home: Transactors, name: str, outlet: Outlet, *, derived: bool) -> None:
        """It has begun."""
        self._home = home
        self.name = name
        self.outlet = outlet
        self.derived = derived
        self._is_open = True
        self._failed: MainstemError | None = None

    def start(self, topic: str, events: Iterable[Event[P]]) -> Future[list[StoredEvent[Any]]]:
        """Hand events over; they come back as stored, and can be seen after the commit."""
        if not self._is_open:
            raise ConfigurationError("the transaction has ended")
        return self.outlet.start(topic, list(events))

    def failed(self, error: MainstemError) -> None:
        """Remember that a save failed that was sent: the rest is not committed without it."""
        self._failed = self._failed or error

    def commit(self) -> None:
        """Make everything visible; OutcomeUnknown where it cannot be told whether it is.

        A save that failed keeps the others from being committed, also if its error was caught.
        """
        if self._failed is not None:
            self.abandon()
            raise ServerUnavailable(
                f"nothing was saved, for a save of the transaction {self.name} failed:"
                f" {self._failed}",
                hint="begin another transaction",
            ) from self._failed
        try:
            self.outlet.drain(TIMEOUT_S)
        except BaseException:
            self.abandon()
            raise
        self._is_open = False
        try:
            in_slices(self.outlet.producer.commit_transaction, "committing a transaction")
        except BaseException as error:
            self._home.end(self, is_sound=False)
            if not isinstance(error, MainstemError):
                raise
            raise OutcomeUnknown(
                f"the commit of the transaction {self.name} failed: {error.message}",
                hint=f"{READ_FIRST}; if it was fenced, another producer has the same id",
            ) from error
        self._home.end(self, is_sound=not self.outlet.broken)

    def abandon(self) -> None:
        """Give everything up; the producer is thrown away."""
        if not self._is_open:
            return
        self._is_open = False
        with suppress(KafkaException):
            # Consumers need not wait for the time-out then; whatever is late will be fenced.
            self.outlet.producer.abort_transaction(ABORT_S)
        self._home.end(self, is_sound=False)


class Transaction:
    """Saves that become visible together at the end of the block, or never."""

    def __init__(self, home: Transactors, transactional_id: str | None) -> None:
        """Begin at `with`."""
        self._home = home
        self._id = transactional_id
        self._work: Work | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._work = self._home.begin(self._id)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Commit, or give it up for an exception."""
        work = begun(self._work)
        if kind is None:
            work.commit()
        else:
            work.abandon()

    def save(self, topic: str, event: Event[P]) -> StoredEvent[P]:
        """As of the store; visible after the commit."""
        return self.save_many(topic, [event])[0]

    def save_many(self, topic: str, events: Iterable[Event[P]]) -> list[StoredEvent[P]]:
        """As of the store; visible after the commit."""
        work = begun(self._work)
        future = work.start(topic, carried_all(events))
        try:
            return future.result()
        except MainstemError as error:
            work.failed(error)
            raise


class AsyncTransaction:
    """Transaction for asyncio; it waits in threads."""

    def __init__(self, home: Transactors, transactional_id: str | None) -> None:
        """Begin at `async with`."""
        self._home = home
        self._id = transactional_id
        self._work: Work | None = None

    async def __aenter__(self) -> Self:
        """Begin."""
        beginning = asyncio.ensure_future(asyncio.to_thread(self._home.begin, self._id))
        try:
            self._work = await asyncio.shield(beginning)
        except asyncio.CancelledError:
            # The thread goes on; what it has begun must not stay open.
            beginning.add_done_callback(given_up)
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Commit, or give it up for an exception."""
        work = begun(self._work)
        await asyncio.shield(asyncio.to_thread(work.commit if kind is None else work.abandon))

    async def save(self, topic: str, event: Event[P]) -> StoredEvent[P]:
        """As of the store; visible after the commit."""
        return (await self.save_many(topic, [event]))[0]

    async def save_many(self, topic: str, events: Iterable[Event[P]]) -> list[StoredEvent[P]]:
        """As of the store; visible after the commit."""
        work = begun(self._work)
        future = await asyncio.to_thread(work.start, topic, carried_all(events))
        try:
            return await asyncio.wrap_future(future)
        except MainstemError as error:
            work.failed(error)
            raise


def begun(work: Work | None) -> Work:
    """The transaction's work; ConfigurationError outside of its block."""
    if work is None:
        raise ConfigurationError("a transaction begins with its block: `with log.transaction()`")
    return work


def given_up(beginning: asyncio.Future[Work]) -> None:
    """Abandon what was begun for a task that was cancelled."""
    if not beginning.cancelled() and beginning.exception() is None:
        threading.Thread(target=beginning.result().abandon).start()


def in_slices(call: Callable[[float], object], doing: str) -> None:
    """Repeat a call that librdkafka lets resume after a time-out."""
    deadline_s = time.monotonic() + TIMEOUT_S
    while True:
        try:
            call(SLICE_S)
        except KafkaException as error:
            cause: KafkaError = error.args[0]
            if not cause.retriable() or time.monotonic() > deadline_s:
                raise failure(cause, doing) from error
        else:
            return
