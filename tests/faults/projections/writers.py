"""Writers of the storm: transactions of events straight into Kafka, or through PostgreSQL."""

from __future__ import annotations

import random
import threading
import uuid
from contextlib import suppress
from typing import Any
from uuid import UUID

import psycopg
from confluent_kafka import KafkaException, Producer

from mainstem import Event
from mainstem.kafka.records import ID
from mainstem.kafka.settings import PARTITIONER, KafkaSettings
from mainstem.record import Record
from mainstem.wire import Wire
from tests.faults.projections.tally import Added, Removed

KEYS = 200
SIZES = (1, 1, 2, 5, 10, 40)
ABORTED = 0.1
TIMEOUT_S = 10.0
TRANSACTION_S = 20


class Writer(threading.Thread):
    """Writes transaction after transaction until it is told to stop."""

    def __init__(self, number: int, wire: Wire, pace_s: float, seed: int) -> None:
        """Prepare; `start` begins. `pace_s`: between transactions, on average."""
        super().__init__(name=f"writer-{number}", daemon=True)
        self.aborted = 0
        """Transactions that were given up on purpose."""
        self._wire = wire
        self._pace_s = pace_s
        self._dice = random.Random(f"{seed}-{number}")
        self._stop_asked = threading.Event()

    def finish(self) -> None:
        """Let it end its transaction."""
        self._stop_asked.set()
        self.join()

    def records(self) -> list[Record]:
        """Events of one transaction."""
        return [self._record() for _ in range(self._dice.choice(SIZES))]

    def pause(self) -> bool:
        """Wait a while; whether it goes on."""
        return not self._stop_asked.wait(self._dice.uniform(0.2, 1.8) * self._pace_s)

    def gives_up(self) -> bool:
        """Whether the transaction at hand is to be aborted."""
        return self._dice.random() < ABORTED

    def linger(self) -> None:
        """Keep a transaction open now and then."""
        if self._dice.random() < ABORTED:
            self._stop_asked.wait(self._dice.uniform(0.05, 0.3))

    def _record(self) -> Record:
        cls = Added if self._dice.random() < 0.8 else Removed
        key = UUID(int=self._dice.randrange(KEYS))
        return self._wire.pack(Event(key, cls(amount=self._dice.randrange(1000))))


class KafkaWriter(Writer):
    """Straight into Kafka. What became of a transaction is what stands in the topic."""

    def __init__(
        self, number: int, wire: Wire, pace_s: float, seed: int, *, to: tuple[KafkaSettings, str]
    ) -> None:
        """Write to this topic."""
        super().__init__(number, wire, pace_s, seed)
        self._kafka, self._topic = to
        self._id = f"storm-{uuid.uuid4()}"
        self._count = number * 10**9

    def run(self) -> None:
        """Write; a new producer with the same id ends what an old one left open."""
        while not self._stop_asked.is_set():
            with suppress(KafkaException):
                producer = self._producer()
                while self.pause():
                    self._transaction(producer)

    def _producer(self) -> Producer:
        config = self._kafka.config(
            transactional_id=self._id,
            partitioner=PARTITIONER,
            transaction_timeout_ms=TRANSACTION_S * 1000,
        )
        producer = Producer({**config, "log_level": 0})
        producer.init_transactions(TIMEOUT_S)
        return producer

    def _transaction(self, producer: Producer) -> None:
        producer.begin_transaction()
        for record in self.records():
            self._count += 1
            producer.produce(
                self._topic,
                record.data,
                record.key,
                timestamp=record.timestamp_ms,
                headers=[(ID, b"%d" % self._count)],
            )
        self.linger()
        if self.gives_up():
            producer.flush(TIMEOUT_S)
            producer.abort_transaction(TIMEOUT_S)
            self.aborted += 1
        else:
            producer.commit_transaction(TIMEOUT_S)


class PostgresWriter(Writer):
    """Into the event table, from where a replicator takes events to Kafka."""

    def __init__(
        self, number: int, wire: Wire, pace_s: float, seed: int, *, to: tuple[str, str]
    ) -> None:
        """Write to this table."""
        super().__init__(number, wire, pace_s, seed)
        self._dsn, self._topic = to

    def run(self) -> None:
        """Write, and connect again where the server went away."""
        while not self._stop_asked.is_set():
            with suppress(psycopg.OperationalError), psycopg.connect(self._dsn) as connection:
                while self.pause():
                    self._transaction(connection)

    def _transaction(self, connection: psycopg.Connection[Any]) -> None:
        with connection.cursor() as cursor:
            cursor.executemany(
                f'INSERT INTO events."{self._topic}" (key, data, timestamp) VALUES (%s, %s, now())',
                [(UUID(record.key.decode()), record.data) for record in self.records()],
            )
        self.linger()
        if self.gives_up():
            connection.rollback()
            self.aborted += 1
        else:
            connection.commit()
