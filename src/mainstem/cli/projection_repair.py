"""`mainstem projection retry | discard | dead-letters`: what could not be applied."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import Any

import click

from mainstem.cli.loading import definition_at
from mainstem.cli.options import database_option, json_option, kafka_option, registry_option
from mainstem.cli.output import data, data_json, narrate
from mainstem.errors import ConfigurationError

LIMIT = 1000
EXIT_DIFFERENCE = 1


@click.command()
@click.argument("place", metavar="MODULE:CLASS")
@click.option("--topic", help="Only of this topic.")
@click.option("--partition", type=click.IntRange(0), help="Only of this partition.")
@database_option
@registry_option
@json_option
@click.pass_context
def retry(
    context: click.Context,
    /,
    place: str,
    *,
    topic: str | None,
    partition: int | None,
    database_url: str,
    schema_registry_url: str | None,
    as_json: bool,
) -> None:
    """Try again what a projection could not apply, once its cause is mended.

    Dead letters are applied here and now, each key in its order, beside a projector that runs.
    Halted partitions are tried again by that projector, within a few seconds. Exits 1 where an
    event failed again.
    """
    from mainstem.assembly import registry_for
    from mainstem.projection.setaside.repairing import Chosen, Repair

    definition = definition_at(place)
    chosen = Chosen(topic, partition)
    failed = 0
    with (
        closing(registry_for(database_url, schema_registry_url)) as registry,
        closing(Repair(definition, database_url, registry)) as repair,
    ):
        for halted_topic, halted_partition in repair.resume(chosen):
            narrate(f"{definition.group}: {halted_topic}[{halted_partition}] will be tried again")
        for retried in repair.retry(chosen):
            failed += retried.failed_at is not None
            if as_json:
                data_json(retried._asdict())
            elif retried.failed_at is None:
                data(f"{retried.topic}[{retried.partition}]: {retried.applied:,} applied")
            else:
                data(
                    f"{retried.topic}[{retried.partition}]: {retried.applied:,} applied,"
                    f" @{retried.failed_at} failed again: {retried.error_type}"
                )
    if failed:
        context.exit(EXIT_DIFFERENCE)


@click.command()
@click.argument("group")
@click.argument("topic")
@click.argument("partition", type=click.IntRange(0))
@click.argument("offset", type=click.IntRange(0))
@click.option("--yes", is_flag=True, help="Do not ask.")
@database_option
@kafka_option
def discard(
    *,
    group: str,
    topic: str,
    partition: int,
    offset: int,
    yes: bool,
    database_url: str,
    kafka_bootstrap: str,
) -> None:
    """Give up one event: a projection will never apply it.

    It must be a dead letter, or what a halted partition stands still at. Its row stays among the
    dead letters, as discarded.
    """
    from mainstem.kafka.settings import KafkaSettings
    from mainstem.projection.setaside import repairing

    if not yes:
        if not sys.stdin.isatty():
            raise ConfigurationError("a discarded event is never applied", hint="say --yes")
        click.confirm(f"Give up {topic}[{partition}]@{offset} for {group}?", abort=True, err=True)
    place = (topic, partition, offset)
    what = repairing.discard(database_url, KafkaSettings(kafka_bootstrap), group, place)
    narrate(f"{group}: {what} {topic}[{partition}]@{offset} is discarded")


@click.command("dead-letters")
@click.argument("group", required=False)
@database_option
@json_option
def dead_letters(*, group: str | None, database_url: str, as_json: bool) -> None:
    """List events that are set aside; never what is in them."""
    from mainstem.postgres.drivers.sessions import Session
    from mainstem.projection.setaside import statements

    with closing(Session(database_url)) as session:
        rows = session.ask(statements.listing(group, LIMIT))
    if as_json:
        for row in rows:
            data_json(as_object(row))
        return
    if not rows:
        narrate("nothing is set aside")
        return
    data(f"{'group':24} {'place':32} {'id':>8} {'state':9} {'tries':>5} {'bytes':>7}  error")
    for row in rows:
        data(as_line(row))


def as_object(row: tuple[Any, ...]) -> dict[str, Any]:
    """A dead letter as one JSON object."""
    group, topic, partition, offset, event_id, state, attempts, error, size, first, last = row
    return {
        "group": group,
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "id": event_id,
        "state": state,
        "attempts": attempts,
        "error_type": error,
        "bytes": size,
        "first_failed_at": first.isoformat(),
        "last_failed_at": last.isoformat(),
    }


def as_line(row: tuple[Any, ...]) -> str:
    """A dead letter as a line of the table."""
    group, topic, partition, offset, event_id, state, attempts, error, size, _first, _last = row
    place, number = f"{topic}[{partition}]@{offset}", "-" if event_id is None else event_id
    return f"{group:24} {place:32} {number:>8} {state:9} {attempts:>5} {size:>7}  {error}"
