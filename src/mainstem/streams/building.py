"""Building: a program -> an engine that runs its streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from quixstreams.exceptions import QuixException

from mainstem.errors import ConfigurationError
from mainstem.streams.engine import Engine
from mainstem.streams.internal import Cipher, InternalCodec
from mainstem.streams.policy import DeadLetterTopic
from mainstem.streams.subscribing import Streams
from mainstem.wire import SchemaIds, Wire

if TYPE_CHECKING:
    from mainstem.streams.application import StreamApp
    from mainstem.streams.settings import StreamSettings


class Built(NamedTuple):
    """An engine, what its program was given to build it, and the wire of its payloads."""

    engine: Engine
    streams: Streams
    wire: Wire


def build(
    app: StreamApp,
    settings: StreamSettings,
    registry: SchemaIds,
    cipher: Cipher | None = None,
    engine_type: type[Engine] = Engine,
) -> Built:
    """An engine for the program; it asks Kafka for the topics, and makes those it writes to.

    Raises ConfigurationError for a program that cannot be run, UnknownTopic, and what Kafka and
    the registry raise.
    """
    wire = Wire(registry, app.types)
    engine = engine_type(app.name, settings, InternalCodec(wire, cipher), app.on_error)
    streams = Streams(engine, wire, app.key_type)
    try:
        app.program(streams)
    except QuixException as error:
        raise ConfigurationError(
            f"the program of {app.name} cannot be run: {error}",
            hint="the streams are built by Quix Streams; its documentation tells what can follow"
            " what",
        ) from error
    if not engine.sources:
        raise ConfigurationError(
            f"the program of {app.name} subscribes to no topic",
            hint="begin with streams.subscribe(…)",
        )
    if isinstance(app.on_error, DeadLetterTopic):
        engine.output(app.on_error.topic, engine.widest())
    return Built(engine, streams, wire)
