"""Callers on Django: a block of `transaction.atomic()`, in a thread or by sync_to_async."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import django
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connections, transaction

from tests.postgres.faces.callers import Address, Caller

if not settings.configured:
    settings.configure(DATABASES={"default": {}}, USE_TZ=True)
    django.setup()


def database(address: Address) -> str:
    """The alias of this database, which Django knows afterwards."""
    alias = f"{address.database}_{address.port}"
    if alias not in connections.settings:
        known: dict[str, dict[str, Any]] = {
            "default": {},
            alias: {
                "ENGINE": "django.db.backends.postgresql",
                "NAME": address.database,
                "HOST": address.host,
                "PORT": str(address.port),
                "USER": address.user,
            },
        }
        connections.configure_settings(known)
        connections.settings[alias] = known[alias]
    return alias


class Atomic(Caller):
    """`transaction.atomic()` in a thread that runs no event loop."""

    loops = False
    executor: ThreadPoolExecutor
    block: Any = None

    async def open(self) -> None:
        """Start the thread; Django connects when it first has to."""
        self.executor = ThreadPoolExecutor(1)
        self.alias = database(self.address)

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call it in the thread."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self.executor, partial(function, *args, **kwargs))

    async def leave(self) -> None:
        """Leave the block, close what the thread has connected, end the thread."""
        if self.block is not None:
            await self.rollback()
        await self.call(self._close)
        self.executor.shutdown()

    @property
    def within(self) -> Any:
        """The alias."""
        return self.alias

    async def begin(self) -> None:
        """Enter the block."""
        self.block = transaction.atomic(using=self.alias)
        await self.call(self.block.__enter__)

    async def commit(self) -> None:
        """Leave the block as if nothing had happened."""
        block, self.block = self.block, None
        await self.call(block.__exit__, None, None, None)

    async def rollback(self) -> None:
        """Leave the block by an error."""
        block, self.block = self.block, None
        await self.call(block.__exit__, RuntimeError, RuntimeError(), None)

    async def scalar(self, sql: str) -> Any:
        """The value."""
        return await self.call(self._scalar, sql)

    def _scalar(self, sql: str) -> Any:
        with connections[self.alias].cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchone()[0]

    def _close(self) -> None:
        connections[self.alias].close()

    def nested(self) -> Any:
        """A block inside the block."""
        return transaction.atomic(using=self.alias)

    async def close(self) -> None:
        """Close Django's connection."""
        await self.call(self._close)


class AtomicByLoop(Atomic):
    """The same from asynchronous code, by sync_to_async."""

    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call it in the thread that asgiref keeps for this."""
        return await sync_to_async(function)(*args, **kwargs)
