"""What becomes of an event that cannot be processed, as far as it is decided without an engine."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException
from quixstreams.exceptions import QuixException
from quixstreams.state.exceptions import StateSerializationError

from mainstem.errors import (
    ConfigurationError,
    DecodeError,
    ServerUnavailable,
    StreamHalted,
    UndeclaredPayload,
)
from mainstem.kafka.delivered import Delivered
from mainstem.streams import DeadLetterTopic
from mainstem.streams.letters import letter_headers
from mainstem.streams.trouble import blamed, halted, is_of_the_event

MESSAGE = Delivered("orders", 3, 17, b"secret", b"secret", 5, [("id", b"41"), ("actor", b"ada")])


def test_a_dead_letter_topic_needs_a_name() -> None:
    """Leave it empty."""
    with pytest.raises(ConfigurationError, match="has no name"):
        DeadLetterTopic("")


@pytest.mark.parametrize(
    "error",
    [
        ValueError("of a function of the user's"),
        DecodeError("bad bytes"),
        UndeclaredPayload("no payload"),
        StateSerializationError("a value of state"),
        KafkaException(KafkaError(KafkaError.MSG_SIZE_TOO_LARGE)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_these_are_the_fault_of_the_event(error: Exception) -> None:
    """It would fail again and again, wherever it is processed."""
    assert is_of_the_event(error)


@pytest.mark.parametrize(
    "error",
    [
        ServerUnavailable("the registry is away"),
        KafkaException(KafkaError(KafkaError._TRANSPORT)),
        QuixException("of the engine"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_these_are_not(error: Exception) -> None:
    """Events that are set aside for a server that is away would be lost one after another."""
    assert not is_of_the_event(error)


def test_what_hides_behind_an_error_of_the_engine_is_blamed() -> None:
    """The engine's own message would hold the value."""
    cause = UndeclaredPayload("Revenue is not declared")
    error = StateSerializationError("cannot serialize 4111-1111")
    error.__cause__ = cause

    assert blamed(error) is cause
    assert blamed(cause) is cause


def test_a_halt_tells_where_it_is_and_never_what_a_function_said() -> None:
    """Place, id and class: halt by an error of a function's."""
    error = halted("app", MESSAGE, ValueError("4111-1111"))

    assert isinstance(error, StreamHalted)
    assert error.message == "app stands still at orders[3]@17 (id 41), which raised ValueError"
    assert "on_error=DeadLetterTopic(…)" in error.hint


def test_a_halt_passes_on_what_an_error_of_ours_says_and_advises() -> None:
    """It holds no payloads: halt by one with a hint of its own, and by one without."""
    own = halted("app", MESSAGE, UndeclaredPayload("Revenue is not declared", hint="types=[…]"))
    plain = halted("app", MESSAGE, UndeclaredPayload("Revenue is not declared"))

    assert own.message.endswith("which raised UndeclaredPayload: Revenue is not declared")
    assert own.hint == f"types=[…]; or {StreamHalted.remedy}"
    assert plain.hint == StreamHalted.remedy


def test_the_headers_of_a_letter_are_those_of_the_event_and_ours() -> None:
    """Its own first: make them."""
    assert letter_headers(MESSAGE, "app", "ValueError") == [
        ("id", b"41"),
        ("actor", b"ada"),
        ("mainstem.failed.app", b"app"),
        ("mainstem.failed.error", b"ValueError"),
        ("mainstem.failed.offset", b"17"),
        ("mainstem.failed.partition", b"3"),
        ("mainstem.failed.topic", b"orders"),
    ]


def test_a_letter_that_fails_again_tells_its_last_place() -> None:
    """Not two of them: make headers of a letter's."""
    headers = letter_headers(MESSAGE, "app", "ValueError")
    letter = Delivered("dead", 0, 2, b"", b"", 5, headers)
    again = letter_headers(letter, "other", "KeyError")

    assert len(again) == len(headers)
    assert dict(again)["mainstem.failed.topic"] == b"dead"
    assert dict(again)["mainstem.failed.error"] == b"KeyError"
