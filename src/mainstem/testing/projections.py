"""Projections beside a test: replicator and projectors in threads, and a wait that is no sleep."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Final, TypeAlias
from uuid import uuid4

from mainstem.errors import ConfigurationError, ConnectionMisused, MainstemError, MissingExtra

try:
    from confluent_kafka.admin import AdminClient
except ImportError as error:
    raise MissingExtra("kafka", "the fixture caught_up") from error

from mainstem.assembly import registry_for
from mainstem.kafka.failures import kafka_errors
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import create_event_topic, describe_topic
from mainstem.postgres.drivers.sessions import Session
from mainstem.postgres.naming import REPLICATED_SUFFIX
from mainstem.postgres.tokens import taking
from mainstem.projection.definition import Definition, Projection, define
from mainstem.projection.projector import Projector
from mainstem.projection.settings import ProjectorSettings
from mainstem.projection.waiting import ProjectionWaiter
from mainstem.replicator.service import Replicator
from mainstem.replicator.settings import ReplicatorSettings
from mainstem.stopping import Stop

Projections: TypeAlias = Sequence[type[Projection] | Projection]

TIMEOUT_S: Final = 20.0
"""The first call waits until replicator and projectors have started, too."""
GONE_POLL_S: Final = 0.02
GONE_TIMEOUT_S: Final = 10.0


class CaughtUp:
    """Call it, and everything that was committed in the test's database is in its projections."""

    def __init__(self, database_url: str, kafka: KafkaSettings, projections: Projections) -> None:
        """Nothing runs yet."""
        self._database_url = database_url
        self._kafka = kafka
        self._definitions = [define(each) for each in projections]
        self.line = f"test_{uuid4().hex[:12]}"
        """Of the replicator, for waiters of the test's own."""
        self._session = Session(database_url)
        self._waiter = ProjectionWaiter(self._definitions, database_url, kafka, line=self.line)
        self._failures: list[MainstemError] = []

    def __call__(self, *, timeout: float = TIMEOUT_S) -> None:
        """Wait for it; what ended the replicator or a projector is raised at once.

        ProjectionHalted where a projection stopped at an event, NotCaughtUp after `timeout`.
        """
        token = self._session.run(taking)
        try:
            self._waiter.wait_for(token, timeout=timeout)
        except ConnectionMisused as closed:
            for failure in self._failures:
                raise failure from closed
            raise

    @contextmanager
    def running(self) -> Iterator[CaughtUp]:
        """Replicator and projectors work in threads, for the block, on topics that end with it."""
        with ExitStack() as stack:
            stack.callback(self._session.close)
            for topic in sorted({topic for each in self._definitions for topic in each.topics}):
                stack.enter_context(passing_topic(self._kafka, topic))
            self._replicate(stack)
            for definition in self._definitions:
                self._project(stack, definition)
            stack.callback(self._waiter.close)
            yield self

    def _replicate(self, stack: ExitStack) -> None:
        """Run a replicator on a line of its own."""
        topics = {topic for each in self._definitions for topic in each.topics}
        settings = ReplicatorSettings(
            self._database_url,
            self._kafka,
            line=self.line,
            extra_topics=tuple(each for each in topics if not each.endswith(REPLICATED_SUFFIX)),
        )
        stop = Stop()
        self._beside(stack, Replicator(settings, stop=stop).run, stop)

    def _project(self, stack: ExitStack, definition: Definition) -> None:
        """Run a projector."""
        registry = registry_for(self._database_url, None)
        stack.callback(registry.close)
        settings = ProjectorSettings(database_url=self._database_url, kafka=self._kafka)
        stop = Stop()
        self._beside(stack, Projector(definition, settings, registry, stop=stop).run, stop)

    def _beside(self, stack: ExitStack, run: Callable[[], None], stop: Stop) -> None:
        """Run it in a thread until the stack ends."""

        def noting() -> None:
            try:
                run()
            except MainstemError as error:
                self._failures.append(error)
                self._waiter.close()

        thread = threading.Thread(target=noting, name="mainstem-test")
        thread.start()
        stack.callback(thread.join)
        stack.callback(stop.request)


class AsyncCaughtUp:
    """CaughtUp for asyncio: await it."""

    def __init__(self, caught_up: CaughtUp) -> None:
        """Wait by this."""
        self._caught_up = caught_up

    async def __call__(self, *, timeout: float = TIMEOUT_S) -> None:
        """As of CaughtUp."""
        await asyncio.to_thread(self._caught_up, timeout=timeout)


@contextmanager
def passing_topic(kafka: KafkaSettings, topic: str) -> Iterator[None]:
    """A topic of Kafka for the block; ConfigurationError where there is one: it is not ours."""
    if not create_event_topic(kafka, topic):
        raise ConfigurationError(
            f"Kafka holds a topic {topic} before the test begins",
            hint="give tests a Kafka of their own, or delete the topic if a killed test left it",
        )
    try:
        yield
    finally:
        delete_topic(kafka, topic)


def delete_topic(kafka: KafkaSettings, topic: str) -> None:
    """Delete the topic, and wait until Kafka has forgotten it."""
    with kafka_errors(f"deleting {topic}"):
        admin = AdminClient(kafka.config())
        admin.delete_topics([topic])[topic].result(GONE_TIMEOUT_S)
    deadline_s = time.monotonic() + GONE_TIMEOUT_S
    while describe_topic(kafka, topic) is not None and time.monotonic() < deadline_s:
        time.sleep(GONE_POLL_S)
