"""StreamDriver: a program of streams on given events, without Kafka, in milliseconds.

The engine, its loop, state, windows, joins and regrouping are those of production; what reaches
Kafka is replaced by lists, and time is that of the events. Nothing here shows exactly-once: for
that there is a real broker.
"""

from __future__ import annotations

import shutil
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, cast

from quixstreams.context import set_message_context

from mainstem.event import Event, Key, to_millis
from mainstem.kafka.decoding import Decoder
from mainstem.kafka.delivered import Delivered
from mainstem.kafka.settings import KafkaSettings
from mainstem.registry.memory import MemoryRegistry
from mainstem.streams.building import build
from mainstem.streams.settings import StreamSettings
from mainstem.streams.source import headers_of
from mainstem.testing.stream_log import DriverEngine, Log
from mainstem.wire import Wire, key_bytes

if TYPE_CHECKING:
    from mainstem.streams.application import StreamApp
    from mainstem.streams.internal import Cipher

NOWHERE: Final = "no-kafka:9092"


class StreamDriver:
    """Runs a program on events as they are given; `given(…).then(…)`.

    Use it as a block, or `close` it. Functions of the program that fail raise here as they would
    stop the application, or send the event to the dead-letter topic, as its policy says.
    """

    def __init__(
        self, app: StreamApp, *, partitions: int = 2, cipher: Cipher | None = None
    ) -> None:
        """Build the program, with so many partitions for each topic."""
        self._folder = Path(tempfile.mkdtemp(prefix="mainstem-driver-"))
        self._registry = MemoryRegistry()
        self._wire = Wire(self._registry)
        self._log = Log(partitions)
        self._stack = ExitStack()
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        settings = StreamSettings(
            kafka=KafkaSettings(NOWHERE), instance="driver", state_dir=self._folder
        )
        with ExitStack() as undo:
            undo.callback(self._stack.close)
            log = self._log

            class OverLog(DriverEngine):
                """An engine over the log of this driver."""

                driver_log = log

            built = build(app, settings, self._registry, cipher, OverLog)
            self._streams, self._written = built.streams, built.wire
            self._engine = cast("DriverEngine", built.engine)
            self._composed = self._engine.open_by_hand(self._stack, partitions)
            undo.pop_all()
        self._app = app
        self._taken: dict[str, int] = {}
        set_message_context(self._engine.current)

    # -- given, then

    def given(self, *events: Event[Any], topic: str | None = None) -> Self:
        """Have these events processed, one after another.

        The topic must be named where the program subscribes to several. What an event leads to is
        processed before the next one, whatever goes through topics of the engine's own too.
        """
        name = topic or only(self._engine.roots, "subscribes to", "given(…, topic=…)")
        if name not in self._engine.roots:
            raise LookupError(f"the program does not subscribe to {name}")
        for event in events:
            self._log.append(
                name,
                key_bytes(event.key),
                self._wire.frame(event),
                to_millis(event.timestamp),
                headers_of(event),
            )
            self._drain()
        return self

    def then(self, *expected: object, topic: str | None = None) -> Self:
        """See that these results have come since the last look, and no others, in this order.

        A result is compared with an Event by key, payload, timestamp and metadata, and with
        anything else by its payload. Raises AssertionError.
        """
        results = self.results(topic=topic)
        if len(results) == len(expected):
            pairs = zip(results, expected, strict=True)
            if all(matches(result, wanted) for result, wanted in pairs):
                return self
        raise AssertionError(told(results, expected))

    def results(self, *, topic: str | None = None) -> list[Event[Any]]:
        """What came to a topic since the last look; topics with several partitions mix by time."""
        name = topic or only(self._engine.outputs, "writes to", "then(…, topic=…)")
        messages = self._log.committed(name)
        new = messages[self._taken.get(name, 0) :]
        self._taken[name] = len(messages)
        return [self._event(message) for message in new]

    @property
    def late(self) -> dict[str, int]:
        """How many events each window dropped as late, by its name."""
        return {name: each.events for name, each in self._streams.late.windows.items()}

    # -- life

    def close(self) -> None:
        """Remove its state."""
        self._stack.close()

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove its state."""
        self.close()

    def _drain(self) -> None:
        """Process until nothing waits; each message is a transaction."""
        while self._log.waiting():
            self._engine.step(self._composed)

    def _event(self, message: Delivered) -> Event[Any]:
        """The result, its payload as the class that the program wrote it as."""
        wire = Wire(self._registry, self._written.packed)
        stored = Decoder(wire, bytes).stored(message)
        return Event(readable(stored.key), stored.payload, stored.timestamp, stored.metadata)


def readable(key: Any) -> Key:
    """The key of a result as text, where it is any."""
    try:
        return str(key, "utf-8")
    except UnicodeDecodeError:
        return bytes(key)


def only(names: Any, does: str, call: str) -> str:
    """The one name; LookupError where there are several."""
    found = sorted(names)
    if len(found) != 1:
        raise LookupError(f"the program {does} {', '.join(found) or 'no topic'}: say which, {call}")
    return str(found[0])


def matches(result: Event[Any], wanted: object) -> bool:
    """Whether a result is what was expected."""
    if isinstance(wanted, Event):
        same_key = key_bytes(result.key) == key_bytes(wanted.key)
        return same_key and (result.payload, result.timestamp, dict(result.metadata)) == (
            wanted.payload,
            wanted.timestamp,
            dict(wanted.metadata),
        )
    return bool(result.payload == wanted)


def told(results: list[Event[Any]], expected: tuple[object, ...]) -> str:
    """Both lists, line by line; these are the tester's own data."""
    lines = [f"{len(expected)} results expected, {len(results)} came"]
    lines += [f"  expected {each!r}" for each in expected]
    lines += [f"  came     {each!r}" for each in results]
    return "\n".join(lines)
