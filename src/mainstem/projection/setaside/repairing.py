"""Repairing: dead letters are tried again or given up, beside a projector that runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from mainstem.errors import ConfigurationError, DecodeError
from mainstem.kafka.consumer import read
from mainstem.kafka.settings import KafkaSettings
from mainstem.postgres.drivers.sessions import Session
from mainstem.postgres.plan import Plan
from mainstem.postgres.statements import BEGIN, COMMIT, ROLLBACK
from mainstem.projection.applying import Application, decoded, handling
from mainstem.projection.batch import Arrival
from mainstem.projection.decoding import Decoding
from mainstem.projection.definition import Definition
from mainstem.projection.errors import HandlerFailed
from mainstem.projection.kinds.address import Address
from mainstem.projection.offsets import check_serving
from mainstem.projection.setaside import statements
from mainstem.projection.setaside.letter import Letter, Trouble, trouble_of
from mainstem.projection.statements import state_of
from mainstem.projection.transactions import transactions
from mainstem.registry.registry import Registry

COLUMNS = len(Letter._fields)


class Chosen(NamedTuple):
    """Which partitions are meant; None: all of them."""

    topic: str | None = None
    partition: int | None = None


class Retried(NamedTuple):
    """What became of the letters of one key."""

    topic: str
    partition: int
    applied: int
    failed_at: int | None
    """Offset of the letter that failed again; those behind it wait on."""
    error_type: str


class Repair:
    """Tries letters of one projection again, through its own handlers; for one thread."""

    def __init__(self, definition: Definition, dsn: str, registry: Registry) -> None:
        """Work on connections of its own."""
        self._definition = definition
        self._group = definition.group
        self._decoding = Decoding(definition, registry)
        self._session = Session(dsn)
        self._transactions = transactions(definition.transaction, Address(dsn, definition.schema))

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
        self._transactions.close()

    def retry(self, chosen: Chosen) -> Iterator[Retried]:
        """Apply what is set aside, each key in its order, until one fails again.

        Each letter is a transaction of its own, which holds up the projector at its partition:
        so no later event of the key can overtake it. Raises the refusal `projection-retired` for a
        version whose tables another one took over.
        """
        keys = self._session.ask(statements.waiting_keys(self._group, *chosen))
        for topic, partition, key in keys:
            yield self._retry_key(topic, partition, key)

    def resume(self, chosen: Chosen) -> list[tuple[str, int]]:
        """Let halted partitions be tried again by the projector that runs; which they are."""
        rows = self._session.ask(statements.clear_halts(self._group, *chosen))
        return [(topic, partition) for topic, partition in rows]

    def _retry_key(self, topic: str, partition: int, key: bytes | None) -> Retried:
        applied = 0
        while True:
            attempt = Attempt(self._definition, self._decoding, (topic, partition, key))
            try:
                self._transactions.run(attempt.steps())
            except HandlerFailed as failed:
                assert attempt.letter is not None, "a handler ran"
                trouble = trouble_of(failed.reason, 1)
                self._note(attempt.letter, trouble)
                return Retried(topic, partition, applied, attempt.letter.offset, trouble.error_type)
            if attempt.letter is None:
                return Retried(topic, partition, applied, None, "")
            applied += 1

    def _note(self, letter: Letter, trouble: Trouble) -> None:
        statement = statements.failed_again(self._group, place_of(letter), trouble)
        self._session.ask(statement)


class Attempt:
    """One transaction: the oldest letter of a key is applied and dropped."""

    def __init__(
        self,
        definition: Definition,
        decoding: Decoding,
        where: tuple[str, int, bytes | None],
    ) -> None:
        """For the letters of this topic, partition and key."""
        self._definition = definition
        self._decoding = decoding
        self._topic, self._partition, self._key = where
        self.letter: Letter | None = None
        """The one that was tried; None where there was none any more."""

    def steps(self) -> Application:
        """The steps of the transaction."""
        group = self._definition.group
        yield statements.lock_offset(group, self._topic, self._partition)
        for (state,) in (yield state_of(group)):
            check_serving(group, state)
        rows = yield statements.first_of_key(group, self._topic, self._partition, self._key)
        if not rows:
            return
        self.letter = Letter(*rows[0][:COLUMNS])
        yield from handling(self._definition, decoded(self._arrivals(self.letter)))
        yield statements.drop(group, place_of(self.letter))

    def _arrivals(self, letter: Letter) -> list[Arrival]:
        try:
            delivered = letter.delivered()
        except DecodeError as error:
            raise HandlerFailed(error.message, error) from error
        return self._decoding.arrivals([delivered])


def discard(dsn: str, kafka: KafkaSettings, group: str, place: tuple[str, int, int]) -> str:
    """Give up a dead letter, or the event that a partition stands still at; what it was.

    Its row stays, as `discarded`. ConfigurationError where nothing is set aside or halted there.
    """
    session = Session(dsn)
    try:
        if session.ask(statements.discard(group, place)):
            return "dead letter"
        halted = session.ask(statements.halts(group))
        if tuple(place) not in {tuple(row) for row in halted}:
            raise ConfigurationError(
                f"nothing of {group} is set aside or halted at {place[0]}[{place[1]}]@{place[2]}",
                hint="mainstem projection dead-letters, and mainstem projection list",
            )
        rows = session.ask(statements.offset_of(group, *place[:2]))
        if not rows:
            raise kept_elsewhere(group)
        letter = fetched(kafka, place, rows[0][0])
        session.run(lambda _scope: passing_over(group, letter, rows[0][0]))
        return "halted event"
    finally:
        session.close()


def passing_over(group: str, letter: Letter, expected: int) -> Plan[None]:
    """One transaction: the halt ends, the event is kept as discarded, the offset moves past it.

    ConfigurationError, and nothing is done, where the offset is not what is expected any more.
    """
    place = place_of(letter)
    yield BEGIN
    try:
        # The offset first, as projectors do: so neither waits for the other for ever.
        moved = yield statements.pass_over(group, place, expected)
        halts = yield statements.take_halt(group, place)
        if not halts or not moved:
            raise gone_on(group, place)  # noqa: TRY301  # One ROLLBACK for every way out.
        yield statements.put(group, letter, Trouble(*halts[0]), "discarded")
    except BaseException:
        yield ROLLBACK
        raise
    yield COMMIT


def kept_elsewhere(group: str) -> ConfigurationError:
    """The error for a projection that keeps its offsets in a table of the original's form."""
    return ConfigurationError(
        f"the offsets of {group} are in a table of its own, which is not known here",
        hint="let its on_error be DeadLetter() and start it anew; then discard the dead letter",
    )


def gone_on(group: str, place: tuple[str, int, int]) -> ConfigurationError:
    """The error for an event that was applied meanwhile."""
    return ConfigurationError(
        f"{group} has gone on from {place[0]}[{place[1]}]@{place[2]}",
        hint="nothing is to be discarded any more",
    )


def fetched(kafka: KafkaSettings, place: tuple[str, int, int], after: int) -> Letter:
    """The message at a place, from Kafka; ConfigurationError unless it is the first behind `after`.

    Else others would be passed over with it, without a row that says so.
    """
    topic, partition, offset = place
    for batch in read(kafka, topic, {partition: after + 1}, {partition: offset + 1}):
        for delivered in batch:
            if delivered.partition != partition:
                continue
            if delivered.offset == offset:
                return Letter.of(delivered)
            raise ConfigurationError(
                f"{delivered.place} comes before @{offset} and is not applied",
                hint="let the projector run until it stands still at the event",
            )
    raise ConfigurationError(f"Kafka has no event at {topic}[{partition}]@{offset}")


def place_of(letter: Letter) -> tuple[str, int, int]:
    """Topic, partition and offset."""
    return letter.topic, letter.partition, letter.offset
