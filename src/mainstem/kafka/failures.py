"""librdkafka's errors -> ours, in one place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaError, KafkaException

from mainstem.errors import ConfigurationError, MainstemError, ServerUnavailable, Superseded
from mainstem.refusals import refusal

PROPERTY = re.compile(r"property \"?'?([a-z.]+)")
TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
REFUSED = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
        KafkaError.SASL_AUTHENTICATION_FAILED,
        KafkaError._AUTHENTICATION,  # noqa: SLF001 - librdkafka's own name
        KafkaError.INVALID_TRANSACTION_TIMEOUT,
        KafkaError.INVALID_CONFIG,
        KafkaError.INVALID_REPLICATION_FACTOR,
        KafkaError.INVALID_PARTITIONS,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.POLICY_VIOLATION,
    }
)


def failure(error: KafkaError, doing: str) -> MainstemError:
    """Our error for librdkafka's: a refusal where trying again cannot help."""
    if error.code() == KafkaError._INVALID_ARG and doing.startswith("setting up"):  # noqa: SLF001 - librdkafka's own name
        # librdkafka's text carries the value, which may be a secret.
        found = PROPERTY.search(error.str())
        return ConfigurationError(
            f"Kafka's client refuses the setting {found[1] if found else 'of an unknown name'}"
        )
    said = f"{doing}: {error.str()} ({error.name()})"
    if error.code() in TOO_LARGE:
        return refusal("message-too-large", said)
    if error.code() in REFUSED:
        return refusal("kafka-refused", said)
    return ServerUnavailable(f"Kafka failed while {said}")


def superseded() -> Superseded:
    """The error of a member whose instance name another one has taken.

    Joining again would throw the other one out in turn, and so on for ever.
    """
    return Superseded(
        "another member of the group has joined under the same instance name",
        hint="nothing of this one's unfinished batch is committed; each process that runs at"
        " the same time needs an instance name of its own",
    )


@contextmanager
def kafka_errors(doing: str) -> Iterator[None]:
    """Map everything that a librdkafka client raises while `doing` something."""
    try:
        yield
    except KafkaException as error:
        raise failure(error.args[0], doing) from error
    except TimeoutError as error:
        # An admin client's future that was not resolved within its bound.
        raise ServerUnavailable(f"Kafka did not answer in time while {doing}") from error
