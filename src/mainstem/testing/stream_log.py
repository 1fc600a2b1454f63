"""What a StreamDriver has in the place of Kafka: a log in memory, and an engine over it."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from typing import Any, ClassVar

from confluent_kafka import TopicPartition
from quixstreams.models import TopicConfig

from mainstem.kafka.delivered import Delivered
from mainstem.kafka.partitioner import home_partition
from mainstem.streams.engine import Composed, Engine
from mainstem.streams.engine_topics import EngineTopics


class Log:
    """Topics, each a list of messages; what was not committed can be taken back."""

    def __init__(self, partitions: int) -> None:
        """Every topic has so many partitions."""
        self.partitions = partitions
        self._messages: dict[str, list[Delivered]] = defaultdict(list)
        self._sizes: dict[tuple[str, int], int] = defaultdict(int)
        self._open: list[Delivered] = []
        self._queue: list[Delivered] = []
        self._read: list[Delivered] = []
        self.followed: set[str] = set()
        """Topics that the engine reads."""

    def append(
        self, topic: str, key: bytes, value: bytes | None, timestamp_ms: int, headers: Any
    ) -> None:
        """Add a committed message."""
        self._settle(self._placed(topic, key, value, timestamp_ms, headers))

    def write(
        self, topic: str, key: bytes, value: bytes | None, timestamp_ms: int, headers: Any
    ) -> None:
        """Add a message to the open transaction."""
        self._open.append(self._placed(topic, key, value, timestamp_ms, headers))

    def commit(self) -> None:
        """What was read is done, and what was written is there."""
        self._read.clear()
        written, self._open = self._open, []
        for message in written:
            self._settle(message)

    def abort(self) -> None:
        """What was read comes by again, and what was written was never there."""
        self._open.clear()

    def rewind(self) -> None:
        """Read again what was read since the last commit."""
        self._queue = [*self._read, *self._queue]
        self._read.clear()

    def next(self) -> Delivered | None:
        """The next message that the engine reads."""
        if not self._queue:
            return None
        message = self._queue.pop(0)
        self._read.append(message)
        return message

    def waiting(self) -> bool:
        """Whether there is a message to be read."""
        return bool(self._queue)

    def committed(self, topic: str) -> list[Delivered]:
        """All messages of a topic."""
        return self._messages[topic]

    def _placed(
        self, topic: str, key: bytes, value: bytes | None, timestamp_ms: int, headers: Any
    ) -> Delivered:
        partition = home_partition(key, self.partitions)
        offset = self._sizes[topic, partition]
        self._sizes[topic, partition] += 1
        return Delivered(topic, partition, offset, key, value, timestamp_ms, headers or None)

    def _settle(self, message: Delivered) -> None:
        self._messages[message.topic].append(message)
        if message.topic in self.followed:
            self._queue.append(message)


class Message:
    """A message as the client gives it."""

    def __init__(self, delivered: Delivered) -> None:
        """Of this one."""
        self._delivered = delivered

    def topic(self) -> str:
        """Its topic."""
        return self._delivered.topic

    def partition(self) -> int:
        """Its partition."""
        return self._delivered.partition

    def offset(self) -> int:
        """Its offset."""
        return self._delivered.offset

    def key(self) -> bytes | None:
        """Its key."""
        return self._delivered.key

    def value(self) -> bytes | None:
        """Its value."""
        return self._delivered.value

    def timestamp(self) -> tuple[int, int]:
        """Its time, which its writer gave."""
        return 1, self._delivered.timestamp_ms

    def headers(self) -> Any:
        """Its headers."""
        return self._delivered.headers

    def error(self) -> None:
        """None: it is one."""


class Nothing:
    """Whatever else the engine asks of a client: nothing happens."""

    def __getattr__(self, name: str) -> Any:
        """A method that does nothing."""
        return lambda *_, **__: None


class LogConsumer(Nothing):
    """The engine's consumer, over the log."""

    def __init__(self, log: Log) -> None:
        """Read this log."""
        self._log = log
        self._buffer = Nothing()

    def poll(self, timeout: float | None = None) -> Message | None:
        """The next message."""
        del timeout
        found = self._log.next()
        return None if found is None else Message(found)

    _poll_buffered = poll

    def assignment(self) -> list[TopicPartition]:
        """None that could be sought in: the log goes back by itself."""
        self._log.rewind()
        return []

    def committed(self, partitions: list[TopicPartition], timeout: float = 0) -> list[Any]:
        """None."""
        del partitions, timeout
        return []


class LogProducer(Nothing):
    """The engine's producer, over the log, and the client inside it."""

    offsets: ClassVar[dict[Any, int]] = {}

    def __init__(self, log: Log) -> None:
        """Write to this log."""
        self._log = log

    @property
    def _producer(self) -> LogProducer:
        return self

    def produce(
        self, topic: str, value: bytes | None, key: bytes, timestamp: int, headers: Any
    ) -> None:
        """Write a message."""
        self._log.write(topic, key, value, timestamp, headers)

    def produce_row(self, row: Any, topic: Any, key: Any, timestamp: int) -> None:
        """Write a message of the engine's own."""
        message = topic.row_serialize(row=row, key=key)
        self._log.write(topic.name, message.key, message.value, timestamp, row.headers)

    def flush(self, timeout: float | None = None) -> int:
        """All is there."""
        del timeout
        return 0

    def commit_transaction(self, *_: object, **__: object) -> None:
        """What was written is there."""
        self._log.commit()

    def abort_transaction(self, *_: object) -> None:
        """What was written was never there."""
        self._log.abort()


class LogTopics:
    """Our topics, over the log: every one is there."""

    def create(self, name: str, settings: Any, *, partitions: int | None = None) -> bool:
        """It is there."""
        del name, settings, partitions
        return False


class LogAdmin:
    """The engine's admin client, over the log: every topic is there."""

    def __init__(self, partitions: int) -> None:
        """With so many partitions."""
        self._partitions = partitions

    def inspect_topics(self, names: list[str], timeout: float | None = None) -> dict[str, Any]:
        """How topics are."""
        del timeout
        for_ever = {"retention.ms": "-1", "retention.bytes": "-1"}
        return {name: TopicConfig(self._partitions, 1, for_ever) for name in names}


class DriverEngine(Engine):
    """The engine over a log; a subclass says which."""

    driver_log: ClassVar[Log]

    def _configuration(self) -> dict[str, Any]:
        return super()._configuration() | {"use_changelog_topics": False}

    def _reach_topics(self) -> Any:
        return LogTopics()

    def _get_internal_consumer(self, *_: Any, **__: Any) -> Any:
        return LogConsumer(self.driver_log)

    def _get_internal_producer(self, *_: Any, **__: Any) -> Any:
        return LogProducer(self.driver_log)

    def _get_topic_manager(self) -> EngineTopics:
        admin: Any = LogAdmin(self.driver_log.partitions)
        topics: Any = LogTopics()
        return EngineTopics(admin, self.app, topics)

    @property
    def current(self) -> Any:
        """What stands for the message at hand."""
        return self._current

    def open_by_hand(self, stack: ExitStack, partitions: int) -> Composed:
        """Open the stores of all partitions, as an assignment would, until the stack ends."""
        book = self._dataframe_registry
        self.driver_log.followed.update(topic.name for topic in book.consumer_topics)
        stack.enter_context(self._state_manager)
        for topic in book.consumer_topics:
            for stream_id in book.get_stream_ids(topic.name):
                for number in range(partitions):
                    self._state_manager.on_partition_assign(
                        stream_id=stream_id, partition=number, committed_offsets={}
                    )
        composed: Composed = book.compose_all()
        self._processing_context.init_checkpoint()
        self.joined = True
        return composed

    def step(self, composed: Composed) -> None:
        """Process what waits, and commit it."""
        self._process_message(composed)
        self._processing_context.commit_checkpoint(force=True)
