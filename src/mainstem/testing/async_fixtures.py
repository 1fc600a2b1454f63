"""The asynchronous fixtures of the pytest plugin, for sessions that have pytest-asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

if TYPE_CHECKING:
    from mainstem.postgres import AsyncPostgresEventStore
    from mainstem.testing.projections import AsyncCaughtUp, CaughtUp


@pytest_asyncio.fixture
async def async_event_store(
    mainstem_database: str, event_types: tuple[type, ...]
) -> AsyncIterator[AsyncPostgresEventStore]:
    """As `event_store`, for asyncio."""
    # Loaded by pytest wherever Mainstem and pytest-asyncio are.
    from mainstem.postgres import AsyncPostgresEventStore  # noqa: PLC0415 - as said

    async with AsyncPostgresEventStore.open(mainstem_database, types=event_types) as store:
        yield store


@pytest.fixture
def async_caught_up(caught_up: CaughtUp) -> AsyncCaughtUp:
    """As `caught_up`, for asyncio: to be awaited."""
    from mainstem.testing.projections import AsyncCaughtUp  # noqa: PLC0415 - as above

    return AsyncCaughtUp(caught_up)
