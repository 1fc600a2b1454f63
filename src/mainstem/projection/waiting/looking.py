"""The looker: asks Kafka and PostgreSQL how far things are, and keeps the marks that were set."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final, Self

from mainstem.errors import ConfigurationError, TableChanged
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import Topics
from mainstem.postgres.drivers.sessions import Session
from mainstem.postgres.plan import Plan, Scope
from mainstem.projection.definition import Definition
from mainstem.projection.waiting.marks import (
    Behind,
    Follower,
    Mark,
    Place,
    Standings,
    last_of,
    standings_of,
)
from mainstem.projection.waiting.statements import original_standings, standings
from mainstem.projection.waiting.tail import ProgressTail
from mainstem.verification.progress import Line

PROGRESS_WAIT_S: Final = 0.005
"""How long news of the replicator are waited for before new waiters are looked at."""
ABSENT_WAIT_S: Final = 0.1
"""As long as the replicator says nothing of the topics at all."""
OFFSETS_PAUSE_MIN_S: Final = 0.003
OFFSETS_PAUSE_MAX_S: Final = 0.1
PATIENCE: Final = 0.1
"""The pause between two looks at the offsets, as a part of how long the waiting lasts already."""
REQUEST_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """Whom to watch, and where."""

    definitions: tuple[Definition, ...]
    database_url: str
    kafka: KafkaSettings
    line: Line

    @property
    def topics(self) -> tuple[str, ...]:
        """Of all projections, each once."""
        return tuple({topic: None for each in self.definitions for topic in each.topics})


class Looker:
    """The connections of one thread, and the marks that were set for those who wait."""

    def __init__(self, settings: WatchSettings) -> None:
        """Connect to nothing yet."""
        self._settings = settings
        self._followers = [
            (
                Follower(each.group, frozenset(each.topics)),
                original_standings(each.offsets, each.group)
                if each.offsets
                else standings(each.group),
            )
            for each in settings.definitions
        ]
        self._tail = ProgressTail(settings.kafka, settings.line, settings.topics)
        self._session = Session(settings.database_url)
        self._topics = Topics(settings.kafka, timeout_s=REQUEST_TIMEOUT_S)
        self._partitions: dict[str, int] = {}
        self._marks: list[Mark] = []
        self._marked_s = 0.0

    @property
    def marked_lsn(self) -> int:
        """Up to where marks are set."""
        return self._marks[-1].lsn if self._marks else 0

    @property
    def pause_s(self) -> float:
        """How long to wait before the offsets are looked at again."""
        if not self._marks:
            return 0.0
        waited_s = time.monotonic() - self._marked_s
        return min(max(OFFSETS_PAUSE_MIN_S, waited_s * PATIENCE), OFFSETS_PAUSE_MAX_S)

    def look_at_replicator(self, wanted: Sequence[int]) -> int:
        """Set a mark where the replicator is past a token that has none; how far it is."""
        unmarked = [lsn for lsn in wanted if lsn > self.marked_lsn]
        if unmarked:
            known = bool(self._tail.published_lsn)
            self._tail.read(PROGRESS_WAIT_S if known else ABSENT_WAIT_S)
            if min(unmarked) <= self._tail.published_lsn:
                # The ends are asked for after that is known.
                self._marks.append(Mark(self._tail.published_lsn, self._lasts()))
                self._marked_s = time.monotonic()
        return self._tail.published_lsn

    def look_at_offsets(self, wanted: Sequence[int]) -> tuple[int, list[Behind]]:
        """Up to where everything is applied, and what the newest mark still waits for."""
        self._forget(wanted)
        if not self._marks:
            return 0, []
        seen = self._session.run(self._standings)
        reached_lsn, behind = 0, list[Behind]()
        while self._marks and not (behind := list(self._marks[0].behind(seen))):
            reached_lsn = self._marks.pop(0).lsn
        return reached_lsn, behind

    def _forget(self, wanted: Sequence[int]) -> None:
        """Drop marks that nobody waits for any more: there are never more than tickets."""
        floor, kept = 0, list[Mark]()
        for mark in self._marks:
            if any(floor < lsn <= mark.lsn for lsn in wanted):
                kept.append(mark)
                floor = mark.lsn
        self._marks = kept

    def _lasts(self) -> dict[Place, int]:
        """The last offset of each partition that matters now."""
        return {
            Place(topic, partition): last_of(*ends)
            for topic in self._settings.topics
            for partition, ends in self._ends(topic).items()
        }

    def _ends(self, topic: str) -> dict[int, tuple[int, int]]:
        """Where each partition ends for who reads committed messages; after that, where it ends."""
        count = self._count(topic)
        visible_ends = self._topics.ends(topic, count, committed=True)
        ends = self._topics.ends(topic, count)
        return {partition: (visible_ends[partition], end) for partition, end in ends.items()}

    def _count(self, topic: str) -> int:
        """How many partitions the topic has; the replicator refuses a change."""
        if topic not in self._partitions:
            self._partitions[topic] = self._topics.shapes([topic])[topic].partitions
        return self._partitions[topic]

    def _standings(self, scope: Scope) -> Plan[dict[Follower, Standings]]:
        """How far each projection is."""
        del scope
        seen = {}
        for follower, statement in self._followers:
            try:
                seen[follower] = standings_of((yield statement))
            except TableChanged as error:
                raise ConfigurationError(
                    f"the database has no table of offsets for {follower.group}",
                    hint="mainstem migrate; and see that the waiter has the projection's database",
                ) from error
        return seen

    def __enter__(self) -> Self:
        """Give the looker itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the servers."""
        with ExitStack() as stack:
            stack.callback(self._session.close)
            stack.callback(self._tail.close)
