"""`mainstem topic archive`: a month of a partitioned topic becomes a Parquet file."""

from __future__ import annotations

from pathlib import Path

import click

from mainstem.cli.options import database_option, json_option
from mainstem.cli.output import data, data_json
from mainstem.cli.scripts import Administration
from mainstem.postgres.drivers.sessions import connect
from mainstem.postgres.migration.months import Month
from mainstem.postgres.options import DEFAULT_PUBLICATION


@click.command(cls=Administration, short_help="Move a month to a Parquet file.")
@click.argument("name")
@click.option("--month", required=True, metavar="YYYY-MM", help="A month that has ended (UTC).")
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of archives; the file is TO/NAME/YYYY-MM.parquet.",
)
@click.option("--yes-replicated", is_flag=True, help="Do not ask the replicator's slot.")
@click.option("--line", default="main", help="The replicator's line that carries the topic.")
@click.option("--publication", default=DEFAULT_PUBLICATION, help="What the line's slot reads.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=30.0,
    help="Seconds to wait for the slot.",
)
@database_option
@json_option
def archive(
    name: str,
    *,
    month: str,
    folder: Path,
    yes_replicated: bool,
    line: str,
    publication: str,
    timeout: float,
    database_url: str,
    as_json: bool,
) -> None:
    """Move a month of a topic that is partitioned by month to a Parquet file.

    The file is read back and compared before the table's partition is dropped, and the
    replicator's slot must have confirmed its events. A store that is opened with archive=TO still
    reads them. It can be broken off at any moment, and called again.
    """
    from mainstem.postgres.archive.archiving import ArchiveSettings, archive_month
    from mainstem.postgres.archive.confirming import Line

    settings = ArchiveSettings(
        folder=folder,
        replicated=yes_replicated,
        timeout_s=timeout,
        line=Line(line, publication),
    )
    with connect(database_url) as connection:
        archived = archive_month(connection, name, Month.parsed(month), settings)
    digest = archived.digest
    if as_json:
        told = {"file": str(archived.file), "rows": digest.rows, "sha256": digest.sha256}
        data_json({"topic": name, "month": month, **told})
    else:
        data(f"{digest.rows:,} events of {month} are in {archived.file}, hash {digest.sha256[:32]}")
