"""Dead letters: an event as it came, with headers that tell where from and why; pure."""

from __future__ import annotations

from typing import Final

from mainstem.kafka.delivered import Delivered

FAILED_TOPIC: Final = "mainstem.failed.topic"
FAILED_PARTITION: Final = "mainstem.failed.partition"
FAILED_OFFSET: Final = "mainstem.failed.offset"
FAILED_ERROR: Final = "mainstem.failed.error"
FAILED_APP: Final = "mainstem.failed.app"
OURS: Final = frozenset({FAILED_TOPIC, FAILED_PARTITION, FAILED_OFFSET, FAILED_ERROR, FAILED_APP})


def letter_headers(delivered: Delivered, app: str, error: str) -> list[tuple[str, bytes | None]]:
    """The message's own headers and ours; `error` is the name of a class, never its message.

    A letter that fails once more, where the dead-letter topic is read as a source, tells its last
    place alone.
    """
    own = [header for header in delivered.headers or [] if header[0] not in OURS]
    return [
        *own,
        (FAILED_APP, app.encode()),
        (FAILED_ERROR, error.encode()),
        (FAILED_OFFSET, b"%d" % delivered.offset),
        (FAILED_PARTITION, b"%d" % delivered.partition),
        (FAILED_TOPIC, delivered.topic.encode()),
    ]
