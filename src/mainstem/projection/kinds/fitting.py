"""Fitting: the transaction that a save was given, as the kind that a projection's handlers take."""

from __future__ import annotations

import sys
from typing import Any

from mainstem.errors import ConnectionMisused


def fitting(within: Any, kind: type | None) -> Any:
    """The same, or the driver's connection below SQLAlchemy's; ConnectionMisused otherwise."""
    if kind is None or isinstance(within, kind):
        return within
    if is_of_sqlalchemy(within, "Session", "Connection"):
        connection = within.connection() if hasattr(within, "add") else within
        raw = connection.connection.driver_connection
        if isinstance(raw, kind):
            return raw
    raise unfit(within, kind)


async def fitting_async(within: Any, kind: type | None) -> Any:
    """As `fitting`, for asyncio."""
    if kind is None or isinstance(within, kind):
        return within
    if is_of_sqlalchemy(within, "AsyncSession", "AsyncConnection"):
        connection = await within.connection() if hasattr(within, "add") else within
        raw = connection.sync_connection.connection.driver_connection
        if isinstance(raw, kind):
            return raw
    raise unfit(within, kind)


def is_of_sqlalchemy(within: Any, *names: str) -> bool:
    """Whether it is one of these classes of SQLAlchemy, which may not even be loaded."""
    return "sqlalchemy" in sys.modules and any(
        each.__name__ in names and each.__module__.startswith("sqlalchemy.")
        for each in type(within).__mro__
    )


def unfit(within: Any, kind: type) -> ConnectionMisused:
    """The error for a transaction that handlers cannot work in."""
    return ConnectionMisused(
        f"the projection takes a {kind.__module__}.{kind.__name__},"
        f" and the save was given a {type(within).__module__}.{type(within).__qualname__}",
        hint="save within the same kind, or annotate the handlers' `tx` by it",
    )
