"""Founder: who may write the record of an application, all others being fenced; its own step."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from mainstem.errors import Superseded
from mainstem.kafka.compacted import read_last
from mainstem.kafka.delivered import Place
from mainstem.kafka.failures import failure, kafka_errors
from mainstem.kafka.settings import KafkaSettings
from mainstem.streams.application_record import ApplicationRecord

RECORD_TOPIC: Final = "_mainstem_streams"
TIMEOUT_S: Final = 10.0
ABORT_S: Final = 0.5
FENCED: Final = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001  # librdkafka's own name
        KafkaError.PRODUCER_FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
    }
)
QUIET: Final = logging.Logger("mainstem.founding", logging.CRITICAL + 1)  # noqa: LOG001  # Nobody shall set it up.
"""librdkafka calls it fatal to be fenced, on stderr; here it is nothing but a second look."""


def read_record(kafka: KafkaSettings, app: str) -> ApplicationRecord | None:
    """What is known of the application."""
    data = read_last(kafka, RECORD_TOPIC, app.encode(), lambda: False)
    return None if data is None else ApplicationRecord.decode(app, data)


class Founder:
    """Who may write the record of an application: every other one is fenced.

    Its methods raise Superseded when another one came after it, and ServerUnavailable.
    """

    def __init__(self, kafka: KafkaSettings, app: str) -> None:
        """Fence the others; what they left open is aborted, what they committed can be read."""
        self._app = app
        config = kafka.config(
            # A slash stands in no name, so it is not the id of an instance either.
            transactional_id=f"{app}/founding",
            transaction_timeout_ms=round(TIMEOUT_S * 1000),
        )
        with kafka_errors("setting up a producer"):
            self._producer = Producer(config, logger=QUIET)
        with founding(app):
            self._producer.init_transactions(TIMEOUT_S)

    def write(
        self,
        value: bytes | None,
        offsets: Mapping[Place, int] | None = None,
        consumer: Consumer | None = None,
    ) -> None:
        """Write the record (None: forget it) and these offsets of the group, or nothing at all."""
        positions = [TopicPartition(*place, offset) for place, offset in (offsets or {}).items()]
        with founding(self._app):
            self._producer.begin_transaction()
            try:
                self._producer.produce(RECORD_TOPIC, value, self._app.encode(), 0)
                if consumer is not None and positions:
                    group = consumer.consumer_group_metadata()
                    self._producer.send_offsets_to_transaction(positions, group, TIMEOUT_S)
            except KafkaException:
                # Else it would hide the topic's end from everybody until it times out.
                with suppress(KafkaException):
                    self._producer.abort_transaction(ABORT_S)
                raise
            self._producer.commit_transaction(TIMEOUT_S)


@contextmanager
def founding(app: str) -> Iterator[None]:
    """Map what a founder's producer raises."""
    try:
        yield
    except KafkaException as error:
        if error.args[0].code() in FENCED:
            raise Superseded(f"another one began the application {app} meanwhile") from error
        raise failure(error.args[0], f"writing the record of {app}") from error
