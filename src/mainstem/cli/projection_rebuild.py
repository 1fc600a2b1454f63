"""`mainstem projection rebuild MODULE:CLASS`: build its tables anew, and exchange them."""

from __future__ import annotations

import gc
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import click

from mainstem.cli.main import EXIT_DIFFERENCE
from mainstem.cli.options import database_option, json_option, kafka_option, registry_option
from mainstem.cli.output import data, data_json, narrate, progress

if TYPE_CHECKING:
    from mainstem.projection.definition import Definition
    from mainstem.projection.rebuilding import KeyReport, Progress, RebuildReport, RebuildSettings
    from mainstem.projection.rebuilding.comparison import TableComparison
    from mainstem.projection.rebuilding.work import Observe

GARBAGE_THRESHOLD = 50_000
"""Objects between two walks of Python's garbage collector, which finds nothing to do here."""


@click.command()
@click.argument("place", metavar="MODULE:CLASS")
@click.option("--dry-run", is_flag=True, help="Compare old and new tables; change nothing.")
@click.option(
    "--from",
    "--from-offset",
    "beginnings",
    multiple=True,
    metavar="POSITION",
    help="Begin at a time, an LSN, or TOPIC[PARTITION]@OFFSET; older events are left out.",
)
@click.option("--key", help="Make only the rows of this key anew, in place.")
@click.option("--restart", is_flag=True, help="Throw away what an unfinished rebuild has built.")
@click.option("--keep-old", is_flag=True, help="Keep the replaced tables in the schema NAME_old.")
@click.option(
    "--ignore", "ignored", multiple=True, metavar="COLUMN", help="Leave a column uncompared."
)
@click.option("--yes", is_flag=True, help="Do not ask before tables are replaced.")
@database_option
@kafka_option
@registry_option
@json_option
@click.pass_context
def rebuild(
    context: click.Context,
    /,
    place: str,
    *,
    dry_run: bool,
    key: str | None,
    yes: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Build the tables of a projection anew from Kafka while the old ones serve.

    The new tables take the place of the old ones in one short transaction; a projector that runs
    goes on with them. A rebuild that was ended goes on where it was. With --dry-run, exits 1 if
    old and new tables differ.
    """
    from mainstem.cli.loading import definition_at
    from mainstem.projection import rebuilding

    if key is not None and (dry_run or options["beginnings"]):
        raise click.UsageError("--key goes neither with --dry-run nor with --from")
    definition = definition_at(place)
    gc.set_threshold(GARBAGE_THRESHOLD)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if key is None and not dry_run:
        confirm(definition, yes=yes)
    with settings_of(options) as settings:
        if key is not None:
            tell_key(rebuilding.rebuild_key(definition, settings, key), as_json=as_json)
            return
        work = rebuilding.rehearse if dry_run else rebuilding.rebuild
        report = watched(work, definition, settings)
    tell(report, as_json=as_json)
    if not report.equal:
        context.exit(EXIT_DIFFERENCE)


def watched(
    work: Callable[[Definition, RebuildSettings, Observe], RebuildReport],
    definition: Definition,
    settings: RebuildSettings,
) -> RebuildReport:
    """The work's report, with its progress on a terminal."""
    with progress() as bars:
        bar = bars.add_task(definition.group, total=None)

        def observe(at: Progress) -> None:
            bars.update(bar, completed=at.done, total=at.total)

        return work(definition, settings, observe)


@contextmanager
def settings_of(options: dict[str, Any]) -> Iterator[RebuildSettings]:
    """The settings that the options say, with a registry that is open for the block."""
    from mainstem.assembly import registry_for
    from mainstem.kafka.settings import KafkaSettings
    from mainstem.projection.rebuilding import RebuildSettings

    url, registry_url = options["database_url"], options["schema_registry_url"]
    with closing(registry_for(url, registry_url)) as registry:
        yield RebuildSettings(
            url,
            KafkaSettings(options["kafka_bootstrap"]),
            registry,
            options["beginnings"],
            restart=options["restart"],
            keep_old=options["keep_old"],
            ignored_columns=frozenset(options["ignored"]),
        )


def confirm(definition: Definition, *, yes: bool) -> None:
    """Go on if the person says so; ConfigurationError where there is nobody to ask."""
    from mainstem.errors import ConfigurationError

    if yes:
        return
    tables = ", ".join(f"{definition.schema}.{table}" for table in definition.tables)
    if not sys.stdin.isatty():
        raise ConfigurationError(
            f"a rebuild replaces {tables}", hint="say --yes, or look first: --dry-run"
        )
    click.confirm(f"Replace {tables} when the new ones are ready?", abort=True, err=True)


def tell(report: RebuildReport, *, as_json: bool) -> None:
    """Print what was done."""
    if as_json:
        data_json(as_object(report))
        return
    again = "resumed, " if report.resumed else ""
    data(
        f"{report.group}: {again}{report.events:,} events in {report.seconds:.1f} s"
        f" ({report.events_per_s:,.0f}/s)"
    )
    for each in report.compared:
        data(as_line(each))
    if report.swapped is not None:
        data(f"exchanged; the tables were out of reach for {report.swapped.readers_pause_s:.3f} s")
        for group in report.swapped.retired:
            data(f"{group} is retired")
    if report.old_schema is not None:
        narrate(f"the replaced tables are kept in the schema {report.old_schema}")


def tell_key(report: KeyReport, *, as_json: bool) -> None:
    """Print what was done for a key."""
    if as_json:
        data_json(report._asdict())
    else:
        data(f"{report.group}: the key's rows are made anew of {report.events:,} events")


def as_object(report: RebuildReport) -> dict[str, Any]:
    """The report as one JSON object."""
    swapped = report.swapped
    return {
        "group": report.group,
        "resumed": report.resumed,
        "events": report.events,
        "seconds": round(report.seconds, 3),
        "events_per_s": round(report.events_per_s, 1),
        "swapped": swapped is not None,
        "retired": list(swapped.retired) if swapped else [],
        "projectors_paused_s": round(swapped.pause_s, 4) if swapped else None,
        "readers_paused_s": round(swapped.readers_pause_s, 4) if swapped else None,
        "old_schema": report.old_schema,
        "equal": report.equal if report.compared else None,
        "tables": [table_object(each) for each in report.compared],
    }


def table_object(each: TableComparison) -> dict[str, Any]:
    """The comparison of a table as a JSON object."""
    return {
        "table": each.table,
        "equal": each.equal,
        "rows_old": each.rows_old,
        "rows_new": each.rows_new,
        **{
            kind: {"rows": found.rows, "first": list(found.first)}
            for kind, found in each.by_kind.items()
        },
        "columns_only_old": list(each.columns_only_old),
        "columns_only_new": list(each.columns_only_new),
    }


def as_line(each: TableComparison) -> str:
    """`totals: 5 rows, 5 rebuilt: 1 different (DE)`."""
    line = f"{each.table}: {each.rows_old:,} rows, {each.rows_new:,} rebuilt: "
    found = [
        f"{difference.rows:,} {kind.replace('_', ' ')}"
        + (f" ({', '.join(difference.first)})" if difference.first else "")
        for kind, difference in each.by_kind.items()
        if difference.rows
    ]
    for which, columns in (("old", each.columns_only_old), ("new", each.columns_only_new)):
        if columns:
            found.append(f"columns only {which}: {', '.join(columns)}")
    return line + ("; ".join(found) or "the same")
