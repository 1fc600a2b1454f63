"""`mainstem projection …`: look at read models, mend them, build them anew."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from mainstem.cli.options import database_option, json_option, kafka_option
from mainstem.cli.output import data, data_json, narrate
from mainstem.cli.projection_rebuild import rebuild
from mainstem.cli.projection_repair import dead_letters, discard, retry

if TYPE_CHECKING:
    from mainstem.projection.listing.figures import Halt, Lag, Listed

COLUMNS = ("projection", "state", "members", "partitions", "events", "events/s", "behind", "errors")
NUMBERS = frozenset({"members", "partitions", "events", "events/s"})
"""Columns that stand on the right, so that figures can be compared."""
AGES = ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h"))
"""Up to so many seconds, an age is told in this unit."""
DAY_S = 86_400


@click.group()
def projection() -> None:
    """Look at read models, mend them, and build them anew."""


@projection.command("list")
@click.option(
    "--interval-s",
    type=click.FloatRange(0, 60),
    default=1.0,
    help="Seconds between two looks, for events/s; 0: only one look.",
)
@database_option
@kafka_option
@json_option
def list_(*, interval_s: float, database_url: str, kafka_bootstrap: str, as_json: bool) -> None:
    """List projections: their state, how far behind they are, and what went wrong.

    Members are projectors in the consumer group now. Behind are the offsets from the first event
    that is not applied to the newest that can be read, and the age of that event; markers of Kafka
    transactions count in between. Errors are partitions that halted, and dead letters.
    """
    from mainstem.kafka.settings import KafkaSettings
    from mainstem.projection.listing.looking import listed

    found = listed(database_url, KafkaSettings(kafka_bootstrap), interval_s=interval_s)
    if as_json:
        for each in found:
            data_json(as_object(each))
    elif found:
        for line in (*table([COLUMNS, *map(cells, found)]), *remarks(found)):
            data(line)
    else:
        narrate("there is no projection yet: mainstem project MODULE:CLASS runs one")


projection.add_command(retry)
projection.add_command(discard)
projection.add_command(dead_letters)
projection.add_command(rebuild)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows with their columns aligned, each as wide as it must be."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = [">" if name in NUMBERS else "<" for name in rows[0]]
    return [
        "  ".join(
            f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def cells(each: Listed) -> tuple[str, ...]:
    """A projection's row of the table, in the order of the columns."""
    return (
        each.known.group,
        each.state,
        str(each.members),
        str(each.partitions),
        f"{each.events:,}",
        "-" if each.events_per_s is None else f"{each.events_per_s:,.0f}",
        behind(each.lag),
        errors(len(each.halts), each.known.dead_letters),
    )


def behind(lag: Lag | None) -> str:
    """`0`, or `1,204 · 7 min`."""
    if lag is None:
        return "?"
    return f"{lag.events:,} · {age(lag.seconds)}" if lag.events else "0"


def age(seconds: float) -> str:
    """Two figures or so, and a unit: `0.4 s`, `95 s`, `12 min`."""
    for below_s, unit_s, unit in AGES:
        if seconds < below_s:
            digits = 1 if seconds < 10 else 0  # noqa: PLR2004  # Where tenths no longer matter.
            return f"{seconds / unit_s:.{digits}f} {unit}"
    return f"{seconds / DAY_S:.0f} d"


def errors(halts: int, dead_letters: int) -> str:
    """`1 halted, 3 dead letters`; a dash where all is well."""
    found = [f"{halts:,} halted"] if halts else []
    if dead_letters:
        found.append(f"{dead_letters:,} dead letter{'' if dead_letters == 1 else 's'}")
    return ", ".join(found) or "-"


def remarks(found: Iterable[Listed]) -> list[str]:
    """A line for each partition that halted, and for each lag that nobody knows."""
    lines = []
    for each in found:
        lines += [f"{each.known.group} {where_and_why(halt)}" for halt in each.halts]
        if each.unknown:
            lines.append(f"{each.known.group} ? {each.unknown}")
    return ["", *lines] if lines else []


def where_and_why(halt: Halt) -> str:
    """`halted at orders[2]@118 (id 7) since 2026-01-31 09:00:00Z: ValueError, 3 attempts`."""
    event = "" if halt.event_id is None else f" (id {halt.event_id})"
    attempts = "1 attempt" if halt.attempts == 1 else f"{halt.attempts:,} attempts"
    return (
        f"halted at {halt.topic}[{halt.partition}]@{halt.offset}{event}"
        f" since {halt.halted_at:%Y-%m-%d %H:%M:%S}Z: {halt.error_type}, {attempts}"
    )


def as_object(each: Listed) -> dict[str, Any]:
    """A projection as one JSON object."""
    known, lag = each.known, each.lag
    return {
        "group": known.group,
        "name": known.name,
        "version": known.version,
        "state": each.state,
        "schema": known.schema,
        "topics": known.topics,
        "members": each.members,
        "partitions": each.partitions,
        "events": each.events,
        "events_per_s": None if each.events_per_s is None else round(each.events_per_s, 1),
        "lag_events": lag.events if lag else None,
        "lag_s": round(lag.seconds, 3) if lag else None,
        "lag_unknown": each.unknown or None,
        "dead_letters": known.dead_letters,
        "halts": [
            {**halt._asdict(), "halted_at": halt.halted_at.isoformat()} for halt in each.halts
        ],
    }
