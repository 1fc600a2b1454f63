"""`mainstem show TOPIC ID`: print one event of a table, decoded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import click

from mainstem.assembly import registry_for
from mainstem.cli.options import database_option, json_option, registry_option
from mainstem.cli.output import data, data_json, narrate
from mainstem.cli.rendering import as_object, compact, key_text, printable
from mainstem.event import StoredEvent
from mainstem.postgres.store import PostgresEventStore

ID_MAX = 2**63 - 1
NOT_FOUND = 1
NAME_WIDTH = 10


@click.command()
@click.argument("topic")
@click.argument("id_", metavar="ID", type=click.IntRange(0, ID_MAX))
@database_option
@registry_option
@json_option
@click.pass_context
def show(
    context: click.Context,
    topic: str,
    id_: int,
    *,
    database_url: str,
    schema_registry_url: str | None,
    as_json: bool,
) -> None:
    """Print the event with this ID from the table of TOPIC, decoded.

    Exits 1 if the table has no row with this id.
    """
    with (
        closing(registry_for(database_url, schema_registry_url)) as registry,
        PostgresEventStore.open(database_url, registry=registry) as store,
    ):
        event = found(store, topic, id_)
    if event is None:
        narrate(f"events.{topic} has no row with id {id_}")
        context.exit(NOT_FOUND)
    if as_json:
        data_json(as_object(event) | {"version": event.version})
        return
    for line in lines(event):
        data(line)


def found(store: PostgresEventStore, topic: str, id_: int) -> StoredEvent[Any] | None:
    """The event; None if there is none, whatever is wrong with the one behind it."""
    row = next(store.read_rows(topic, after=id_ - 1, limit=1), None)
    if row is None or row.id != id_:
        return None
    return next(store.read_all(topic, after=id_ - 1, limit=1), None)


def lines(event: StoredEvent[Any]) -> Iterator[str]:
    """The event for people: what is known of it, then its metadata and payload by name."""
    shown = as_object(event)
    yield f"{event.topic} #{event.id}"
    yield line("type", shown["type"])
    yield line("key", printable(key_text(event)))
    yield line("timestamp", shown["timestamp"])
    if event.version is not None:
        yield line("version", str(event.version))
    for name in ("metadata", "payload"):
        if shown[name]:
            yield name
            for inner, value in shown[name].items():
                yield "  " + line(printable(inner), compact(value))


def line(name: str, text: str) -> str:
    """A name and what it stands for."""
    return f"{name:<{NAME_WIDTH}} {text}"
