"""Reading: the messages of a slot -> the rows of one topic, each with its position; pure.

It drops what lies up to the position that was asked for, and sees that this position is really
in the stream: one of another server, or one that nothing holds any more, never passes silently.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from decimal import Decimal
from types import MappingProxyType
from typing import Final, NamedTuple
from uuid import UUID

from mainstem.errors import DecodeError, MainstemError
from mainstem.event import Position, format_lsn
from mainstem.postgres import naming
from mainstem.record import Record
from mainstem.refusals import refusal
from mainstem.wal.pgoutput import (
    Begin,
    Column,
    Commit,
    Insert,
    Relation,
    Unpublished,
    columns_of,
    decode,
)
from mainstem.wal.protocol import Keepalive, unframe
from mainstem.wal.rows import INT8, INT8_OID, RowLayout, layout_of

KEY_CLASSES: Final = MappingProxyType({
    2950: UUID, 25: str, 1043: str, 17: bytes, 21: int, 23: int, 20: int, 16: bool, 1700: Decimal,
})  # fmt: skip
"""What a key column's type, by its oid, is in Python."""


class Row(NamedTuple):
    """A row of the topic's table, with what is known of its place."""

    stored_id: int
    record: Record
    key_class: type
    version: int | None
    position: Position | None


class Layout(NamedTuple):
    """How to read a row of the topic's table."""

    rows: RowLayout
    key_class: type
    version_at: int | None

    def inserted(self, body: bytes, position: Position) -> Row:
        """The row of an insert's message."""
        if self.version_at is not None:
            return self.row(columns_of(body), position)
        return Row(*self.rows.inserted(body), self.key_class, None, position)

    def row(self, columns: list[bytes | None], position: Position | None = None) -> Row:
        """The row with these columns."""
        stored_id, record = self.rows.record(columns)
        at = self.version_at
        encoded = None if at is None else columns[at]
        version = unpacked(INT8, encoded) if encoded is not None else None
        return Row(stored_id, record, self.key_class, version, position)


class Reading:
    """Takes the payloads of one slot, and remembers how far it came."""

    def __init__(
        self, topic: str, table_oid: int, after: Position | None, *, versioned: bool = False
    ) -> None:
        """Give the topic's rows behind `after`, or all of them."""
        self._topic = topic
        self._table_oid = table_oid
        self._after = after
        self._versioned = versioned
        self._failure: MainstemError | None = None
        self._begun = Begin(0, 0)
        self._inside = False
        self._ordinal = 0
        self._layouts: dict[int, Layout | None] = {}
        self.read_lsn = 0
        """Everything that committed below it was taken."""
        self.asked = False
        """Whether the server waits for an answer; who answers sets it back."""
        self.found_xid: int | None = None
        """The transaction of the position that was asked for, once it came by."""

    def take(self, payloads: Iterable[bytes]) -> list[Row]:
        """The rows of the topic in these payloads.

        Raises a Refusal where going on could lose or double an event; rows that came before are
        given first, and the next call, or `check`, raises.
        """
        self.check()
        rows: list[Row] = []
        try:
            for payload in payloads:
                self._take(payload, rows)
        except DecodeError as error:
            self._failure = refusal("stream-malformed", error.message)
            self._failure.__cause__ = error
        except MainstemError as error:
            self._failure = error
        if not rows:
            self.check()
        return rows

    def check(self) -> None:
        """Raise what came behind the rows that were given."""
        if self._failure is not None:
            raise self._failure

    def _take(self, payload: bytes, rows: list[Row]) -> None:
        """One payload; a row of the topic is added to the rows."""
        framed = unframe(payload)
        message = decode(framed) if isinstance(framed, bytes) else framed
        if isinstance(message, Insert):
            self._insert(message, rows)
        elif isinstance(message, Begin):
            self._begin(message)
        elif isinstance(message, Commit):
            self._inside = False
            self.read_lsn = message.end_lsn
        elif isinstance(message, Relation):
            self._layouts[message.oid] = self._layout(message)
        elif isinstance(message, Keepalive):
            self._keepalive(message)
        elif isinstance(message, Unpublished):
            raise refusal("publication-altered", f"it publishes changes of kind {message.kind}")

    def _begin(self, message: Begin) -> None:
        """A transaction begins."""
        if message.commit_lsn <= self._begun.commit_lsn:
            raise refusal(
                "order-broken",
                f"a transaction at {format_lsn(message.commit_lsn)} came after"
                f" {format_lsn(self._begun.commit_lsn)}",
            )
        if self._after is not None and self.found_xid is None:
            self._expect(message.commit_lsn <= self._after.lsn)
        self._begun, self._inside, self._ordinal = message, True, 0

    def _insert(self, message: Insert, rows: list[Row]) -> None:
        """A row; ordinals count those of all topics, as the replicator does."""
        position = Position(self._begun.commit_lsn, self._ordinal)
        self._ordinal += 1
        if not self._inside or message.oid not in self._layouts:
            raise refusal("stream-malformed", f"a row of table {message.oid} arrived out of place")
        layout = self._layouts[message.oid]
        if self._after is not None and position <= self._after:
            if position == self._after:
                self._expect(layout is not None)
                self.found_xid = self._begun.xid
        elif layout is not None:
            rows.append(layout.inserted(message.body, position))

    def _keepalive(self, message: Keepalive) -> None:
        """Everything that committed before its LSN was sent, if no transaction is under way."""
        self.asked = self.asked or message.reply_requested
        if self._inside:
            return
        if self._after is not None and self.found_xid is None:
            self._expect(message.wal_end <= self._after.lsn)
        self.read_lsn = max(self.read_lsn, message.wal_end)

    def _expect(self, still_possible: bool) -> None:  # noqa: FBT001 - an assertion with a name
        """The position that was asked for is there, or can still come."""
        if not still_possible:
            raise refusal(
                "position-not-held", f"there is no event of {self._topic} at {self._after}"
            )

    def _layout(self, relation: Relation) -> Layout | None:
        """How to read the table's rows; None for tables of other topics."""
        ours = (naming.EVENT_SCHEMA, self._topic)
        if relation.oid == self._table_oid:
            if (relation.schema, relation.name) != ours:
                raise refusal("table-renamed", f"events.{self._topic} is now {relation.name}")
            return layout(self._topic, relation.columns, versioned=self._versioned)
        if (relation.schema, relation.name) == ours:
            raise refusal("table-replaced", f"events.{self._topic} was created again")
        return None


def layout(topic: str, columns: Iterable[Column], *, versioned: bool) -> Layout:
    """How to read rows of these columns; Refusal `table-shape` where they hold no events.

    A `version` in a table that is not `versioned` is its owner's own.
    """
    columns = list(columns)
    places = {(column.name, column.type_oid): at for at, column in enumerate(columns)}
    rows = layout_of(f"events.{topic}", columns)
    key_class = KEY_CLASSES[columns[rows.key].type_oid]
    version_at = places.get(("version", INT8_OID)) if versioned else None
    return Layout(rows, key_class, version_at)


def unpacked(number: struct.Struct, encoded: bytes) -> int:
    """The integer in these bytes."""
    return int(number.unpack(encoded)[0])
