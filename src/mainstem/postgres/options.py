"""TopicOptions: what a topic's table has beside the columns that every event needs; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from mainstem.errors import ConfigurationError
from mainstem.postgres.keys import key_type_named

DEFAULT_PUBLICATION: Final = "mainstem"

KEY_INDEXES: Final = {"none": (), "key": ("key",), "key-id": ("key", "id")}
"""The choices of `index_key`, and the columns of each one's B-tree."""

PARTITIONINGS: Final = ("month",)

DATA_BYTES_LIMIT: Final = 1 << 30
"""PostgreSQL holds no larger value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicOptions:
    """How to create the table of a topic; ConfigurationError for what cannot be.

    By default its columns are exactly those that the Java original reads and writes.
    """

    key_type: str = "uuid"
    versioned: bool = False
    """Number the events of each key from 1: what `expected_version=` needs."""
    idempotent: bool = False
    """Keep an id of the caller's with each event, once: what `event_id=` needs."""
    index_key: str = "none"
    """Index that finds the events of a key: `none`, `key` or `key-id`; `versioned` brings one."""
    data_bytes_max: int | None = None
    """Refuse events whose encoded payload is larger; None leaves it to the replicator."""
    append_only: bool = True
    """Refuse UPDATE, DELETE and TRUNCATE, by a trigger that inserts never meet."""
    partition_by: str | None = None
    """`month`: a partition for each calendar month (UTC) of the events' timestamps.

    An event whose month has no partition is refused: `mainstem topic partitions` makes them ahead
    of time. Not together with `versioned` or `idempotent`, for PostgreSQL keeps nothing unique
    across partitions.
    """

    def __post_init__(self) -> None:
        """Refuse what no table can have."""
        key_type_named(self.key_type)
        if self.index_key not in KEY_INDEXES:
            raise unknown("index_key", self.index_key, tuple(KEY_INDEXES))
        if self.partition_by is not None:
            self._check_partitioning()
        if self.data_bytes_max is not None and not 1 <= self.data_bytes_max <= DATA_BYTES_LIMIT:
            raise ConfigurationError(
                f"data_bytes_max is {self.data_bytes_max}, outside of 1 to {DATA_BYTES_LIMIT}"
            )

    def _check_partitioning(self) -> None:
        """A unique constraint of a partitioned table must hold the partition key."""
        if self.partition_by not in PARTITIONINGS:
            raise unknown("partition_by", str(self.partition_by), PARTITIONINGS)
        for name in ("versioned", "idempotent"):
            if getattr(self, name):
                raise ConfigurationError(
                    f"a topic cannot be both {name} and partitioned by {self.partition_by}:"
                    " PostgreSQL keeps nothing unique across partitions",
                    hint="leave one of them out",
                )


def unknown(option: str, value: str, choices: tuple[str, ...]) -> ConfigurationError:
    """The error for a value that is none of the choices."""
    return ConfigurationError(
        f"{option} cannot be {value!r}", hint=f"use one of {', '.join(choices)}"
    )
