"""Projections of the tests of the command line; processes import them by name."""

from __future__ import annotations

import os
import threading
from typing import Any

import psycopg

from mainstem.event import StoredEvent
from mainstem.projection import DeadLetter, Projection, on
from tests.projection.rebuilding.shop import OrderPlaced

TOPICS = (os.environ.get("SHOP_TOPIC", "orders_events"),)
POISON_CENTS = 7
LONG_S = 60.0


class CliOrders(Projection):
    """Keeps every order."""

    topics = TOPICS
    ddl = "CREATE TABLE IF NOT EXISTS cli_orders (cents bigint PRIMARY KEY)"

    @on(OrderPlaced)
    def placed(self, event: StoredEvent[OrderPlaced], tx: psycopg.Connection[Any]) -> None:
        """Keep it."""
        tx.execute("INSERT INTO cli_orders VALUES (%s)", (event.payload.cents,))


class CliHalting(Projection):
    """Cannot apply one order, and halts there."""

    topics = TOPICS

    @on(OrderPlaced)
    def placed(self, event: StoredEvent[OrderPlaced], tx: psycopg.Connection[Any]) -> None:
        """Apply all but one."""
        if event.payload.cents == POISON_CENTS:
            raise ValueError(tx.info.dbname)


class CliSettingAside(CliHalting):
    """Cannot apply one order either, and sets it aside."""

    on_error = DeadLetter()


class CliSlow(Projection):
    """Is still at its first order when it is to end."""

    topics = TOPICS

    @on(OrderPlaced)
    def placed(self, event: StoredEvent[OrderPlaced], tx: psycopg.Connection[Any]) -> None:
        """Tell that it began, and take a long time."""
        tx.execute("SELECT pg_notify('slow', %s)", (str(event.id),))
        threading.Event().wait(LONG_S)


class NoProjection:
    """A class of another kind."""
