"""One side of one comparison of bench/streams.py, in a process of its own."""

from __future__ import annotations

import argparse
import io
import json
import tempfile
from pathlib import Path
from typing import Any

import fastavro
from quixstreams import Application
from quixstreams.dataframe.windows.aggregations import Count, Sum
from streams_models import WINDOW, Clock, Counted, OrderPlaced, Revenue, program, registry

from mainstem.kafka.settings import KafkaSettings
from mainstem.schema.derive import schema_text
from mainstem.streams import KafkaStreamsStore, StreamSettings

COMMIT_S = 1.0
HEADER = 5
"""Bytes of a frame before its body."""


def ours(mode: str, kafka: str, source: str, out: str, clock: Clock) -> None:
    """The streams of ours."""
    settings = StreamSettings(
        kafka=KafkaSettings(kafka), state_dir=Path(tempfile.mkdtemp()), commit_interval_s=COMMIT_S
    )
    store = KafkaStreamsStore(program(mode, source, out, clock), settings, registry=registry())
    clock.done = store.stop
    store.run()


class Hand:
    """What one writes on bare Quix Streams to read and write the same bytes."""

    def __init__(self) -> None:
        """Parse the schemas; their ids are those of our registry."""
        self._schemas: dict[type, Any] = {
            cls: fastavro.parse_schema(json.loads(schema_text(cls)))
            for cls in (OrderPlaced, Counted, Revenue)
        }
        self._ids: dict[type, int] = {OrderPlaced: 1, Counted: 2, Revenue: 3}

    def decode(self, data: bytes) -> Any:
        """The fields of an order."""
        body = io.BytesIO(data[HEADER:])
        return fastavro.schemaless_reader(body, self._schemas[OrderPlaced], None)

    def encode(self, cls: type, fields: dict[str, Any]) -> bytes:
        """The frame of a result."""
        body = io.BytesIO()
        fastavro.schemaless_writer(body, self._schemas[cls], fields)
        return b"\0" + self._ids[cls].to_bytes(4, "big") + body.getvalue()


def bare(mode: str, kafka: str, source: str, out: str, clock: Clock) -> None:
    """Bare Quix Streams on dicts; what it does with JSON by default is left out for its good."""
    app, results, orders = application(kafka, source, out)
    hand = Hand()
    clock.done = app.stop

    def decoded(data: bytes) -> Any:
        clock.tick()
        return hand.decode(data)

    stream = app.dataframe(orders).apply(decoded)
    if mode == "map":
        stream = stream.apply(
            lambda order: hand.encode(OrderPlaced, {**order, "cents": order["cents"] + 1})
        )
    elif mode == "count":

        def count(order: Any, state: Any) -> bytes:
            del order
            number = state.get("n", 0) + 1
            state.set("n", number)
            return hand.encode(Counted, {"orders": number})

        stream = stream.apply(count, stateful=True)
    else:
        windows = stream.tumbling_window(WINDOW, grace_ms=WINDOW)
        stream = windows.agg(cents=Sum("cents"), orders=Count()).current()
        stream = stream.apply(lambda found: hand.encode(Revenue, found))
    stream.to_topic(results)
    app.run()


def through(kafka: str, source: str, out: str, clock: Clock) -> None:
    """Bare Quix Streams that looks at nothing: bytes in, the same bytes out."""
    app, results, orders = application(kafka, source, out)
    clock.done = app.stop

    def seen(data: bytes) -> bytes:
        clock.tick()
        return data

    app.dataframe(orders).apply(seen).to_topic(results)
    app.run()


def application(kafka: str, source: str, out: str) -> tuple[Application, Any, Any]:
    """An application under exactly-once with the same bounds as ours, and its topics."""
    app = Application(
        broker_address=kafka,
        consumer_group=f"{out}_bare",
        processing_guarantee="exactly-once",
        auto_offset_reset="earliest",
        commit_interval=COMMIT_S,
        consumer_poll_timeout=0.1,
        state_dir=tempfile.mkdtemp(),
        loglevel="ERROR",
        producer_extra_config={"linger.ms": 5, "compression.type": "lz4"},
    )
    results = app.topic(out, value_serializer="bytes", key_serializer="bytes")
    orders = app.topic(source, value_deserializer="bytes", key_deserializer="bytes")
    return app, results, orders


def main() -> None:
    """Run the side to its last event, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("side", "mode", "kafka", "source", "out"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("warm", "events"):
        parser.add_argument(f"--{name}", type=int, required=True)
    asked = parser.parse_args()
    clock = Clock(asked.warm, asked.events)
    given = (asked.kafka, asked.source, asked.out, clock)
    if asked.side == "ours":
        ours(asked.mode, *given)
    elif asked.side == "bare":
        bare(asked.mode, *given)
    else:
        through(*given)
    print(json.dumps({"seconds": clock.took_s, "cpu_s": clock.took_cpu_s}))


if __name__ == "__main__":
    main()
