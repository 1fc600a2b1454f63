"""The field of one application: its topics, its instances, and a verdict over its results."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from confluent_kafka import ConsumerGroupTopicPartitions
from confluent_kafka.admin import AdminClient

from mainstem.event import Event
from mainstem.kafka import KafkaEventStore, KafkaSettings
from mainstem.kafka.consumer import end_offsets, read
from mainstem.wire import Wire
from tests.faults.streams.member import Member, Orders
from tests.faults.streams.programs import Other, Result, Step, Topics, other, registry, step

PARTITIONS = 4
KEYS = 24
DEADLINE_S = 120.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is wrong with the results; all zeros is right."""

    results: int
    doubled: int
    missing: int
    wrong: int

    @property
    def right(self) -> bool:
        """Whether nothing is."""
        return not (self.doubled or self.missing or self.wrong)


class Field:
    """Topics of the test's own, and instances that are killed at its end."""

    def __init__(self, kafka: KafkaSettings, kind: str, folder: Path) -> None:
        """Create the topics."""
        name = f"s{uuid.uuid4().hex[:10]}"
        self.kafka, self.kind, self._folder = kafka, kind, folder
        self.topics = Topics(name, f"{name}_steps", f"{name}_others", f"{name}_results")
        self._registry = registry()
        self._admin = AdminClient(kafka.config())
        self._sources = {self.topics.steps}
        self._wire = Wire(self._registry, [Result])
        self._given: Counter[str] = Counter()
        self._states = 0
        self.members: list[Member] = []
        self._opened = KafkaEventStore.open(
            kafka, registry=self._registry, types=[Step, Other], key_type=str
        )

    def __enter__(self) -> Self:
        """Open what feeds it."""
        self._log = self._opened.__enter__()
        for topic in (self.topics.steps, self.topics.others, self.topics.results):
            self._log.create_topic(topic, partitions=PARTITIONS)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Kill what runs."""
        for member in self.members:
            member.kill()
        self._opened.__exit__(kind, error, trace)

    # -- events in

    def feed(self, rounds: int) -> None:
        """So many steps for each key."""
        steps: list[Event[Any]] = []
        others: list[Event[Any]] = []
        for _ in range(rounds):
            for number in range(KEYS):
                key = f"key-{number}"
                self._given[key] += 1
                steps.append(step(key, self._given[key]))
                others.append(other(key, self._given[key]))
        self._log.save_many(self.topics.steps, steps)
        if self.kind == "join":
            self._log.save_many(self.topics.others, others)

    @property
    def fed(self) -> int:
        """Steps in all."""
        return self._given.total()

    # -- instances

    def start(self, instance: str, *, cold: bool = True, **orders: Any) -> Member:
        """Start an instance, cold without any state on disk."""
        self._states += cold
        folder = f"{instance}-{self._states}" if cold else instance
        member = Member(
            Orders(
                bootstrap=self.kafka.bootstrap,
                kind=self.kind,
                topics=self.topics,
                instance=instance,
                state_dir=self._folder / folder,
                **orders,
            )
        )
        self.members.append(member)
        return member

    # -- results out

    def results(self) -> list[tuple[str, Result]]:
        """All committed ones, by the keys they are of."""
        topic = self.topics.results
        found = []
        for batch in read(self.kafka, topic, until=end_offsets(self.kafka, topic)):
            for delivered in batch:
                key = (delivered.key or b"").decode()
                found.append((key, self._wire.payload(delivered.value or b"")))
        return found

    def verdict(self) -> Verdict:
        """Compare the results with what was fed."""
        results = self.results()
        seen = Counter((key.removeprefix("again-"), result.n) for key, result in results)
        wanted = {(key, n + 1) for key, given in self._given.items() for n in range(given)}
        return Verdict(
            results=len(results),
            doubled=sum(times - 1 for times in seen.values()),
            missing=len(wanted - seen.keys()),
            wrong=sum(result.got != result.wanted for _, result in results),
        )

    def wait_until_done(self) -> None:
        """Return once the group has committed all that was fed; TimeoutError."""
        deadline_s = time.monotonic() + DEADLINE_S
        asked = [ConsumerGroupTopicPartitions(self.topics.app)]
        ends = end_offsets(self.kafka, self.topics.steps)
        while True:
            answer = self._admin.list_consumer_group_offsets(asked)[self.topics.app].result(10)
            found = answer.topic_partitions or []
            done = {each.partition: each.offset for each in found if each.topic in self._sources}
            if all(done.get(number, -1) >= end for number, end in ends.items()):
                return
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"the group has done {done} of {ends}")

    def wait_for(self, results: int, meanwhile: Callable[[], None] = lambda: None) -> None:
        """Return once there are so many results; TimeoutError."""
        deadline_s = time.monotonic() + DEADLINE_S
        while (have := len(self.results())) < results:
            meanwhile()
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{have} of {results} results came")
