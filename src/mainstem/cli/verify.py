"""`mainstem verify TOPIC`: tell whether Kafka holds every row once, unchanged and in order."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from mainstem.cli.main import EXIT_DIFFERENCE
from mainstem.cli.options import database_option, json_option, kafka_option
from mainstem.cli.output import data, data_json, progress
from mainstem.event import format_lsn
from mainstem.kafka import KafkaSettings
from mainstem.verification import Differences, Report, VerifySettings
from mainstem.verification import verify as compare

KINDS = {
    "missing": "missing in Kafka",
    "doubled": "doubled in Kafka",
    "unexpected": "not in the table",
    "different": "different content",
    "disordered": "out of order",
}
"""What the names of the differences say to people."""


@click.command()
@click.argument("topic")
@click.option("--timeout", type=float, default=30.0, help="Seconds to wait for the replicator.")
@click.option(
    "--line", "line_name", default="main", help="The replicator's line that carries the topic."
)
@database_option
@kafka_option
@json_option
@click.pass_context
def verify(
    context: click.Context,
    topic: str,
    *,
    timeout: float,
    line_name: str,
    database_url: str,
    kafka_bootstrap: str,
    as_json: bool,
) -> None:
    """Compare the table events.TOPIC with the Kafka topic TOPIC.

    Every row must be in the topic exactly once, unchanged and in commit order. Writers and the
    replicator may run meanwhile. Exits 1 if anything differs.
    """
    settings = VerifySettings(timeout_s=timeout, line=line_name)
    report = watched(database_url, KafkaSettings(kafka_bootstrap), topic, settings)
    if as_json:
        data_json(as_object(report))
    else:
        data(as_text(report))
    if not report.holds:
        context.exit(EXIT_DIFFERENCE)


def watched(
    database_url: str, kafka: KafkaSettings, topic: str, settings: VerifySettings
) -> Report:
    """The comparison, with what was read so far on a terminal."""
    with progress() as bars:
        tasks = {stage: bars.add_task(stage, total=None) for stage in ("rows", "messages")}

        def observe(stage: str, count: int) -> None:
            bars.update(tasks[stage], completed=count)

        return compare(database_url, kafka, topic, settings, observe)


def as_object(report: Report) -> dict[str, Any]:
    """The report as one JSON object."""
    found = {
        kind: {"count": differences.count, "first": [each._asdict() for each in differences.first]}
        for kind, differences in report.by_kind.items()
    }
    return {
        "topic": report.topic,
        "holds": report.holds,
        "up_to_lsn": format_lsn(report.up_to_lsn),
        "rows": report.rows,
        "records": report.records,
        **found,
        "table_hash": report.table_hash,
        "topic_hash": report.topic_hash,
        "seconds": round(report.seconds, 3),
    }


def as_text(report: Report) -> str:
    """The report as a small table, the verdict last."""
    lines = [
        f"{report.topic}, up to {format_lsn(report.up_to_lsn)}",
        line("rows in the table", report.rows, f"hash {report.table_hash}"),
        line("messages in Kafka", report.records, f"hash {report.topic_hash}"),
    ]
    for kind, differences in report.by_kind.items():
        lines.append(line(KINDS[kind], differences.count, examples(differences)))
    return "\n".join([*lines, verdict(report)])


def line(name: str, count: int, remark: str) -> str:
    """One line of the table."""
    return f"  {name:<18} {count:>12,}  {remark}".rstrip()


def examples(differences: Differences) -> str:
    """The first ten, and that there are more."""
    more = ", …" if differences.count > len(differences.first) else ""
    return ", ".join(map(str, differences.first)) + more


def verdict(report: Report) -> str:
    """What it comes to."""
    if report.holds:
        said = "holds: every row is in Kafka exactly once, unchanged and in order"
        return f"{click.style(said, fg='green') if coloured() else said} ({report.seconds:.1f} s)"
    said = "differs: table and topic do not hold the same events"
    return f"{click.style(said, fg='red') if coloured() else said} ({report.seconds:.1f} s)"


def coloured() -> bool:
    """Whether a person looks at stdout and has not asked for no colour."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")
