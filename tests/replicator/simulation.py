"""A small PostgreSQL and a small Kafka, as far as the line can see them; for its properties.

The slot sends whole transactions from where it was last confirmed; a confirmation may be
forgotten, as a crash of PostgreSQL does. Kafka keeps a batch and its progress together, or neither.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from uuid import UUID

from mainstem.replicator.line import Line, Publish
from mainstem.replicator.progress import Backfill, Progress, TopicState
from mainstem.replicator.settings import Bounds
from mainstem.wal.pgoutput import Begin, Column, Commit, Insert, Message, Relation
from mainstem.wal.protocol import Keepalive
from tests.wal import messages

OID, OTHER_OID = 10, 11
COLUMNS = (
    Column("id", 20),
    Column("key", 2950),
    Column("data", 17),
    Column("metadata", 17),
    Column("timestamp", 1184),
)
START_LSN = 1000
SPACING = 100
TOPIC = "order_events"


@dataclass
class Transaction:
    """A committed transaction: how many rows of ours, and how many of another table."""

    rows: int
    others: int = 0
    commit_lsn: int = 0
    ids: list[int] = field(default_factory=list)

    @property
    def end_lsn(self) -> int:
        """Where the next one may begin."""
        return self.commit_lsn + 40


def numbered(transactions: list[Transaction]) -> list[Transaction]:
    """Give the transactions their LSNs and their rows ids."""
    next_id = 1
    for place, transaction in enumerate(transactions):
        transaction.commit_lsn = START_LSN + place * SPACING
        transaction.ids = list(range(next_id, next_id + transaction.rows))
        next_id += transaction.rows
    return transactions


def inserted(columns: list[bytes | None], oid: int = OID) -> Insert:
    """The insert of a row."""
    return Insert(oid, messages.insert(oid, columns))


def row(stored_id: int) -> list[bytes | None]:
    """A row of the event table in binary form."""
    key = UUID(int=stored_id).bytes
    return [struct.pack(">q", stored_id), key, b"data", None, struct.pack(">q", 0)]


def sent(transactions: list[Transaction], confirmed_lsn: int) -> Iterator[Message | Keepalive]:
    """What the slot sends after a connect."""
    described = False
    for transaction in transactions:
        if transaction.end_lsn <= confirmed_lsn:
            continue
        yield Begin(transaction.commit_lsn, 1)
        if not described:
            yield Relation(OID, "events", TOPIC, COLUMNS)
            yield Relation(OTHER_OID, "public", "users", ())
            described = True
        for _ in range(transaction.others):
            yield inserted([], OTHER_OID)
        for stored_id in transaction.ids:
            yield inserted(row(stored_id))
        yield Commit(transaction.commit_lsn, transaction.end_lsn)
        yield Keepalive(transaction.end_lsn, reply_requested=False)


@dataclass
class World:
    """PostgreSQL's transactions, what the slot remembers, and what Kafka holds."""

    transactions: list[Transaction]
    bounds: Bounds
    progress: Progress = field(
        default_factory=lambda: Progress(
            1,
            1,
            "app",
            "mainstem_main",
            flushed_lsn=START_LSN - 10,
            topics={TOPIC: TopicState(OID, "t", 1, 0)},
        )
    )
    confirmed_lsn: int = 0
    kafka: list[int] = field(default_factory=list)
    positions: list[tuple[int, int]] = field(default_factory=list)

    def live(self, messages: int, *, keeps_confirmation: bool) -> bool:
        """One incarnation that is struck down after so many messages; True if it saw all."""
        line = Line("main", self.progress, self.bounds)
        batch: list[Publish] = []
        for place, message in enumerate(sent(self.transactions, self.confirmed_lsn)):
            if place == messages:
                return False
            action = line.receive(message)
            if isinstance(action, Publish):
                batch.append(action)
            if line.due(dry=False, age_s=0):
                self.commit(line, batch, keeps_confirmation=keeps_confirmation)
        if line.due(dry=True, age_s=0):
            self.commit(line, batch, keeps_confirmation=keeps_confirmation)
        return True

    def commit(self, line: Line, batch: list[Publish], *, keeps_confirmation: bool) -> None:
        """A Kafka transaction: events and progress together, then the confirmation."""
        self.progress = Progress.decode(line.progress().encode())
        self.kafka += [publish.stored_id for publish in batch]
        self.positions += [
            (int(publish.lsn.split(b"/")[1], 16), publish.ordinal) for publish in batch
        ]
        batch.clear()
        line.committed(self.progress)
        if keeps_confirmation:
            self.confirmed_lsn = line.flushed_lsn

    @property
    def expected(self) -> list[int]:
        """Every row, in commit order."""
        return [stored_id for transaction in self.transactions for stored_id in transaction.ids]


def with_backfill(progress: Progress, last_id: int, finished_lsn: int) -> Progress:
    """The same progress after older rows up to `last_id` were carried over."""
    state = replace(
        progress.topics[TOPIC], backfill=Backfill(last_id, last_id, last_id, finished_lsn)
    )
    return progress.with_topic(TOPIC, state)
