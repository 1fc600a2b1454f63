"""The proof: what the writers were told is saved, against what came back from Kafka. Pure.

The projection's table is held against the event table, whose bytes SQL adds up by itself.
The rest is drawn from the writers' own ledger, not from the event table, so it does not rest on
what `mainstem verify` finds; the demo asks for both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, NamedTuple

from mainstem.demo.revenue import Cell, Sum
from mainstem.event import Key, Position, StoredEvent

ABORTED: Final = "aborted"


class Kill(NamedTuple):
    """One kill -9 of the replicator, and what it hit."""

    killed_pid: int
    successor_pid: int
    at_event: int
    """How many events were in Kafka at that moment."""
    in_flight: int
    """Saved, but not yet in Kafka."""
    open_records: int
    """Records inside a Kafka transaction that was still open."""
    kafka_ends: Mapping[int, int]
    """Partition -> its end, aborted records included, after the process was gone."""
    recovery_s: float
    """From the kill to the successor's first event in Kafka."""


class ProjectionKill(NamedTuple):
    """One kill -9 of the projection, and what it hit."""

    killed_pid: int
    successor_pid: int
    applied: int
    """How many events were in its table at that moment, as committed."""
    outcome: str
    """Of the transaction that it had written in: `aborted` where the kill bit."""
    recovery_s: float
    """From the kill to the successor's first committed batch."""

    @property
    def bit(self) -> bool:
        """Whether it was killed between its first write and its commit."""
        return self.outcome == ABORTED


class Findings(NamedTuple):
    """What a comparison of the ledger with the topic counted."""

    in_kafka: int
    lost: int
    doubled: int
    reordered: int
    altered: int
    """Events whose content differs, and records that nobody saved."""


class TableFindings(NamedTuple):
    """What a comparison of the projection's table with the sums of the event table counted."""

    rows: int
    """Countries and months that the events have."""
    differences: int
    """Rows that are not there, too many, or off by a penny or a line."""
    revenue: Decimal
    """The sum of the projection's table."""
    expected_revenue: Decimal
    """The sum of the event table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """The outcome of a demo."""

    saved: int
    findings: Findings
    kills: int
    bitten: int
    """Kills that left aborted records behind."""
    aborted: int
    """Records of aborted transactions that lie in the topic, hidden from readers."""
    verified: bool
    """Whether `mainstem verify` agrees."""
    table: TableFindings
    projection_kills: int
    projection_bitten: int
    """Kills of the projection that made a transaction of its roll back."""
    seed: int
    saving_s: float
    """From the first save to the last event in Kafka."""
    seconds: float

    @property
    def holds(self) -> bool:
        """Every saved event is in Kafka exactly once, and once in the projection's table."""
        found = self.findings
        broken = found.lost or found.doubled or found.reordered or found.altered
        carried = self.verified and not broken and found.in_kafka == self.saved
        return carried and self.projected

    @property
    def projected(self) -> bool:
        """The projection's table is what the event table adds up to, to the cent."""
        return not self.table.differences

    @property
    def events_per_s(self) -> float:
        """Saved events carried into Kafka per second, the kills' pauses included."""
        return self.saved / self.saving_s if self.saving_s else 0.0

    def as_json(self) -> dict[str, Any]:
        """The proof as the one object that `--json` prints."""
        return {
            "saved": self.saved,
            "in_kafka": self.findings.in_kafka,
            "lost": self.findings.lost,
            "doubled": self.findings.doubled,
            "reordered": self.findings.reordered,
            "altered": self.findings.altered,
            "kills": self.kills,
            "bitten": self.bitten,
            "aborted": self.aborted,
            "projection_kills": self.projection_kills,
            "projection_bitten": self.projection_bitten,
            "projection_rows": self.table.rows,
            "projection_differences": self.table.differences,
            "projection_revenue": str(self.table.revenue),
            "seed": self.seed,
            "events_per_s": round(self.events_per_s),
            "seconds": round(self.seconds, 1),
            "verdict": "pass" if self.holds else "fail",
        }


def compare(ledger: Mapping[int, StoredEvent[Any]], read: Sequence[StoredEvent[Any]]) -> Findings:
    """Hold what Kafka returned against the ledger of acknowledged saves, by id."""
    times = Counter(event.id for event in read)
    return Findings(
        in_kafka=len(read),
        lost=sum(1 for event_id in ledger if event_id not in times),
        doubled=len(read) - len(times),
        reordered=reordered(read),
        altered=sum(1 for event in read if altered(ledger.get(event.id), event)),
    )


def compare_tables(projected: Mapping[Cell, Sum], expected: Mapping[Cell, Sum]) -> TableFindings:
    """Hold the projection's table against the sums of the event table, row by row."""
    cells = projected.keys() | expected.keys()
    return TableFindings(
        rows=len(expected),
        differences=sum(1 for cell in cells if projected.get(cell) != expected.get(cell)),
        revenue=sum((entry.revenue for entry in projected.values()), Decimal()),
        expected_revenue=sum((entry.revenue for entry in expected.values()), Decimal()),
    )


def altered(saved: StoredEvent[Any] | None, read: StoredEvent[Any]) -> bool:
    """Whether the event that came back is not the one that was saved."""
    return saved is None or (saved.key, saved.payload, saved.timestamp) != (
        read.key,
        read.payload,
        read.timestamp,
    )


def reordered(read: Iterable[StoredEvent[Any]]) -> int:
    """Events that stand behind a later one in their partition, or behind a later one of their key.

    A key's events are saved by one transaction each, so their ids tell their order too.
    """
    last_position: dict[int | None, Position] = {}
    last_id: dict[Key, int] = {}
    count = 0
    for event in read:
        position = event.position or Position(0, 0)
        early = position < last_position.get(event.partition, Position(0, 0))
        count += early or event.id < last_id.get(event.key, 0)
        last_position[event.partition] = max(position, last_position.get(event.partition, position))
        last_id[event.key] = max(event.id, last_id.get(event.key, 0))
    return count


def bitten(kills: Sequence[Kill], aborted: Mapping[int, Sequence[int]]) -> list[int]:
    """How many aborted records each kill left, by partition and offset of all aborted records."""
    counts = [0] * len(kills)
    for partition, offsets in aborted.items():
        for offset in offsets:
            index = first_after(kills, partition, offset)
            if index is not None:
                counts[index] += 1
    return counts


def first_after(kills: Sequence[Kill], partition: int, offset: int) -> int | None:
    """Index of the first kill after this record was written; None if it came after them all."""
    for index, kill in enumerate(kills):
        if offset < kill.kafka_ends.get(partition, 0):
            return index
    return None
