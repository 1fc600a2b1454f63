"""The waiters that users hold, sync and async: both only wait for the watch."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, Self, TypeAlias

from mainstem.errors import ConfigurationError
from mainstem.kafka.settings import KafkaSettings
from mainstem.postgres.tokens import Token
from mainstem.projection.definition import Definition, Projection, define
from mainstem.projection.waiting.looking import WatchSettings
from mainstem.projection.waiting.watch import Watch
from mainstem.verification.progress import PROGRESS_TOPIC, Line

TIMEOUT_S: Final = 5.0

Projected: TypeAlias = Definition | Projection | type[Projection]


class Waiter:
    """What both faces are made of. It connects when somebody waits, and leaves some time after."""

    def __init__(
        self,
        projections: Projected | Sequence[Projected],
        database_url: str,
        kafka: KafkaSettings | str,
        *,
        line: str = "main",
    ) -> None:
        """Wait for these projections, all of them, whose tables and offsets are in the database.

        `line` is the name of the replicator's line that carries their topics.
        """
        several = projections if isinstance(projections, Sequence) else (projections,)
        if not several:
            raise ConfigurationError("a waiter needs a projection to wait for")
        self._watch = Watch(
            WatchSettings(
                tuple(each if isinstance(each, Definition) else define(each) for each in several),
                database_url,
                KafkaSettings(kafka) if isinstance(kafka, str) else kafka,
                Line(line, PROGRESS_TOPIC),
            )
        )


class ProjectionWaiter(Waiter):
    """Waits until projections hold everything before a token; threads may share it.

    A token that is known to be reached costs nothing, and who waits at the same time shares the
    look at the servers.
    """

    def wait_for(self, token: Token | str, *, timeout: float = TIMEOUT_S) -> None:
        """Return once every event that was committed before the token was taken is applied.

        An event that was set aside as a dead letter counts as applied. NotCaughtUp after `timeout`
        seconds, telling how far things are; ProjectionHalted at once where a projection stopped
        before the token; ServerUnavailable where Kafka or PostgreSQL is away.
        """
        lsn = lsn_of(token)
        future = self._watch.reached(lsn)
        if future is None:
            return
        try:
            future.result(timeout)
        except TimeoutError:
            future.cancel()
            raise self._watch.late(lsn, timeout) from None

    def close(self) -> None:
        """Leave the servers; who still waits fails. Twice is fine."""
        self._watch.close()

    def __enter__(self) -> Self:
        """The waiter itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()


class AsyncProjectionWaiter(Waiter):
    """ProjectionWaiter for asyncio, with the same promises; tasks of any loop may share it."""

    async def wait_for(self, token: Token | str, *, timeout: float = TIMEOUT_S) -> None:
        """As of ProjectionWaiter: return once the projections are past the token."""
        lsn = lsn_of(token)
        future = self._watch.reached(lsn)
        if future is None:
            return
        try:
            async with asyncio.timeout(timeout):
                await asyncio.wrap_future(future)
        except TimeoutError:
            raise self._watch.late(lsn, timeout) from None

    async def close(self) -> None:
        """Leave the servers; who still waits fails. Twice is fine."""
        await asyncio.to_thread(self._watch.close)

    async def __aenter__(self) -> Self:
        """The waiter itself."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()


def lsn_of(token: Token | str) -> int:
    """The place that the token means; DecodeError for a text that is none."""
    return (Token.parse(token) if isinstance(token, str) else token).lsn
