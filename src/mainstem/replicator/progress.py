"""The progress record: where a line is, written to Kafka inside the transaction it speaks of; pure.

Kafka key: the line's name. Value: one JSON object; LSNs as PostgreSQL prints them.
`flushed_lsn`: everything that committed below it is in Kafka, or is none of ours.
`partial`: of the transaction that committed at this LSN, events up to this ordinal are there too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from mainstem.errors import DecodeError
from mainstem.event import Position, format_lsn, parse_lsn
from mainstem.refusals import refusal

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Backfill:
    """Rows older than the line: ids up to `last_id` at the fence, published up to `done_id`."""

    last_id: int
    done_id: int = -(2**63)
    done_rows: int = 0
    finished_lsn: int | None = None
    """WAL position after the last chunk was read; rows that committed later cannot be in it."""

    @property
    def finished(self) -> bool:
        """Whether every row up to `last_id` is in Kafka."""
        return self.finished_lsn is not None


@dataclass(frozen=True, slots=True)
class TopicState:
    """How far a topic is, and the identities that must not change under it."""

    table_oid: int
    topic_id: str
    partitions: int
    fence_lsn: int
    """The stream of the table counts from here; what committed before is the backfill's."""
    member_oid: int = 0
    """Of the table's entry in the publication; changes when it is taken out and put back."""
    backfill: Backfill | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a line is. `flushed_lsn` is None while the line only intends to create its slot."""

    system_id: int
    timeline: int
    database: str
    slot: str
    publication_oid: int = 0
    """Changes when the publication is dropped and created again; 0 in an intent."""
    publication_xmin: int = 0
    """Changes when the publication's options are altered; 0 in an intent."""
    flushed_lsn: int | None = None
    partial: Position | None = None
    topics: Mapping[str, TopicState] = field(default_factory=dict)

    @property
    def is_intent(self) -> bool:
        """Whether the line has not begun yet."""
        return self.flushed_lsn is None

    @property
    def backfilled_rows(self) -> int:
        """How many older rows were carried over, of all topics."""
        return sum(state.backfill.done_rows for state in self.topics.values() if state.backfill)

    def with_topic(self, topic: str, state: TopicState) -> Progress:
        """The same with one topic's state replaced."""
        return replace(self, topics={**self.topics, topic: state})

    def encode(self) -> bytes:
        """The record's value."""
        return json.dumps(
            {
                "format": FORMAT,
                "system_id": str(self.system_id),
                "timeline": self.timeline,
                "database": self.database,
                "slot": self.slot,
                "publication_oid": self.publication_oid,
                "publication_xmin": self.publication_xmin,
                "flushed_lsn": optional_lsn(self.flushed_lsn),
                "partial": str(self.partial) if self.partial else None,
                "topics": {name: topic_json(state) for name, state in self.topics.items()},
            },
            separators=(",", ":"),
        ).encode()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """Read a record's value; Refusal `progress-format` for anything but ours."""
        try:
            fields = json.loads(data)
            if fields["format"] != FORMAT:
                raise refusal("progress-format", f"the progress has format {fields['format']!r}")
            return cls(
                int(fields["system_id"]),
                int(fields["timeline"]),
                str(fields["database"]),
                str(fields["slot"]),
                int(fields["publication_oid"]),
                int(fields["publication_xmin"]),
                lsn_or_none(fields["flushed_lsn"]),
                Position.parse(fields["partial"]) if fields["partial"] else None,
                {name: topic_state(entry) for name, entry in fields["topics"].items()},
            )
        except (
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            RecursionError,
            DecodeError,
        ) as error:
            raise refusal(
                "progress-format",
                f"the progress record of {len(data)} bytes is not of Mainstem's form",
            ) from error


def topic_json(state: TopicState) -> dict[str, Any]:
    """A topic's state as JSON."""
    entry: dict[str, Any] = {
        "table_oid": state.table_oid,
        "topic_id": state.topic_id,
        "partitions": state.partitions,
        "fence_lsn": format_lsn(state.fence_lsn),
        "member_oid": state.member_oid,
    }
    if (backfill := state.backfill) is not None:
        entry["backfill"] = {
            "last_id": backfill.last_id,
            "done_id": backfill.done_id,
            "done_rows": backfill.done_rows,
            "finished_lsn": optional_lsn(backfill.finished_lsn),
        }
    return entry


def topic_state(entry: dict[str, Any]) -> TopicState:
    """A topic's state from JSON."""
    backfill = entry.get("backfill")
    return TopicState(
        int(entry["table_oid"]),
        str(entry["topic_id"]),
        int(entry["partitions"]),
        parse_lsn(entry["fence_lsn"]),
        int(entry["member_oid"]),
        Backfill(
            int(backfill["last_id"]),
            int(backfill["done_id"]),
            int(backfill["done_rows"]),
            lsn_or_none(backfill["finished_lsn"]),
        )
        if backfill
        else None,
    )


def optional_lsn(lsn: int | None) -> str | None:
    """The text of an LSN, or None."""
    return None if lsn is None else format_lsn(lsn)


def lsn_or_none(text: str | None) -> int | None:
    """The LSN of a text, or None."""
    return None if text is None else parse_lsn(text)
