"""Batches: the life of one following, from the slot to its end; both faces run it.

Its steps, in their order: see that the topic is published; make a slot, or a copy of one that
holds the position; read the history, if it was asked for; read the slot until told to stop.
Everything is closed at the end, however it ends, and PostgreSQL drops the slot with the session.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias
from uuid import uuid4

import psycopg

from mainstem.errors import DecodeError, MainstemError, ServerUnavailable
from mainstem.event import Event, Position, StoredEvent
from mainstem.postgres.following import statements
from mainstem.postgres.following.history import history
from mainstem.postgres.following.reading import Reading, Row
from mainstem.postgres.following.session import Session
from mainstem.postgres.following.watch import Watch
from mainstem.record import Record
from mainstem.refusals import refusal
from mainstem.wal import slots
from mainstem.wal.slots import TemporarySlot
from mainstem.wal.stream import ReplicationStream, connection_errors

SENDER_TIMEOUT_S: Final = 30.0
"""PostgreSQL ends a follower, and drops its slot, when it has heard nothing of it for so long."""
IDLE_WAIT_S: Final = 0.1
"""Nothing came for so long: look whether the following is over."""

Unpack: TypeAlias = Callable[[Record, type], Event[Any]]
"""`Wire.unpack`: the event of a record, with its key in the given class."""

Stored: TypeAlias = StoredEvent[Any]
Batches: TypeAlias = Generator[list[Stored], None, None]


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be followed."""

    dsn: str
    topic: str
    after: int | Position | None
    unpack: Unpack
    publication: str = "mainstem"


@dataclass(slots=True)
class Stop:
    """Ends a following from any thread."""

    _asked: threading.Event = field(default_factory=threading.Event)
    _waits: psycopg.Connection[Any] | None = None

    @property
    def asked(self) -> bool:
        """Whether it is to end."""
        return self._asked.is_set()

    def ask(self) -> None:
        """End it soon, even where it waits for other transactions to end."""
        self._asked.set()
        waits = self._waits
        if waits is not None:
            with suppress(psycopg.Error):
                waits.cancel_safe()

    @contextmanager
    def interrupts(self, connection: psycopg.Connection[Any]) -> Iterator[None]:
        """While inside, asking cancels what runs on the connection."""
        self._waits = connection
        try:
            yield
        finally:
            self._waits = None


def batches(request: Request, stop: Stop) -> Batches:
    """The events in batches; an empty one first, when none can be missed any more.

    Raises UnknownTopic, a Refusal by name, ServerUnavailable with the position to go on from,
    and DecodeError; each behind all the events that were read before it.
    """
    last = request.after if isinstance(request.after, Position) else None
    try:
        with ExitStack() as opened:
            for rows in read(request, stop, opened):
                events, failure = unpacked(request, rows)
                if events or not rows:
                    yield events
                last = events[-1].position if events else last
                if failure is not None:
                    raise failure
    except ServerUnavailable as error:
        if stop.asked:
            return
        raise ServerUnavailable(
            f"following {request.topic} broke off: {error.message};"
            f" {f'the last event given was at {last}' if last else 'no position was reached'}",
            hint="go on with follow(after=…): that position, if a slot still holds it, or an id",
        ) from error


def read(request: Request, stop: Stop, opened: ExitStack) -> Iterator[list[Row]]:
    """The rows in batches, an empty one first."""
    after, topic = request.after, request.topic
    session = opened.enter_context(Session(request.dsn, topic, request.publication))
    table, membership = session.table(), session.sound_membership()
    stream = opened.enter_context(connected(request, session))
    slot = made_slot(session, stream, after, stop)
    watch = opened.enter_context(Watch(session, membership, slot.name, stream.backend_pid))
    if slot.snapshot is not None and isinstance(after, int):
        with Session(request.dsn, topic, request.publication) as past:
            for rows in history(past, table, after, slot.snapshot):
                yield rows
                watch.check()
                if stop.asked:
                    return
    else:
        yield []
    stream.start(slot.name, request.publication)
    position = after if isinstance(after, Position) else None
    reading = Reading(topic, table.oid, position, versioned=table.versioned)
    yield from live(stream, watch, session, reading, stop)


def connected(request: Request, session: Session) -> ReplicationStream:
    """The replication connection; Refusal `replication-privilege` where the role has no right."""
    try:
        return ReplicationStream(request.dsn, sender_timeout_s=SENDER_TIMEOUT_S)
    except ServerUnavailable as error:
        # PostgreSQL refuses it during the connect, where libpq passes no SQLSTATE on.
        if not session.ask(statements.MAY_REPLICATE)[0][0]:
            raise refusal("replication-privilege", error.message) from error
        raise


def live(
    stream: ReplicationStream, watch: Watch, session: Session, reading: Reading, stop: Stop
) -> Iterator[list[Row]]:
    """The rows of the slot, as they commit; while the consumer works, the server is answered."""
    unchecked = True
    while not stop.asked:
        try:
            payloads = stream.receive(IDLE_WAIT_S)
        except ServerUnavailable:
            watch.check()
            raise
        rows = reading.take(payloads)
        if unchecked and reading.found_xid is not None:
            session.check_age(reading.found_xid)
            unchecked = False
        if payloads:
            # What was read is ours: PostgreSQL need not keep it, for nobody can read it again.
            stream.confirm(reading.read_lsn)
        if rows:
            with stream.lent():
                yield rows
        reading.check()
        watch.check()


def made_slot(
    session: Session, stream: ReplicationStream, after: int | Position | None, stop: Stop
) -> TemporarySlot:
    """A new slot, or a copy of one that holds the position."""
    name = f"mainstem_follow_{uuid4().hex[:16]}"
    with connection_errors(), stop.interrupts(stream.connection):
        if stop.asked:
            raise ServerUnavailable("the following was closed before it began")
        if isinstance(after, Position):
            return copied_slot(session, stream.connection, after, name)
        exports = after is not None
        return slots.create_temporary_slot(stream.connection, name, exports_snapshot=exports)


def copied_slot(
    session: Session, connection: psycopg.Connection[Any], after: Position, name: str
) -> TemporarySlot:
    """A copy that begins at the position or before; Refusal `position-not-held` without one.

    Between looking and copying a source may move on, so each copy is looked at itself.
    """
    for number, source in enumerate(session.holders(after)):
        try:
            copy = slots.copy_temporary_slot(connection, source, f"{name}_{number}")
        except (psycopg.errors.UndefinedObject, psycopg.errors.ObjectNotInPrerequisiteState):
            continue
        if copy.lsn <= after.lsn:
            return copy
        slots.drop_temporary_slot(connection, copy)
    raise refusal("position-not-held", f"no slot of this database holds {after} any more")


def unpacked(request: Request, rows: Sequence[Row]) -> tuple[list[Stored], MainstemError | None]:
    """The events of the rows, up to the first that cannot be read, and its error."""
    events: list[Stored] = []
    for row in rows:
        try:
            event = request.unpack(row.record, row.key_class)
        except DecodeError as error:
            place = f"event {row.stored_id} of {request.topic} at {row.position}"
            failure = DecodeError(f"{place} cannot be read: {error.message}")
            failure.__cause__ = error
            return events, failure
        except MainstemError as error:
            return events, error
        events.append(stored(request.topic, row, event))
    return events, None


def stored(topic: str, row: Row, event: Event[Any]) -> Stored:
    """The event with the place that is known of it."""
    return StoredEvent(
        event.key,
        event.payload,
        event.timestamp,
        event.metadata,
        topic=topic,
        id=row.stored_id,
        position=row.position,
        version=row.version,
    )
