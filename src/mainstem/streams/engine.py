"""Engine: Quix Streams, with what users must not get wrong fixed; the only file that drives it.

This, `engine_parts`, `engine_topics`, `guard`, `branching` and `joins` touch names which the
engine keeps to itself; tests/streams/test_engine_names.py lists them, and fails when an upgrade
moves one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from confluent_kafka import OFFSET_BEGINNING, KafkaException
from quixstreams import Application
from quixstreams.context import set_message_context
from quixstreams.dataframe import StreamingDataFrame
from quixstreams.kafka.consumer import raise_for_msg_error
from quixstreams.models.topics import TopicAdmin
from quixstreams.state.rocksdb import RocksDBOptions

from mainstem.errors import DecodeError
from mainstem.event import Event
from mainstem.kafka.delivered import Delivered
from mainstem.kafka.topics import EVENT_TOPIC, Topics
from mainstem.streams.branching import share_events
from mainstem.streams.engine_parts import By, Codec, Current, Raw
from mainstem.streams.engine_topics import EngineTopics
from mainstem.streams.guard import guard
from mainstem.streams.keeping import drop_stale
from mainstem.streams.policy import Policy
from mainstem.streams.reporting import Counters
from mainstem.streams.settings import POLL_S, StreamSettings
from mainstem.streams.source import (
    PASSED_OVER,
    EventSource,
    RepartitionSource,
    Source,
    key_of_text,
    key_text,
    original,
)
from mainstem.streams.trouble import Outcome, Trouble

Composed: TypeAlias = Mapping[str, Callable[[Any, str, int, Any], None]]

COMMITTED_S: Final = 30.0
BURST_S: Final = 0.02
"""Time of the messages between two looks at commits, the clock and servers."""
QUEUE_FULL_S: Final = 1.0
FLUSH_S: Final = 10.0


def deny(*_: object) -> bool:
    """Suppress no error."""
    return False


class Engine(Application):
    """One instance of an application; build its streams, then `run` it once."""

    def __init__(self, app: str, settings: StreamSettings, codec: Codec, policy: Policy) -> None:
        """Set the clients up; they connect at the first call."""
        self.app = app
        self.settings = settings
        self.codec = codec
        self.counters = Counters()
        self.own_topics = self._reach_topics()
        self.sources: dict[str, Source] = {}
        self.wire: Any = None
        """That of the sources' payloads; there is one for all."""
        self.roots: dict[str, StreamingDataFrame] = {}
        self.outputs: set[str] = set()
        self.processed: dict[tuple[str, int], int] = {}
        """The offset behind the last message of each partition that was processed."""
        self.assigned: set[tuple[str, int]] = set()
        """Its partitions, those of changelogs not counted."""
        self.idle = False
        """Whether nothing was there when it last looked for messages."""
        self.failed_by: Exception | None = None
        """What a message ended it by."""
        self.joined = False
        """Whether the group has given it partitions, or none."""
        self.at_work = False
        """Whether its state is restored, so that it processes."""
        self.on_loop: Callable[[], None] = lambda: None
        """Called again and again between messages, by the engine's thread."""
        self._current = Current()
        self._write: Any = None
        share_events()
        super().__init__(**self._configuration())
        self.trouble = Trouble(self, policy)

    def _configuration(self) -> dict[str, Any]:
        """What the engine is told."""
        settings = self.settings
        return {
            "broker_address": settings.kafka.bootstrap,
            "consumer_group": self.app,
            "processing_guarantee": "exactly-once",
            # Where offsets are lost nobody may guess: founding has set them, and tells if not.
            "auto_offset_reset": "error",
            "auto_recover_from_source_offset_out_of_range": False,
            "commit_interval": settings.commit_interval_s,
            "consumer_poll_timeout": min(POLL_S, settings.commit_interval_s),
            "consumer_extra_config": settings.consumer(self.app),
            "producer_extra_config": settings.producer(self.app),
            "state_dir": settings.state_dir / self.app / settings.instance,
            "rocksdb_options": RocksDBOptions(dumps=self.codec.dumps, loads=self.codec.loads),
            "broker_availability_timeout": settings.unavailable_max_s,
            "loglevel": None,
            # Errors are raised; the engine's own handlers would log them with keys and values.
            **dict.fromkeys(
                ("on_consumer_error", "on_processing_error", "on_producer_error"), deny
            ),
        }

    def _reach_topics(self) -> Topics:
        """The topics of the cluster."""
        return Topics(self.settings.kafka)

    # -- building

    def source(self, topic: str, wire: Any, key_type: type) -> StreamingDataFrame:
        """The stream of a topic's events, one and the same for each call; UnknownTopic."""
        self.wire = wire
        if topic not in self.roots:
            declared = self.topic(topic, value_deserializer=Raw(), key_deserializer=Raw())
            self.roots[topic] = self.dataframe(declared)
            self.sources[topic] = EventSource(wire, key_type)
        return self.roots[topic]

    def partitions(self, frame: StreamingDataFrame) -> int:
        """Of the topics that a stream comes from."""
        return max(topic.broker_config.num_partitions or 1 for topic in frame.topics)

    def group_by(self, frame: StreamingDataFrame, key: Any, name: str) -> StreamingDataFrame:
        """The stream by another key, through a topic of its own unless there is one partition."""
        grouped = frame.group_by(
            key,
            name=name,
            key_serializer=By(key_of_text),
            value_serializer=By(self.codec.dumps),
            key_deserializer=Raw(),
            value_deserializer=Raw(),
        )
        for topic in grouped.topics:
            self.sources.setdefault(topic.name, RepartitionSource(self.codec))
        return grouped

    def output(self, topic: str, partitions: int) -> None:
        """See that a topic for results is there, with as many partitions if it is new."""
        if topic not in self.outputs:
            self.own_topics.create(topic, EVENT_TOPIC, partitions=partitions)
            self.outputs.add(topic)

    def produce(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        timestamp_ms: int,
        headers: Any,
    ) -> None:
        """Write a message in the open transaction."""
        if self._write is None:
            # Without the report of each delivery: what is not delivered fails the transaction.
            self._write = self._producer._producer._producer
        while True:
            try:
                self._write.produce(topic, value, key, timestamp=timestamp_ms, headers=headers)
            except BufferError:
                self._write.poll(QUEUE_FULL_S)
            else:
                break
        self.counters.results += 1

    # -- the engine's own methods

    def _run_dataframe(self, sink: Any = None) -> None:
        """Its loop, in the thread whose message is the current one."""
        set_message_context(self._current)
        super()._run_dataframe(sink)

    def _setup_signal_handlers(self) -> None:
        """Who runs it decides about signals; another thread than the main one may not."""

    def _get_topic_manager(self) -> EngineTopics:
        """Our way to make topics."""
        admin = TopicAdmin(self.settings.kafka.bootstrap, extra_config=self.settings.kafka.config())
        return EngineTopics(admin, self.app, self.own_topics)

    def _get_internal_consumer(self, *args: Any, **options: Any) -> Any:
        """A consumer under guard."""
        consumer = super()._get_internal_consumer(*args, **options)
        guard(consumer, self.own_topics)
        return consumer

    def _get_internal_producer(self, *args: Any, **options: Any) -> Any:
        """A producer whose commits are counted."""
        producer: Any = super()._get_internal_producer(*args, **options)
        commit = producer.commit_transaction

        def counted(*args: Any, **options: Any) -> None:
            commit(*args, **options)
            self.counters.commits += 1
            self.trouble.slowest = (0.0, "")

        producer.commit_transaction = counted
        return producer

    def _on_assign(self, consumer: Any, partitions: list[Any]) -> None:
        """The group gave it partitions, or none."""
        self.joined, self.at_work = True, False
        self.counters.rebalances += 1
        data = self._topic_manager.non_changelog_topics
        for each in partitions:
            if each.topic in data:
                self.assigned.add((each.topic, each.partition))
            else:
                # Changelogs have no committed offsets, and a lost one of others is an error.
                each.offset = OFFSET_BEGINNING
        mine = [each for each in partitions if each.topic in data]
        drop_stale(self.config.state_dir, (each.partition for each in mine), time.time())
        super()._on_assign(consumer, partitions)
        for each in self._consumer.committed(mine, timeout=COMMITTED_S) if mine else []:
            self.processed[each.topic, each.partition] = each.offset

    def _on_revoke(self, consumer: Any, partitions: list[Any]) -> None:
        """Its partitions go to others, what it did with them committed."""
        self.joined = self.at_work = False
        super()._on_revoke(consumer, partitions)
        self._forget(partitions)

    def _on_lost(self, consumer: Any, partitions: list[Any]) -> None:
        """Its partitions were taken; what it did with them since the commit cannot be committed."""
        self.joined = self.at_work = False
        # What it did since the commit is another's by now: the open transaction must not outlive
        # the loss, or it would be committed with the next one.
        self._give_up()
        super()._on_lost(consumer, partitions)
        self._forget(partitions)
        self._processing_context.init_checkpoint()

    def _forget(self, partitions: list[Any]) -> None:
        for each in partitions:
            self.processed.pop((each.topic, each.partition), None)
            self.assigned.discard((each.topic, each.partition))

    def _process_message(self, composed: Composed) -> None:
        """Process the messages that are at hand, for a moment; called by the engine's loop."""
        self.at_work = self.joined
        self.on_loop()
        self._producer.poll(0)
        begun_s = time.perf_counter()
        message = self._next(self.config.consumer_poll_timeout)
        self.idle = message is None
        while message is not None:
            self._take(composed, message)
            # After a rebalance its loop must look whether there is state to be restored.
            if not self.at_work or time.perf_counter() - begun_s > BURST_S:
                break
            message = self._next(0)
        if self.idle:
            return
        self._producer._broker_available()
        self._consumer._broker_available()

    def _next(self, timeout_s: float) -> Any:
        """The next message, the older one first where streams come together; None in a while."""
        if self._dataframe_registry.requires_time_alignment:
            return self._consumer._poll_buffered(timeout_s)
        message = self._consumer.poll(timeout_s)
        return None if message is None else raise_for_msg_error(message)

    def _take(self, composed: Composed, message: Any) -> None:
        """Process a message, and note it as done unless it comes by again."""
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        try:
            outcome = self.trouble.process(composed, message, (topic, partition, offset))
        except Exception as error:
            # Giving the transaction up may fail in consequence, and be raised instead of it.
            self.failed_by = error
            raise
        if outcome is Outcome.REWOUND:
            return
        self._processing_context.store_offset(topic, partition, offset)
        self.processed[topic, partition] = offset + 1
        self.counters.events += 1
        if outcome is Outcome.SET_ASIDE:
            # So that the next one of many is not looked for from before this one again.
            self._processing_context.commit_checkpoint(force=True)

    def execute(self, composed: Composed, delivered: Delivered) -> None:
        """Have the streams process a message; raises what a function of the user's raises."""
        topic, partition, offset, key, _, timestamp_ms, headers = delivered
        value = self.sources[topic](delivered)
        if value is PASSED_OVER:
            return
        if isinstance(value, Event):
            headers = list(value.metadata.items()) if value.metadata else None
        self._current.move(topic, partition, offset)
        composed[topic](value, key_text(key or b""), timestamp_ms, headers or [])

    def as_it_came(self, delivered: Delivered) -> Delivered:
        """The event behind a message of the engine's own, which nobody else could read."""
        source = self.sources[delivered.topic]
        if not isinstance(source, RepartitionSource):
            return delivered
        try:
            return original(delivered, source(delivered), self.wire)
        except DecodeError:
            return delivered

    def rewind(self) -> None:
        """Give the open transaction up, and read again from the end of the last one.

        Changes of state wait in memory for the commit, so they are gone with the checkpoint.
        """
        self.counters.rewinds += 1
        self._give_up()
        data = self._topic_manager.non_changelog_topics
        assigned = [each for each in self._consumer.assignment() if each.topic in data]
        for each in self._consumer.committed(assigned, timeout=COMMITTED_S):
            if each.error is not None:
                raise KafkaException(each.error)
            self._consumer._buffer.clear(topic=each.topic, partition=each.partition)
            self._consumer.seek(each)
            self.processed[each.topic, each.partition] = each.offset
        # The consumer knows no position until it reads on. One that stands at its end would be
        # taken for one that is behind, and others would wait for it for ever.
        positions = {place: self.processed[place] for place in self.assigned}
        self._consumer._buffer.feed(messages=[], high_watermarks={}, positions=positions)
        # Some of them may wait, paused, for others that were behind them in time.
        self._consumer.resume(assigned)
        self._processing_context.init_checkpoint()

    def _give_up(self) -> None:
        """Abort the open transaction.

        librdkafka ends one whose partitions it is just about to announce, too, and Kafka takes
        that for a fatal mistake; what is delivered has been announced.
        """
        self._producer.flush(FLUSH_S)
        self._processing_context.checkpoint.close()

    # -- looked at from outside

    @property
    def clients(self) -> tuple[Any, Any]:
        """The consumer and the producer."""
        return self._consumer, self._producer

    def widest(self) -> int:
        """Partitions of the topic that has most."""
        return max(self.partitions(frame) for frame in self.roots.values())

    def restoring(self) -> list[tuple[int, int]]:
        """The changelog offset that each store has, and the one it is to reach."""
        manager: Any = self._state_manager._recovery_manager
        partitions = [
            # Copies, for its own thread changes them.
            each
            for stores in list(manager.partitions.values())
            for each in list(stores.values())
        ]
        return [(each.offset, each.changelog_highwater) for each in partitions]

    def own_names(self) -> tuple[list[str], list[str], list[str]]:
        """The topics that it reads, those it regroups by, and its changelogs."""
        book = self._topic_manager
        changelogs = [topic.name for topic in book.changelog_topics_list]
        return list(book.topics), list(book.repartition_topics), changelogs
