"""Application: a program of streams under a name, which is all that its instances share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from mainstem.streams.policy import STOP, Policy
from mainstem.streams.settings import checked_name

if TYPE_CHECKING:
    from mainstem.streams.subscribing import Streams


@dataclass(frozen=True, slots=True)
class StreamApp:
    """What `stream_app` makes of a function; given to KafkaStreamsStore, or tried by a driver."""

    name: str
    """Consumer group, prefix of the topics of its own and of its transactional ids; for ever, as
    state and offsets go by it."""
    program: Callable[[Streams], None]
    """Builds the streams; run afresh for each engine, so it keeps nothing between two calls."""
    types: tuple[type, ...] = ()
    """Classes that stand in its state besides those that it subscribes to."""
    key_type: type = UUID
    on_error: Policy = STOP

    def __post_init__(self) -> None:
        """Refuse a name that nothing can go by."""
        checked_name(self.name)


def stream_app(
    name: str,
    *,
    types: Iterable[type] = (),
    key_type: type = UUID,
    on_error: Policy = STOP,
) -> Callable[[Callable[[Streams], None]], StreamApp]:
    """Make an application of a function that builds its streams.

    `types` are classes of payloads that it keeps in its state and subscribes to nowhere,
    `key_type` that of the topics' keys, `on_error` what becomes of it when an event cannot be
    processed. Raises ConfigurationError for a name that no topic could have.
    """

    def made(program: Callable[[Streams], None]) -> StreamApp:
        return StreamApp(name, program, tuple(types), key_type, on_error)

    return made
