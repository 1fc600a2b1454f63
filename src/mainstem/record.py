"""Record: an event on the wire, the one value that crosses from room to room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Record(NamedTuple):
    """Bytes of an event, ready for a table row or a Kafka message.

    A tuple, because the replicator makes one for each event and nothing is cheaper.
    """

    key: bytes
    """The key's text in UTF-8; a bytes key as it is."""
    data: bytes
    """The framed payload: byte 0, schema id (4 bytes, big endian), Avro body."""
    metadata: Mapping[str, bytes]
    timestamp_ms: int
