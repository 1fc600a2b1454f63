"""`mainstem tail TOPIC`: print events as they come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from typing import Any, NamedTuple

import click

from mainstem.assembly import registry_for
from mainstem.cli.options import database_option, json_option, kafka_option, registry_option
from mainstem.cli.output import data, data_json, narrate
from mainstem.cli.rendering import as_line, as_object
from mainstem.event import StoredEvent
from mainstem.kafka import KafkaSettings
from mainstem.kafka.consumer import read, visible_end_offsets
from mainstem.kafka.store import Decoder
from mainstem.verification.table import stored_rows
from mainstem.wire import Wire

BEGINNING, END = "beginning", "end"
TOPIC, TABLE = "topic", "table"


class Wish(NamedTuple):
    """What of the topic is to be shown."""

    topic: str
    source: str
    start: str
    follow: bool


@click.command()
@click.argument("topic")
@click.option("--source", type=click.Choice([TOPIC, TABLE]), default=TOPIC, help="Where to look.")
@click.option(
    "--from",
    "start",
    type=click.Choice([BEGINNING, END]),
    default=None,
    help="Where to start; the end, or the beginning with --no-follow.",
)
@click.option("--limit", "-n", type=click.IntRange(min=1), help="Stop after so many events.")
@click.option("--follow/--no-follow", default=True, help="Wait for more at the end.")
@database_option
@kafka_option
@registry_option
@json_option
def tail(
    topic: str,
    *,
    source: str,
    start: str | None,
    limit: int | None,
    follow: bool,
    database_url: str,
    kafka_bootstrap: str,
    schema_registry_url: str | None,
    as_json: bool,
) -> None:
    """Print the events of TOPIC as they become visible in Kafka, until Ctrl-C.

    With --source table the rows that are there now are printed in the order of their ids, and no
    more: ids are no commit order, so following them would miss rows that commit late.
    """
    wish = Wish(topic, source, start or (END if follow else BEGINNING), follow)
    show = show_json if as_json else show_line
    with closing(registry_for(database_url, schema_registry_url)) as registry:
        decoder = Decoder(Wire(registry), bytes)
        for event in islice(wished(wish, database_url, kafka_bootstrap, decoder), limit):
            show(event)


def show_line(event: StoredEvent[Any]) -> None:
    """Print an event for people."""
    data(as_line(event))


def show_json(event: StoredEvent[Any]) -> None:
    """Print an event for programs."""
    data_json(as_object(event))


def wished(
    wish: Wish, database_url: str, kafka_bootstrap: str, decoder: Decoder
) -> Iterator[StoredEvent[Any]]:
    """The events, from where the wish says."""
    if wish.source == TABLE:
        narrate(f"rows of events.{wish.topic} in the order of their ids, as of now")
        yield from stored_rows(database_url, wish.topic, decoder.wire)
        return
    kafka = KafkaSettings(kafka_bootstrap)
    ends = visible_end_offsets(kafka, wish.topic)
    if wish.follow:
        # Said after the ends were taken: whatever commits from here on will be printed.
        narrate(f"following {wish.topic} from its {wish.start}; Ctrl-C ends")
    for batch in read(kafka, wish.topic, *span(wish, ends)):
        yield from map(decoder.stored, batch)


def span(wish: Wish, ends: dict[int, int]) -> tuple[dict[int, int] | None, dict[int, int] | None]:
    """From which offsets, and up to which, the topic is to be read."""
    return (ends if wish.start == END else None), (None if wish.follow else ends)
