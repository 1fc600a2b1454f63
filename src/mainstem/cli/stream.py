"""`mainstem stream`: run a stream application as a service, or let it begin anew."""

from __future__ import annotations

import gc
import logging
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mainstem.cli.crew import stopped_by_signals, work_together
from mainstem.cli.loading import application_at
from mainstem.cli.metering import served
from mainstem.cli.options import (
    json_option,
    kafka_option,
    metrics_options,
    optional_database_option,
    registry_option,
)
from mainstem.cli.output import data_json, narrate, progress
from mainstem.cli.project import GARBAGE_THRESHOLD
from mainstem.cli.stream_metering import StreamMeter, watched
from mainstem.cli.stream_narration import StreamNarrator
from mainstem.errors import ConfigurationError
from mainstem.telemetry.meters import Meters

if TYPE_CHECKING:
    from mainstem.registry.registry import Registry
    from mainstem.streams import StreamSettings

OWN = (
    "state_dir",
    "commit_interval_s",
    "transaction_timeout_s",
    "accept_retention",
    "static_membership",
    "status_s",
    "unavailable_max_s",
)
"""Options that are settings of the application under the same name."""


@click.group()
def stream() -> None:
    """Run stream applications: state, windows and joins over events, exactly once."""


@stream.command()
@click.argument("place", metavar="MODULE:APP")
@optional_database_option
@kafka_option
@registry_option
@click.option("--instance", help="Name of this process; default: the host's. Each has its own.")
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default="state",
    help="Folder of the local state, which is a copy: Kafka restores it.",
)
@click.option(
    "--commit-interval-s", type=float, default=1.0, help="Results are visible at each commit."
)
@click.option("--transaction-timeout-s", type=float, default=10.0, help="No event may take longer.")
@click.option(
    "--accept-retention", is_flag=True, help="Read topics whose events are deleted some day."
)
@click.option("--static-membership", is_flag=True, help="A restart moves no partitions.")
@click.option("--status-s", type=float, default=5.0, help="Seconds between lines of figures.")
@click.option(
    "--unavailable-max-s", type=float, default=60.0, help="Give up when Kafka is away so long."
)
@metrics_options
@json_option
def run(
    place: str, *, metrics_host: str, metrics_port: int | None, as_json: bool, **options: Any
) -> None:
    """Run an application: each event counts exactly once in its state and results.

    Runs until SIGTERM or Ctrl-C, commits what is done within 2 seconds and exits 0. Start it
    several times, each with an --instance of its own, and the partitions are shared out. Exits 4
    at an event that cannot be processed, and with a named refusal where going on could lose or
    double an event.
    """
    from mainstem.stopping import Stop
    from mainstem.streams import KafkaStreamsStore

    app, settings = application_at(place), settings_of(options)
    stop, meters, name = Stop(), Meters(), f"{app.name}.{settings.instance}"
    # What is loaded by now stays, and events make no garbage that goes in circles.
    gc.freeze()
    gc.set_threshold(GARBAGE_THRESHOLD)
    # What the engine logs beside its errors, ours say with their places.
    logging.getLogger("quixstreams").setLevel(logging.CRITICAL)
    with ExitStack() as stack:
        registry = stack.enter_context(closing(registry_of(options)))
        bars = stack.enter_context(progress())
        reporter = StreamMeter(
            StreamNarrator(name, bars, as_json=as_json), meters, name, settings.status_s
        )
        store = KafkaStreamsStore(app, settings, registry=registry, reporter=reporter)
        stack.enter_context(served(metrics_host, metrics_port, meters, [reporter.vital], stop))
        stack.enter_context(stopped_by_signals(stop))
        stack.enter_context(watched(store, reporter, stop))
        work_together({name: store.run}, stop)
        reporter.note("stopped")


def settings_of(options: dict[str, Any]) -> StreamSettings:
    """The settings that the options say."""
    from mainstem.kafka.settings import KafkaSettings
    from mainstem.streams import StreamSettings

    own = {name: options[name] for name in OWN}
    if options["instance"] is not None:
        own["instance"] = options["instance"]
    return StreamSettings(kafka=KafkaSettings(options["kafka_bootstrap"]), **own)


def registry_of(options: dict[str, Any]) -> Registry:
    """Where schemas stand; ConfigurationError where neither a registry nor a database is given."""
    from mainstem.assembly import registry_for

    url, registry_url = options["database_url"], options["schema_registry_url"]
    if url is None and registry_url is None:
        raise ConfigurationError(
            "neither --schema-registry-url nor --database-url is set",
            hint="a stream reads schemas from the one or the other: give where they stand",
        )
    return registry_for(url or "", registry_url)


@stream.command()
@click.argument("app", metavar="APP")
@kafka_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def reset(app: str, *, kafka_bootstrap: str, yes: bool, as_json: bool) -> None:
    """Delete offsets and state of an application that is stopped: it begins anew.

    APP is the name in @stream_app. Its next start reads its topics from the beginning, and writes
    its results once more behind those of before, which stay.
    """
    from mainstem.kafka.settings import KafkaSettings

    forget = forgetting()
    confirm(app, yes=yes)
    deleted = forget(KafkaSettings(kafka_bootstrap), app)
    if as_json:
        data_json({"app": app, "deleted_topics": deleted})
        return
    for topic in deleted:
        narrate(f"deleted {topic}")
    narrate(f"{app} begins anew at its next start; its sources and results are as they were")


def forgetting() -> Any:
    """What deletes an application's traces; MissingExtra where the engine is not installed."""
    from mainstem.streams import KafkaStreamsStore
    from mainstem.streams.founding import forget

    del KafkaStreamsStore
    return forget


def confirm(app: str, *, yes: bool) -> None:
    """Ask, unless told not to; ConfigurationError where nobody could answer."""
    if yes:
        return
    narrate(f"Deletes the offsets of {app}, its changelogs and repartition topics, and its record.")
    narrate("Its results stay: those of the next run come behind them, a second time.")
    if not sys.stdin.isatty():
        raise ConfigurationError(f"a reset of {app} cannot be undone", hint="say --yes")
    click.confirm(f"Let {app} begin anew?", abort=True, err=True)
