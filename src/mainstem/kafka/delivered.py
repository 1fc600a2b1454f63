"""What comes out of Kafka: a partition, and a committed message in it; pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple, TypeAlias

from mainstem.errors import DecodeError
from mainstem.event import Position
from mainstem.kafka.records import DIGITS_MAX, ID, record_of
from mainstem.record import Record

Headers: TypeAlias = list[tuple[str, bytes | None]] | None


class Delivered(NamedTuple):
    """A committed message and its place in the topic."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    headers: Headers

    @property
    def place(self) -> str:
        """`order_events[3]@42`, for people."""
        return f"{self.topic}[{self.partition}]@{self.offset}"

    @property
    def named_id(self) -> str:
        """` (id 42)`, for people, where the headers tell one; else nothing."""
        told = dict(self.headers or ()).get(ID) or b""
        return f" (id {told.decode()})" if told.isdigit() and len(told) <= DIGITS_MAX else ""

    def record(self) -> tuple[Record, int | None, Position | None]:
        """The record, id and position that it carries; DecodeError names its place."""
        try:
            return record_of(self.key, self.value, self.timestamp_ms, self.headers)
        except DecodeError as error:
            raise DecodeError(f"{self.place}: {error.message}") from error


class Place(NamedTuple):
    """A partition of a topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        """`order_events[3]`, for people."""
        return f"{self.topic}[{self.partition}]"


def by_topic(places: Iterable[Place]) -> dict[str, list[int]]:
    """The partitions of each topic, as they come."""
    grouped: dict[str, list[int]] = defaultdict(list)
    for topic, partition in places:
        grouped[topic].append(partition)
    return grouped
