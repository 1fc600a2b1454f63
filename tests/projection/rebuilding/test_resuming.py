"""Rebuilds that are killed, and what the next one makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from mainstem.event import StoredEvent
from mainstem.projection.definition import define
from mainstem.projection.handlers import on
from mainstem.projection.rebuilding import rebuild
from tests.projection.rebuilding.shop import (
    OrderPlaced,
    Shop,
    Totals,
)
from tests.projection.rebuilding.victim import struck


def test_a_killed_rebuild_goes_on_where_it_was(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """No event counts twice and none is missing: kill it by SIGKILL in its middle, then resume."""
    monkeypatch.setattr(Totals, "topics", (shop.topic,))
    shop.order(3000)
    struck(shop, "1000")
    table = shop.ask("SELECT to_regclass('public.totals')")

    report = rebuild(define(Totals), shop.settings())

    assert table == [(None,)]
    assert report.resumed
    assert 0 < report.events <= 2000
    assert shop.totals() == shop.expected


def test_other_code_does_not_go_on_with_what_was_begun(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two codes would make a mixture: kill a rebuild, correct the class, rebuild."""
    monkeypatch.setattr(Totals, "topics", (shop.topic,))
    shop.order(2000)
    struck(shop, "1000")

    report = rebuild(define(shop.projection(Corrected)), shop.settings())

    assert not report.resumed
    assert shop.totals() == {country: 2 * cents for country, cents in shop.expected.items()}


class Corrected(Totals):
    """Counts twice."""

    name = "totals"

    @on(OrderPlaced)
    def placed(
        self, events: Sequence[StoredEvent[OrderPlaced]], tx: psycopg.Connection[Any]
    ) -> None:
        """As before, and again."""
        super().placed(events, tx)
        super().placed(events, tx)


def test_a_rebuild_that_is_killed_behind_its_swap_is_complete(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it leaves is cleared away by the next one: kill it there, and look at both."""
    monkeypatch.setattr(Totals, "topics", (shop.topic,))
    shop.order(200)
    rebuild(define(Totals), shop.settings())
    shop.order(200)
    struck(shop, "swap")
    swapped = shop.totals()

    report = rebuild(define(Totals), shop.settings())

    assert swapped == shop.totals() == shop.expected
    assert not report.resumed
    assert shop.ask("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'totals%'") == []
