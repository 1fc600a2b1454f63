"""The feed: topics from their beginning, read and decoded in a thread ahead of the database.

No consumer group takes part: a rebuild reads all partitions itself, for it alone writes to the
shadow. The thread is held back by a queue of bounded length.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Final, NamedTuple, Self

from mainstem.kafka.clients import POLL_S
from mainstem.kafka.consumer import TopicReader
from mainstem.kafka.delivered import Place
from mainstem.kafka.settings import KafkaSettings
from mainstem.projection.batch import Arrival
from mainstem.projection.rebuilding.decoding import Decode

PORTIONS_MAX: Final = 32
"""Portions that wait for the database: each of at most 500 events."""
LOOK_S: Final = 0.1


class Portion(NamedTuple):
    """Messages, and where each partition is behind them: one past the last, markers included."""

    arrivals: list[Arrival]
    reached: dict[Place, int]


class Feed:
    """Portions of all topics; a context manager whose thread runs as long as its block.

    What reading raises is raised by whoever asks for portions.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        topics: Sequence[str],
        decode: Decode,
        offsets: Mapping[Place, int],
    ) -> None:
        """Begin each partition at its offset; those that are not there, at the beginning."""
        self._kafka = kafka
        self._topics = topics
        self._decode = decode
        self._offsets = dict(offsets)
        self._queue: queue.Queue[Portion | BaseException] = queue.Queue(PORTIONS_MAX)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="mainstem-feed", daemon=True)

    def __enter__(self) -> Self:
        """Begin to read."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the thread."""
        self._ending.set()
        self._thread.join()

    def portion(self) -> Portion | None:
        """The next one, in the order of each partition; None where none came for a moment."""
        try:
            portion = self._queue.get(timeout=LOOK_S)
        except queue.Empty:
            return None
        if isinstance(portion, BaseException):
            # It stays in the queue's place: who asks again gets it again.
            self._queue.put(portion)
            raise portion
        return portion

    def _run(self) -> None:
        """In the thread: read until the end, or until something fails."""
        try:
            with ExitStack() as stack:
                readers = [stack.enter_context(self._reader(topic)) for topic in self._topics]
                for portion in self._portions(readers):
                    self._put(portion)
        except Exception as error:  # noqa: BLE001  # Raised again where portions are asked for.
            self._put(error)

    def _reader(self, topic: str) -> TopicReader:
        """A reader at the topic's offsets."""
        own = {
            place.partition: offset
            for place, offset in self._offsets.items()
            if place.topic == topic
        }
        return TopicReader(self._kafka, topic, own)

    def _portions(self, readers: Sequence[TopicReader]) -> Iterator[Portion]:
        """Whatever comes, each topic in turn; one that has nothing holds up no other."""
        reached = {reader.topic: dict(reader.reached) for reader in readers}
        idle = 0
        while not self._ending.is_set():
            for reader in readers:
                wait_s = POLL_S / len(readers) if idle >= len(readers) else 0
                arrivals = [self._decode(delivered) for delivered in reader.batch(wait_s)]
                idle = 0 if arrivals else idle + 1
                if arrivals or reader.reached != reached[reader.topic]:
                    reached[reader.topic] = dict(reader.reached)
                    yield Portion(arrivals, placed(reader))

    def _put(self, portion: Portion | BaseException) -> None:
        """Hand it over, unless the end comes first."""
        while not self._ending.is_set():
            try:
                self._queue.put(portion, timeout=LOOK_S)
            except queue.Full:
                continue
            return


def placed(reader: TopicReader) -> dict[Place, int]:
    """Where the partitions of a topic are."""
    return {Place(reader.topic, partition): end for partition, end in reader.reached.items()}


def below(portion: Portion, until: Mapping[Place, int]) -> Portion:
    """The portion without what lies at these offsets or beyond."""
    arrivals = [
        arrival
        for arrival in portion.arrivals
        if arrival.delivered.offset
        < until.get(Place(arrival.delivered.topic, arrival.delivered.partition), 0)
    ]
    reached = {
        place: min(end, until[place]) for place, end in portion.reached.items() if place in until
    }
    return Portion(arrivals, reached)
