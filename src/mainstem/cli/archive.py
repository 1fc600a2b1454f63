"""`mainstem topic archive`: a month of a partitioned topic becomes a Parquet file."""

from __future__ import annotations

from pathlib import Path

import click

from mainstem.cli.options import database_option, json_option
from mainstem.cli.output import data, data_json
from mainstem.postgres.drivers.sessions import connect
from mainstem.postgres.migration.months import Month


@click.command()
@click.argument("name")
@click.option("--month", required=True, metavar="YYYY-MM", help="A month that has ended (UTC).")
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of archives; the file is TO/NAME/YYYY-MM.parquet.",
)
@click.option("--yes-replicated", is_flag=True, help="Do not ask the replication slots.")
@click.option("--timeout", type=float, default=30.0, help="Seconds to wait for the slots.")
@database_option
@json_option
def archive(
    name: str,
    *,
    month: str,
    folder: Path,
    yes_replicated: bool,
    timeout: float,
    database_url: str,
    as_json: bool,
) -> None:
    """Move a month of a topic that is partitioned by month to a Parquet file.

    The file is read back and compared before the table's partition is dropped, and every
    replication slot must have confirmed its events. A store that is opened with archive=TO still
    reads them. It can be broken off at any moment, and called again.
    """
    from mainstem.postgres.archive.archiving import ArchiveSettings, archive_month

    settings = ArchiveSettings(folder=folder, replicated=yes_replicated, timeout_s=timeout)
    with connect(database_url) as connection:
        archived = archive_month(connection, name, Month.parsed(month), settings)
    digest = archived.digest
    if as_json:
        told = {"file": str(archived.file), "rows": digest.rows, "sha256": digest.sha256}
        data_json({"topic": name, "month": month, **told})
    else:
        data(f"{digest.rows:,} events of {month} are in {archived.file}, hash {digest.sha256[:32]}")
