"""The comparison itself: rows in, messages in, differences out; pure.

Theory of operation. First all rows of a snapshot are added in the order of their ids: 17 bytes are
kept of each (id, half of its fingerprint, whether it was seen). Then messages are added in the
order of their partitions. A message whose id is among the rows is compared with it at once; any
other may belong to a row that committed after the snapshot, so it waits in `pending` until
`settle` brings that row. What is still pending at the end is no row of the table.

A fingerprint is a hash of id, key, data, metadata and timestamp. The sum of all fingerprints is a
hash of the set: it depends on neither order nor partitions, and a doubled message changes it.

Order has three witnesses. Positions, which the replicator wrote, increase strictly in each
partition. Ids increase among the messages of one transaction, since they came from one session's
sequence: that does not rest on anything that the replicator computed. And each key is where the
partitioner puts it, so that all events of a key are in one order at all.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Callable
from hashlib import blake2b
from itertools import islice
from struct import Struct
from typing import NamedTuple

from mainstem.event import Position
from mainstem.metadata_codec import encode_metadata
from mainstem.record import Record
from mainstem.verification.report import EXAMPLES_MAX, NONE, Difference, Differences

FINGERPRINT_BYTES = 16
SET_HASH_MODULUS = 1 << 8 * FINGERPRINT_BYTES
HALF = (1 << 64) - 1
LENGTHS = Struct(">qqQQ")


class Witness(NamedTuple):
    """A message of the topic, as far as it could be read."""

    id: int | None
    partition: int
    offset: int
    record: Record | None = None
    """None where it is no event."""
    position: Position | None = None

    @property
    def difference(self) -> Difference:
        """What a report says of it."""
        return Difference(self.id, self.partition, self.offset)


class Last(NamedTuple):
    """The last event of a partition that tells its place in commit order."""

    position: Position
    id: int


class Comparison:
    """Collects both sides and finds the differences; see the module for how."""

    def __init__(self, home: Callable[[bytes], int]) -> None:
        """`home` gives the partition in which a key belongs."""
        self._home = home
        self._ids = array("q")
        self._halves = array("Q")
        self._seen = bytearray()
        self._pending: dict[int, tuple[int, Witness]] = {}
        self._settled: set[int] = set()
        self._last: dict[int, Last] = {}
        self._found: dict[str, Differences] = {}
        self._table_sum = 0
        self._topic_sum = 0
        self.records = 0
        self.missing_count = 0

    @property
    def rows(self) -> int:
        """How many rows were added or settled."""
        return len(self._ids) + len(self._settled)

    def add_row(self, row_id: int, record: Record | None) -> None:
        """A row of the snapshot, in the order of ids; `record` is None if it is no event."""
        assert not self._ids or row_id > self._ids[-1], "rows arrive in the order of their ids"
        print_ = fingerprint(row_id, record)
        self._ids.append(row_id)
        self._halves.append(print_ & HALF)
        self._seen.append(0)
        self._table_sum = (self._table_sum + print_) % SET_HASH_MODULUS
        self.missing_count += 1

    def add_message(self, witness: Witness) -> None:
        """A message of the topic, in the order of its partition."""
        self.records += 1
        if witness.record is None or witness.id is None:
            self._note("unexpected", witness.difference)
            return
        print_ = fingerprint(witness.id, witness.record)
        self._topic_sum = (self._topic_sum + print_) % SET_HASH_MODULUS
        self._match(witness.id, print_, witness)
        if not self._in_order(witness.id, witness):
            self._note("disordered", witness.difference)

    def pending(self) -> list[int]:
        """Ids of messages whose rows are not among those of the snapshot, ascending."""
        return sorted(self._pending)

    def settle(self, row_id: int, record: Record | None) -> None:
        """The row of a pending id, which committed after the snapshot."""
        expected, witness = self._pending.pop(row_id)
        self._settled.add(row_id)
        print_ = fingerprint(row_id, record)
        self._table_sum = (self._table_sum + print_) % SET_HASH_MODULUS
        if print_ != expected:
            self._note("different", witness.difference)

    def differences(self) -> dict[str, Differences]:
        """Everything found, by kind; whatever is pending now is not in the table."""
        found = dict(self._found)
        for _, witness in self._pending.values():
            found["unexpected"] = found.get("unexpected", NONE).plus(witness.difference)
        found["missing"] = self._missing()
        return found

    def hashes(self) -> tuple[str, str]:
        """The hash of the set of rows and that of the set of messages."""
        return as_text(self._table_sum), as_text(self._topic_sum)

    def _match(self, row_id: int, print_: int, witness: Witness) -> None:
        """Find the row of a message and compare the two."""
        index = bisect_left(self._ids, row_id)
        if index == len(self._ids) or self._ids[index] != row_id:
            if row_id in self._pending:
                self._note("doubled", witness.difference)
            else:
                self._pending[row_id] = (print_, witness._replace(record=None))
            return
        if self._seen[index]:
            self._note("doubled", witness.difference)
        else:
            self._seen[index] = 1
            self.missing_count -= 1
        if self._halves[index] != print_ & HALF:
            self._note("different", witness.difference)

    def _in_order(self, row_id: int, witness: Witness) -> bool:
        """Whether the message lies where commit order and its key put it."""
        assert witness.record is not None, "only events have an order"
        at_home = self._home(witness.record.key) == witness.partition
        if witness.position is None:
            return at_home
        last = self._last.get(witness.partition)
        self._last[witness.partition] = Last(witness.position, row_id)
        if last is None:
            return at_home
        same_transaction = last.position.lsn == witness.position.lsn
        rising = witness.position > last.position and (not same_transaction or row_id > last.id)
        return at_home and rising

    def _missing(self) -> Differences:
        """The rows that no message was seen of."""
        unseen = (self._ids[index] for index, seen in enumerate(self._seen) if not seen)
        first = tuple(Difference(row_id) for row_id in islice(unseen, EXAMPLES_MAX))
        return Differences(self.missing_count, first)

    def _note(self, kind: str, difference: Difference) -> None:
        self._found[kind] = self._found.get(kind, NONE).plus(difference)


def fingerprint(row_id: int, record: Record | None) -> int:
    """A hash of everything that an event is; of a row that is no event, of its id alone."""
    if record is None:
        return digest(b"%d" % row_id)
    # Lengths come first: no two events are the same bytes in a row.
    key, data, metadata, timestamp_ms = record
    lengths = LENGTHS.pack(row_id, timestamp_ms, len(key), len(data))
    entries = encode_metadata(metadata) if metadata else None
    return digest(lengths + key + data + (entries or b""))


def digest(data: bytes) -> int:
    """A fingerprint of the bytes."""
    return int.from_bytes(blake2b(data, digest_size=FINGERPRINT_BYTES).digest())


def as_text(set_hash: int) -> str:
    """The hash of a set in hexadecimal."""
    return f"{set_hash:0{2 * FINGERPRINT_BYTES}x}"
