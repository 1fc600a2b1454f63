"""The engine's errors -> ours, in one place."""

from __future__ import annotations

from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from quixstreams.exceptions import QuixException
from quixstreams.kafka.exceptions import BaseKafkaException, KafkaBrokerUnavailableError
from quixstreams.state.exceptions import (
    InvalidStoreChangelogOffset,
    StateRecoveryOffsetOutOfRange,
)
from quixstreams.state.rocksdb.exceptions import RocksDBCorruptedError

from mainstem.errors import ConfigurationError, MainstemError, ServerUnavailable, Superseded
from mainstem.kafka.failures import failure
from mainstem.refusals import refusal

FENCED: Final = frozenset(
    {
        KafkaError._FENCED,  # noqa: SLF001  # librdkafka's own names.
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
        KafkaError.FENCED_INSTANCE_ID,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
        KafkaError.INVALID_TXN_STATE,
    }
)
SLOW_PART: Final = 0.9
"""Of the transaction's time; Kafka looks for those that are over at intervals of its own."""


def translated(error: BaseException, engine: Any) -> MainstemError | None:
    """Our error for what stopped the engine, or None for one that nobody foresaw."""
    # What came first is to blame: giving the transaction up may have failed in consequence.
    chain = causes(error)[::-1]
    for cause in chain:
        if isinstance(cause, MainstemError):
            return cause
    for cause in chain:
        kafka = kafka_error(cause)
        ours = of_engine(cause, engine) if kafka is None else of_kafka(kafka, engine)
        if ours is not None:
            return ours
    return None


def of_engine(error: BaseException, engine: Any) -> MainstemError | None:
    """Our error for one of the engine's own, if there is one."""
    if isinstance(error, KafkaBrokerUnavailableError):
        away_s = engine.settings.unavailable_max_s
        return ServerUnavailable(f"Kafka was away for more than {away_s:g} s")
    if isinstance(error, InvalidStoreChangelogOffset):
        said = f"the local state of {engine.app} is ahead of its changelog in Kafka"
        return refusal("stream-topic-recreated", said)
    if isinstance(error, StateRecoveryOffsetOutOfRange):
        said = f"events that {engine.app} has not processed were deleted from Kafka"
        return refusal("stream-events-deleted", said)
    if isinstance(error, RocksDBCorruptedError):
        return ConfigurationError(
            f"the local state in {engine.config.state_dir} cannot be read",
            hint="stop the instance, delete that folder and start it again: the state is"
            " restored from its changelogs",
        )
    return None


def causes(error: BaseException | None) -> list[BaseException]:
    """The error and what it was raised from, the outermost first."""
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def kafka_error(error: BaseException) -> KafkaError | None:
    """The error of librdkafka that an exception carries."""
    if not isinstance(error, (KafkaException, BaseKafkaException, QuixException)):
        return None
    first = error.args[0] if error.args else None
    return first if isinstance(first, KafkaError) else None


def of_kafka(error: KafkaError, engine: Any) -> MainstemError:
    """Our error for librdkafka's."""
    if error.code() in FENCED:
        return fenced(engine)
    if error.code() == KafkaError._AUTO_OFFSET_RESET:  # noqa: SLF001  # The same.
        return refusal(
            "stream-events-deleted",
            f"the offset from which {engine.app} was to go on is not in Kafka any more: {error}",
        )
    return failure(error, f"running {engine.app}")


def fenced(engine: Any) -> MainstemError:
    """Kafka took no more from this producer: it was too slow, or another took its name."""
    took_s, place = engine.trouble.slowest
    timeout_s = engine.settings.transaction_timeout_s
    if took_s >= timeout_s * SLOW_PART:
        return refusal(
            "stream-record-too-slow",
            f"{place} took {took_s:.1f} s, and Kafka aborts a transaction after {timeout_s:g} s",
        )
    return Superseded(
        f"another process runs {engine.app} as instance {engine.settings.instance!r}",
        hint="nothing of this one's unfinished transaction is visible; each process that runs at"
        " the same time needs an --instance of its own",
    )
