"""Trouble: an event that cannot be processed, and what the policy makes of it.

A poison event has done half of its work when it fails: state is changed, results are written. Under
the dead-letter policy the whole transaction is given up, the partitions are read again from where
the last one ended, and the event is set aside when it comes by again.
"""

from __future__ import annotations

import time
import traceback
from enum import Enum
from pathlib import Path
from typing import Any, Final, Protocol

from confluent_kafka import KafkaError, KafkaException
from quixstreams.exceptions import QuixException
from quixstreams.models.serializers import SerializationError
from quixstreams.state.exceptions import StateSerializationError

from mainstem.errors import (
    ConfigurationError,
    DecodeError,
    EventRefused,
    MainstemError,
    SchemaError,
    SchemaNotFound,
    StreamHalted,
)
from mainstem.kafka.delivered import Delivered
from mainstem.streams.internal import StateUndeclared, StateUnreadable
from mainstem.streams.letters import letter_headers
from mainstem.streams.policy import DeadLetterTopic, Policy

OF_THE_EVENT: Final = (DecodeError, SchemaNotFound, SchemaError, EventRefused, ConfigurationError)
"""Errors of ours that the event is to blame for; others say that a server or a setting is."""
FOREIGN: Final = frozenset({"quixstreams", "mainstem", "msgpack", "fastavro"})
"""Folders whose code no user wrote."""


class Outcome(Enum):
    """What became of a message."""

    DONE = "done"
    SET_ASIDE = "set aside"
    REWOUND = "rewound"
    """Nothing: it comes by again."""


class Rewindable(Protocol):
    """What trouble asks of an engine."""

    app: str
    counters: Any

    def execute(self, composed: Any, delivered: Delivered) -> None:
        """Have the streams process a message."""

    def as_it_came(self, delivered: Delivered) -> Delivered:
        """The event behind a message of the engine's own, which nobody else could read."""

    def rewind(self) -> None:
        """Give the open transaction up, and read again from the end of the last one."""

    def produce(
        self, topic: str, key: bytes | None, value: bytes | None, timestamp_ms: int, headers: Any
    ) -> None:
        """Write a message in the open transaction."""


class Trouble:
    """The policy of one application, carried out by its engine."""

    def __init__(self, engine: Rewindable, policy: Policy) -> None:
        """Nothing is known to be poison yet."""
        self._engine = engine
        self._policy = policy
        self._poison: dict[tuple[str, int, int], str] = {}
        self.slowest = (0.0, "")
        """Seconds and place of the message that took longest since the last commit."""

    def process(self, composed: Any, message: Any, at: tuple[str, int, int]) -> Outcome:
        """Process a message, or do what the policy says; StreamHalted if it says to stop."""
        headers, timestamp_ms = message.headers(), message.timestamp()[1]
        delivered = Delivered(*at, message.key(), message.value(), timestamp_ms, headers)
        if self._poison and at in self._poison:
            self._set_aside(delivered, self._poison.pop(at))
            return Outcome.SET_ASIDE
        started_s = time.perf_counter()
        try:
            self._engine.execute(composed, delivered)
        except Exception as raised:  # noqa: BLE001  # Whatever a function of the user's raises.
            error = blamed(raised)
            if not is_of_the_event(error):
                raise error from error.__cause__
            if not isinstance(self._policy, DeadLetterTopic) or is_of_the_state(error):
                raise halted(self._engine.app, delivered, error) from error
            self._poison[at] = type(error).__name__
            self._engine.rewind()
            return Outcome.REWOUND
        finally:
            took_s = time.perf_counter() - started_s
            if took_s > self.slowest[0]:
                self.slowest = (took_s, delivered.place)
        return Outcome.DONE

    def _set_aside(self, delivered: Delivered, error: str) -> None:
        """Write the message to the dead-letter topic, in the open transaction."""
        policy, engine = self._policy, self._engine
        if isinstance(policy, DeadLetterTopic):
            letter = engine.as_it_came(delivered)
            headers = letter_headers(letter, engine.app, error)
            engine.produce(policy.topic, letter.key, letter.value, letter.timestamp_ms, headers)
            engine.counters.dead_letters += 1


def blamed(error: Exception) -> Exception:
    """What is behind an error of the engine's whose message holds a value of state."""
    cause = error.__cause__ or error.__context__
    hidden = isinstance(error, (StateSerializationError, SerializationError))
    return cause if hidden and isinstance(cause, Exception) else error


def is_of_the_event(error: Exception) -> bool:
    """Whether the event or a function of the user's is to blame, and not a server."""
    if isinstance(error, MainstemError):
        return isinstance(error, OF_THE_EVENT)
    if isinstance(error, KafkaException):
        return bool(error.args[0].code() == KafkaError.MSG_SIZE_TOO_LARGE)
    if isinstance(error, (StateSerializationError, SerializationError)):
        return True
    return not isinstance(error, (QuixException, MemoryError))


def is_of_the_state(error: Exception) -> bool:
    """Whether a disk, a cipher or a declaration is to blame: the next event would fail as well.

    RocksDB raises plain exceptions, so those are known by where they come from.
    """
    if isinstance(error, (OSError, StateUnreadable, StateUndeclared)):
        return True
    frames = traceback.extract_tb(error.__traceback__)
    parts = Path(frames[-1].filename).parts if frames else ()
    return "rocksdict" in parts or {"quixstreams", "state"} <= set(parts)


def halted(app: str, delivered: Delivered, error: Exception) -> StreamHalted:
    """Where the application stands still, and by what class of error; never what it says.

    The message of an error of ours is safe to show, for it holds no payloads.
    """
    said = f": {error.message}" if isinstance(error, MainstemError) else ""
    return StreamHalted(
        f"{app} stands still at {delivered.place}{delivered.named_id}, which raised"
        f" {type(error).__name__}{where(error)}{said}",
        hint=advice(error),
    )


def advice(error: Exception) -> str | None:
    """What to do: what the error itself advises, if it knows more than its class does."""
    if not isinstance(error, MainstemError) or error.hint == error.remedy:
        return None
    return f"{error.hint}; or {StreamHalted.remedy}"


def where(error: BaseException) -> str:
    """` at orders.py:12, in price`: the last line of the user's own code on the way, if any."""
    found = ""
    for frame in traceback.extract_tb(error.__traceback__):
        if not FOREIGN.intersection(Path(frame.filename).parts):
            found = f" at {Path(frame.filename).name}:{frame.lineno}, in {frame.name}"
    return found
