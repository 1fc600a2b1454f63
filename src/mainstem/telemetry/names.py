"""Names: every metric of ours, in one place; docs/how-to/operate-projections.md shows the table.

A metric names the fields of the status that its figures come from. Counts may begin anew in a
status, because connections are thrown away after a failure; what is shown only ever rises.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class Kind(Enum):
    """What Prometheus may do with the figures."""

    COUNTER = "counter"
    GAUGE = "gauge"
    SUMMARY = "summary"
    """A count and a sum, without quantiles."""


class Metric(NamedTuple):
    """One name, and where its figures come from."""

    name: str
    """As it is asked for; Prometheus adds _count and _sum to a summary's."""
    kind: Kind
    meaning: str
    fields: tuple[str, ...]
    """Of the status: one, or the count and the sum of a summary."""


class Room(NamedTuple):
    """The metrics of one kind of service; the label tells its instances apart."""

    label: str
    metrics: tuple[Metric, ...]
    reported: str
    """The metric that tells when the others were taken."""


REPLICATOR: Final = Room(
    "line",
    (
        Metric(
            "mainstem_replicator_events_total",
            Kind.COUNTER,
            "Events published to Kafka.",
            ("events",),
        ),
        Metric(
            "mainstem_replicator_events_per_second",
            Kind.GAUGE,
            "Events published per second in the last interval.",
            ("events_per_s",),
        ),
        Metric(
            "mainstem_replicator_resent_events_total",
            Kind.COUNTER,
            "Events that PostgreSQL sent again, and that were dropped.",
            ("resent",),
        ),
        Metric(
            "mainstem_replicator_lag_bytes",
            Kind.GAUGE,
            "WAL that is not in Kafka yet, events or not.",
            ("lag_bytes",),
        ),
        Metric(
            "mainstem_replicator_lag_seconds",
            Kind.GAUGE,
            "Age of the oldest heartbeat under way, else the last one's round trip.",
            ("lag_s",),
        ),
        Metric(
            "mainstem_replicator_flushed_lsn",
            Kind.GAUGE,
            "Everything that committed below this WAL position is in Kafka.",
            ("flushed_lsn",),
        ),
    ),
    "mainstem_replicator_reported_timestamp_seconds",
)

PROJECTION: Final = Room(
    "group",
    (
        Metric(
            "mainstem_projection_events_total",
            Kind.COUNTER,
            "Events applied.",
            ("events",),
        ),
        Metric(
            "mainstem_projection_events_per_second",
            Kind.GAUGE,
            "Events applied per second in the last interval.",
            ("events_per_s",),
        ),
        Metric(
            "mainstem_projection_lag_events",
            Kind.GAUGE,
            "Offsets not applied yet in this member's partitions, transaction markers included.",
            ("lag_events",),
        ),
        Metric(
            "mainstem_projection_lag_seconds",
            Kind.GAUGE,
            "Age of the oldest event that is known to wait; 0 where none does.",
            ("lag_s",),
        ),
        Metric(
            "mainstem_projection_batch_seconds",
            Kind.SUMMARY,
            "Transactions that applied a batch, and the time they took.",
            ("batches", "batch_s"),
        ),
        Metric(
            "mainstem_projection_cas_failures_total",
            Kind.COUNTER,
            "Batches given up because another member had moved the offsets.",
            ("cas_failures",),
        ),
        Metric(
            "mainstem_projection_retries_total",
            Kind.COUNTER,
            "Batches and events that were tried once more.",
            ("retries",),
        ),
        Metric(
            "mainstem_projection_dead_letters_total",
            Kind.COUNTER,
            "Events that were set aside.",
            ("dead_letters",),
        ),
        Metric(
            "mainstem_projection_halted_partitions",
            Kind.GAUGE,
            "Partitions of this member that stand still at an event.",
            ("halted",),
        ),
        Metric(
            "mainstem_projection_assigned_partitions",
            Kind.GAUGE,
            "Partitions of this member.",
            ("assigned",),
        ),
        Metric(
            "mainstem_projection_rebalances_total",
            Kind.COUNTER,
            "Times that partitions came to this member.",
            ("rebalances",),
        ),
    ),
    "mainstem_projection_reported_timestamp_seconds",
)

STREAM: Final = Room(
    "app",
    (
        Metric(
            "mainstem_stream_events_total",
            Kind.COUNTER,
            "Events processed, those of repartition topics among them.",
            ("events",),
        ),
        Metric(
            "mainstem_stream_events_per_second",
            Kind.GAUGE,
            "Events processed per second in the last interval.",
            ("events_per_s",),
        ),
        Metric(
            "mainstem_stream_results_total",
            Kind.COUNTER,
            "Results written, those of transactions that were given up among them.",
            ("results",),
        ),
        Metric(
            "mainstem_stream_lag_events",
            Kind.GAUGE,
            "Offsets not processed yet in this instance's partitions.",
            ("lag_events",),
        ),
        Metric(
            "mainstem_stream_late_events_total",
            Kind.COUNTER,
            "Events that windows dropped, as they were closed already.",
            ("late",),
        ),
        Metric(
            "mainstem_stream_dead_letters_total",
            Kind.COUNTER,
            "Events that were set aside.",
            ("dead_letters",),
        ),
        Metric(
            "mainstem_stream_commits_total",
            Kind.COUNTER,
            "Transactions that were committed.",
            ("commits",),
        ),
        Metric(
            "mainstem_stream_rebalances_total",
            Kind.COUNTER,
            "Times that the group shared its partitions out.",
            ("rebalances",),
        ),
        Metric(
            "mainstem_stream_assigned_partitions",
            Kind.GAUGE,
            "Partitions of this instance, changelogs not counted.",
            ("assigned",),
        ),
        Metric(
            "mainstem_stream_state_bytes",
            Kind.GAUGE,
            "Size of this instance's folder of state.",
            ("state_bytes",),
        ),
    ),
    "mainstem_stream_reported_timestamp_seconds",
)

REPORTED: Final = "When the other figures were taken: Unix time."
READY: Final = "mainstem_ready"
READY_MEANING: Final = "1 if this part of the process is ready, as /health/ready judges it."
READY_LABEL: Final = "part"
