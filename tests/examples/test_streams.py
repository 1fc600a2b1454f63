"""The applications of examples/streams: on given events, and on a real Kafka."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from mainstem import Event
from mainstem.kafka import KafkaEventStore, KafkaSettings
from mainstem.registry.memory import MemoryRegistry
from mainstem.streams import KafkaStreamsStore, StreamApp, StreamSettings
from mainstem.testing.streams import StreamDriver

STREAMS = Path(__file__).parents[2] / "examples" / "streams"
TOPICS = ("ORDERS", "PAYMENTS", "PRICED", "REVENUE", "PAID")
MODULES = ("events", "enrichment", "book_revenue", "paid_orders")
NINE = datetime(2026, 11, 2, 9, tzinfo=UTC)


@pytest.fixture
def name() -> str:
    """What topics and applications of this test begin with."""
    return f"s{uuid.uuid4().hex[:10]}"


@pytest.fixture
def events(name: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The example's events, their topics under names of this test."""
    monkeypatch.syspath_prepend(STREAMS)
    for module in MODULES:
        monkeypatch.delitem(sys.modules, module, raising=False)
    events = import_module("events")
    for topic in TOPICS:
        setattr(events, topic, f"{name}_{getattr(events, topic)}")
    yield events
    for module in MODULES:
        sys.modules.pop(module, None)


@pytest.fixture
def app(events: Any, name: str) -> Callable[[str], StreamApp]:
    """An application of the example, under a name of this test."""
    del events

    def app(module: str) -> StreamApp:
        found: StreamApp = getattr(import_module(module), module)
        return replace(found, name=f"{name}-{found.name}")

    return app


@pytest.fixture
def run(
    events: Any, app: Callable[[str], StreamApp], kafka: KafkaSettings, tmp_path: Path
) -> Callable[..., list[Any]]:
    """Runs an application on Kafka until so many results are there; these."""
    registry = MemoryRegistry()
    settings = StreamSettings(
        kafka=kafka, instance="one", state_dir=tmp_path, commit_interval_s=0.1
    )

    def run(module: str, topic: str, results: int, **given: list[Event[Any]]) -> list[Any]:
        application = app(module)
        with KafkaEventStore.open(kafka, registry=registry) as log:
            for source in ("ORDERS", "PAYMENTS"):
                log.create_topic(getattr(events, source), partitions=2)
            for source, batch in given.items():
                log.save_many(getattr(events, source.upper()), batch)
        types = [events.OrderPriced, events.RevenueCounted, events.OrderCompleted]
        with (
            KafkaStreamsStore(application, settings, registry=registry),
            KafkaEventStore.open(kafka, registry=registry, types=types, key_type=str) as log,
        ):
            return read(log, topic, results)

    return run


def read(log: KafkaEventStore, topic: str, results: int) -> list[Any]:
    """The payloads of so many events of a topic, as they come."""
    found: list[Any] = []
    with log.subscribe(topic) as batches:
        for batch in batches:
            found += [event.payload for event in batch]
            if len(found) >= results:
                break
    return found


def order(events: Any, seconds: int, country: str, net: str) -> Event[Any]:
    """An order, placed so many seconds after nine."""
    payload = events.OrderPlaced(country=country, net=Decimal(net))
    return Event(uuid.uuid4(), payload, NINE + timedelta(seconds=seconds))


def test_an_order_is_given_the_tax_of_its_country(
    events: Any, app: Callable[[str], StreamApp]
) -> None:
    """And one from where nothing is delivered is passed over: give one of each."""
    with StreamDriver(app("enrichment")) as driver:
        driver.given(order(events, 0, "Germany", "10.10"), order(events, 1, "Nowhere", "1.00"))

        driver.then(
            events.OrderPriced(country="Germany", net=Decimal("10.10"), tax=Decimal("0.71"))
        )


def test_revenue_is_that_of_a_country_and_a_minute(
    events: Any, app: Callable[[str], StreamApp]
) -> None:
    """As it stands after each order: give two of one minute, a later and another country's."""
    with StreamDriver(app("book_revenue")) as driver:
        driver.given(
            order(events, 0, "Spain", "1.50"),
            order(events, 59, "Spain", "2.00"),
            order(events, 60, "Spain", "4.00"),
            order(events, 1, "Norway", "8.00"),
        )

        driver.then(
            counted(events, 0, 1, "1.50"),
            counted(events, 0, 2, "3.50"),
            counted(events, 1, 1, "4.00"),
            counted(events, 0, 1, "8.00", country="Norway"),
        )


def counted(events: Any, minute: int, orders: int, net: str, *, country: str = "Spain") -> Any:
    """The revenue of a minute after nine."""
    start = NINE + timedelta(minutes=minute)
    return events.RevenueCounted(country=country, minute=start, orders=orders, net=Decimal(net))


def test_an_order_meets_its_payment_whichever_comes_first(
    events: Any, app: Callable[[str], StreamApp]
) -> None:
    """But none that is four days late: give three pairs, one the other way round, one late."""
    first, second, third = (order(events, 0, "Spain", net) for net in ("1.00", "2.00", "3.00"))
    with StreamDriver(app("paid_orders")) as driver:
        driver.given(first, topic=events.ORDERS)
        driver.given(paid(events, first), paid(events, second), topic=events.PAYMENTS)
        driver.given(second, third, topic=events.ORDERS)
        driver.given(paid(events, third, days=4), topic=events.PAYMENTS)

        driver.then(
            events.OrderCompleted(country="Spain", net=Decimal("1.00"), method="card"),
            events.OrderCompleted(country="Spain", net=Decimal("2.00"), method="card"),
        )


def paid(events: Any, order: Event[Any], *, days: int = 0) -> Event[Any]:
    """Its payment, a minute and so many days later."""
    later = order.timestamp + timedelta(minutes=1, days=days)
    return Event(order.key, events.OrderPaid(method="card"), later)


@pytest.mark.stack
def test_orders_are_enriched_on_kafka(events: Any, run: Callable[..., list[Any]]) -> None:
    """Each once: run on two partitions, read what comes out."""
    orders = [order(events, n, "Spain", f"{n}.00") for n in range(40)]
    found = run("enrichment", events.PRICED, 40, orders=orders)

    assert sorted(each.net for each in found) == [Decimal(n) for n in range(40)]
    assert all(each.tax == each.net * Decimal("0.04") for each in found)


@pytest.mark.stack
def test_revenue_is_counted_on_kafka(events: Any, run: Callable[..., list[Any]]) -> None:
    """The last word on each minute is its sum: run on two partitions, compare with plain sums."""
    orders = [order(events, n, ("Spain", "Norway")[n % 2], f"{n}.00") for n in range(90)]
    found = run("book_revenue", events.REVENUE, 90, orders=orders)
    last = {(each.country, each.minute): (each.orders, each.net) for each in found}

    assert len(found) == 90
    assert last == {
        ("Spain", NINE): (30, Decimal(sum(range(0, 60, 2)))),
        ("Norway", NINE): (30, Decimal(sum(range(1, 60, 2)))),
        ("Spain", NINE + timedelta(minutes=1)): (15, Decimal(sum(range(60, 90, 2)))),
        ("Norway", NINE + timedelta(minutes=1)): (15, Decimal(sum(range(61, 90, 2)))),
    }


@pytest.mark.stack
def test_orders_are_completed_on_kafka(events: Any, run: Callable[..., list[Any]]) -> None:
    """Each with its own payment: run on two topics, every second order unpaid."""
    orders = [order(events, n, "Spain", f"{n}.00") for n in range(40)]
    payments = [paid(events, each) for each in orders[::2]]
    found = run("paid_orders", events.PAID, 20, orders=orders, payments=payments)

    assert sorted(each.net for each in found) == [Decimal(n) for n in range(0, 40, 2)]
