"""`mainstem demo`: real orders, kills, and a proof at the end."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from typing import TYPE_CHECKING

import click

from mainstem.cli.main import EXIT_DIFFERENCE
from mainstem.cli.options import address, json_option
from mainstem.cli.output import data, data_json, narrate

if TYPE_CHECKING:
    from mainstem.demo.orders import Orders
    from mainstem.demo.run import Outcome
    from mainstem.demo.settings import Place

SEED_MAX = 9_999


@click.command()
@click.option("--events", type=click.IntRange(1), help="Save only the first N order lines.")
@click.option("--kills", type=click.IntRange(0, 20), default=3, help="How often to kill -9.")
@click.option("--seed", type=int, help="Of the kills' moments; another one each time by default.")
@click.option("--keep", is_flag=True, help="Leave servers and data there, in .mainstem.")
@address("--database-url", "Use this PostgreSQL instead of a new one.", required=False)
@address("--kafka-bootstrap", "Use this Kafka instead of a new one.", required=False)
@json_option
@click.pass_context
def demo(
    context: click.Context,
    *,
    events: int | None,
    kills: int,
    seed: int | None,
    keep: bool,
    database_url: str | None,
    kafka_bootstrap: str | None,
    as_json: bool,
) -> None:
    """Carry real orders through PostgreSQL into Kafka and a projection, kill both, prove all held.

    Saves 39,529 order lines of a shop, each invoice in one transaction, by eight writers at once.
    The replicator and the projection "revenue by country and month" are processes of their own and
    are killed with SIGKILL meanwhile. At the end what was saved is held against what Kafka
    returns, and the projection's table against a SQL query over the event table. Exits 0 only if
    every event is there exactly once, unchanged and in order, and the table is right to the cent.
    The servers are started for it and removed again, unless
    addresses are given or a stack runs in .mainstem: then it uses a database and topic of its own
    there, and removes those.
    """
    from mainstem.demo.orders import by_invoice, shipped_orders
    from mainstem.demo.places import place_for
    from mainstem.demo.run import demonstrate
    from mainstem.demo.screen import screen
    from mainstem.demo.servers import Given
    from mainstem.demo.settings import DemoSettings

    began_s = time.monotonic()
    chosen = random.randint(1, SEED_MAX) if seed is None else seed  # noqa: S311 - a demo's dice
    settings = DemoSettings(events=events, kills=kills, seed=chosen, keep=keep)
    shown = screen()
    shown.say(heading(keep=keep))
    with (
        stopped_by_sigterm(),
        place_for(Given(database_url, kafka_bootstrap), settings, shown) as place,
    ):
        orders = shipped_orders()
        invoices = by_invoice(orders.lines, settings.events)
        shown.say(census(orders))
        outcome = asyncio.run(demonstrate(settings, place, invoices, shown, began_s))
        tell(outcome, narrate if as_json else data)
        if keep:
            narrate(kept(place))
        if as_json:
            data_json(outcome.proof.as_json())
    if not outcome.proof.holds:
        context.exit(EXIT_DIFFERENCE)


def heading(*, keep: bool) -> str:
    """The first line: what this is, and what stays behind."""
    fate = "kept in .mainstem" if keep else "removed at the end (--keep keeps it)"
    return (
        f"mainstem {version('mainstem')} demo · everything below runs on this machine and is {fate}"
    )


def census(orders: Orders) -> str:
    """What the file held, and what of it was refused."""
    found = f"{len(orders.lines):,} lines, {len(orders.refused)} refused; times taken as UTC"
    return "\n".join([f" ✓ {'Orders':<17} {found}", *(f"   {line}" for line in orders.refused)])


def tell(outcome: Outcome, say: Callable[[str], None]) -> None:
    """Proof, revenue and verdict, for people."""
    from mainstem.demo.narration import proof_lines, verdict_line
    from mainstem.demo.revenue import monthly_table, revenue_table

    proof, report = outcome.proof, outcome.report
    lines = [
        *proof_lines(proof, report.table_hash, report.topic_hash),
        "Revenue by country, read back from Kafka",
        *revenue_table(outcome.revenue),
        "Revenue by country and month, out of the projection's table",
        *monthly_table(outcome.monthly),
        verdict_line(proof),
    ]
    for line in lines:
        say(line)


def kept(place: Place) -> str:
    """How to look at what was kept."""
    from psycopg.conninfo import conninfo_to_dict

    database = conninfo_to_dict(place.database_url).get("dbname")
    return (
        f"Kept: topic {place.topic} in database {database}, line {place.line},"
        f" replicator's log {place.log}\n"
        f"Look: mainstem tail {place.topic}, mainstem verify {place.topic} --line {place.line}"
        " (--database-url for another database than the stack's own); mainstem down ends it"
    )


@contextmanager
def stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM ends the demo as Ctrl-C does: in order, with nothing left behind."""
    before = signal.signal(signal.SIGTERM, lambda *_: interrupt())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def interrupt() -> None:
    """What Ctrl-C does, even in a background job, where shells have it ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        raise KeyboardInterrupt
    signal.raise_signal(signal.SIGINT)
