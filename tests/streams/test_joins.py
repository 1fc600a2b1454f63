"""Which events of two streams come together, whatever the order in which they come by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from quixstreams.dataframe.joins.lookups import BaseField, BaseLookup
from quixstreams.models import TopicConfig

from mainstem.errors import ConfigurationError
from mainstem.event import Event, StoredEvent
from mainstem.kafka.settings import KafkaSettings
from mainstem.registry.memory import MemoryRegistry
from mainstem.streams import EventStream, StreamApp, Streams, StreamSettings
from mainstem.streams.building import build
from mainstem.streams.engine_topics import EngineTopics
from mainstem.testing.stream_log import DriverEngine, Log, LogAdmin
from tests.streams.driving import at, drive, order, payment
from tests.streams.shop import MINUTE, BigOrder, OrderPaid, OrderPlaced, PaidOrder, paid

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
Row = tuple[str, Event[Any]]


def placed(key: str, cents: int, second: float = 0) -> Row:
    """An order, with its topic."""
    return "orders", order(key, cents, second)


def settled(key: str, method: str, second: float = 0) -> Row:
    """A payment, with its topic."""
    return "payments", payment(key, method, second)


def both(order_: Any, payment_: Any) -> tuple[Any, Any]:
    """Cents and method, None for what is not there."""
    return (
        None if order_ is None else order_.payload.cents,
        None if payment_ is None else payment_.payload.method,
    )


def pairs(join: str, *rows: Row, partitions: int = 1, **options: Any) -> list[Any]:
    """What a join of orders with payments makes of these events, in the order of their coming."""
    found: list[Any] = []

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        payments = streams.subscribe("payments", OrderPaid)
        getattr(orders, join)(payments, both, **options).update(found.append)

    with drive(program, partitions=partitions) as driver:
        for topic, event in rows:
            driver.given(event, topic=topic)
    return found


# -- as of


@pytest.mark.parametrize("partitions", [1, 3])
def test_as_of_takes_the_last_of_the_right_that_is_not_younger(partitions: int) -> None:
    """Of the same key: among older ones, one at the same time, younger ones and another's."""
    found = pairs(
        "join_asof",
        settled("a", "old", 1),
        settled("a", "equal", 5),
        settled("a", "young", 6),
        settled("b", "other", 4),
        placed("a", 1, 5),
        placed("a", 2, 4.999),
        placed("c", 3, 5),
        partitions=partitions,
    )

    assert found == [(1, "equal"), (2, "old")]


def test_as_of_left_gives_those_too_that_have_none() -> None:
    """With None: an order before its payment, and one after it."""
    found = pairs(
        "join_asof", placed("a", 1, 1), settled("a", "card", 2), placed("a", 2, 3), how="left"
    )

    assert found == [(1, None), (2, "card")]


def test_as_of_finds_a_value_that_is_false() -> None:
    """Zero is a value: have numbers on the right."""
    found: list[Any] = []

    def program(streams: Streams) -> None:
        cents = streams.subscribe("orders", OrderPlaced).apply(lambda event: event.payload.cents)
        payments = streams.subscribe("payments", OrderPaid)
        payments.join_asof(cents, lambda event, last: (event.payload.method, last)).update(
            found.append
        )

    with drive(program) as driver:
        driver.given(order("a", 0), topic="orders").given(payment("a", "card", 1), topic="payments")

    assert found == [("card", 0)]


def test_as_of_forgets_what_is_older_than_it_keeps() -> None:
    """Behind the newest of the key: ask for a time before."""
    rows = [settled("a", "old", 1), settled("a", "new", 100), placed("a", 1, 50)]

    assert pairs("join_asof", *rows, keep=timedelta(seconds=99)) == [(1, "old")]
    assert pairs("join_asof", *rows, keep=timedelta(seconds=98)) == []


def test_as_of_goes_on_with_key_time_and_metadata_of_the_left() -> None:
    """It enriches: send the result."""

    def program(streams: Streams) -> None:
        payments = streams.subscribe("payments", OrderPaid)
        streams.subscribe("orders", OrderPlaced).join_asof(payments, paid).to("paid")

    with drive(program) as driver:
        driver.given(payment("a", "card", 1), topic="payments")
        driver.given(Event("a", OrderPlaced("DE", 5), at(9), {"actor": b"ada"}), topic="orders")
        driver.then(Event("a", PaidOrder(5, "card"), at(9), {"actor": b"ada"}))


# -- within an interval

BOUNDS: dict[str, Any] = {"backward": 2 * SECOND, "forward": 3 * SECOND}


@pytest.mark.parametrize("partitions", [1, 3])
def test_an_interval_takes_all_within_its_bounds(partitions: int) -> None:
    """To the millisecond, of the same key: payments around an order."""
    payments = {7.999: "too old", 8: "oldest", 10: "equal", 13: "youngest", 13.001: "too young"}
    rows = [settled("a", method, second) for second, method in payments.items()]
    found = pairs(
        "join_interval",
        placed("a", 1, 10),
        settled("b", "other", 10),
        *rows,
        partitions=partitions,
        **BOUNDS,
    )

    assert found == [(1, "oldest"), (1, "equal"), (1, "youngest")]


@pytest.mark.parametrize("rows", [*permutations([placed("a", 1, 10), settled("a", "y", 12)])])
def test_a_pair_is_found_whichever_comes_by_first(rows: tuple[Row, ...]) -> None:
    """The younger one too: put both orders."""
    assert pairs("join_interval", *rows, **BOUNDS) == [(1, "y")]


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("inner", [(3, "card")]),
        ("left", [(1, None), (3, "card")]),
        ("right", [(None, "cash"), (None, "card"), (3, "card")]),
        ("outer", [(1, None), (None, "cash"), (None, "card"), (3, "card")]),
    ],
)
def test_those_without_a_partner_go_on_as_how_says(how: str, expected: list[Any]) -> None:
    """At once, as they come by: an order alone, a payment alone, and a pair."""
    rows = [
        placed("a", 1, 1),
        settled("b", "cash", 1),
        settled("a", "card", 60),
        placed("a", 3, 61),
    ]

    assert pairs("join_interval", *rows, how=how, **BOUNDS) == expected


def test_equal_times_are_all_kept() -> None:
    """Two of one key and moment on both sides make four pairs."""
    rows = [placed("a", 1), placed("a", 2), settled("a", "x"), settled("a", "y")]

    assert sorted(pairs("join_interval", *rows)) == [(1, "x"), (1, "y"), (2, "x"), (2, "y")]


def test_keeping_shorter_than_the_interval_is_refused() -> None:
    """Partners would be gone: in both directions."""
    with pytest.raises(ConfigurationError, match="kept for 0:00:01, but the join reaches"):
        pairs("join_interval", keep=SECOND, backward=MINUTE)
    with pytest.raises(ConfigurationError, match="kept for 0:00:01, but the join reaches"):
        pairs("join_interval", keep=SECOND, forward=MINUTE)


def test_a_pair_has_no_metadata() -> None:
    """It comes from two events: send one, at the time of the one that came second."""

    def program(streams: Streams) -> None:
        payments = streams.subscribe("payments", OrderPaid)
        orders = streams.subscribe("orders", OrderPlaced)
        orders.join_interval(payments, paid, forward=MINUTE).to("paid")

    with drive(program) as driver:
        driver.given(Event("a", OrderPlaced("DE", 5), at(1), {"actor": b"ada"}), topic="orders")
        driver.given(payment("a", "card", 9), topic="payments")
        driver.then(Event("a", PaidOrder(5, "card"), at(9)))


# -- which streams


def test_a_topic_cannot_be_joined_with_itself() -> None:
    """The engine keeps one state for each: try both joins."""
    for join in ("join_asof", "join_interval"):

        def program(streams: Streams, join: str = join) -> None:
            orders = streams.subscribe("orders", OrderPlaced)
            getattr(orders, join)(streams.subscribe("orders", OrderPlaced), both)

        with pytest.raises(ConfigurationError, match="cannot be joined") as told:
            drive(program)

        assert "they must come from different topics" in told.value.hint


def test_a_topic_is_joined_with_itself_by_another_key() -> None:
    """Regrouped, it is another one: orders with the last one that had their country as its key."""
    found: list[Any] = []

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        orders.join_asof(orders.group_by("country"), lambda one, last: (one.key, last.key)).update(
            found.append
        )

    with drive(program) as driver:
        driver.given(order("a", 1, 0, "b"), order("b", 1, 1, "c"))

    assert found == [("b", "b")]


def test_a_stream_is_joined_several_times_under_several_names() -> None:
    """Without names it is refused: join orders with two topics."""
    found: list[Any] = []

    def joining(name: str | None) -> Any:
        def program(streams: Streams) -> None:
            orders = streams.subscribe("orders", OrderPlaced)
            for topic, called in (("payments", None), ("others", name)):
                right = streams.subscribe(topic, OrderPaid)
                joined = orders.join_interval(right, both, name=called, forward=MINUTE)
                joined.update(found.append)

        return program

    with pytest.raises(ConfigurationError, match="a second time") as told:
        drive(joining(None))
    with drive(joining("others")) as driver:
        driver.given(order("a", 1), topic="orders")
        driver.given(payment("a", "x", 1), topic="payments")
        driver.given(payment("a", "y", 2), topic="others")

    assert "name=" in told.value.hint
    assert found == [(1, "x"), (1, "y")]


class Uneven(LogAdmin):
    """A cluster whose topics have as many partitions as their names have letters."""

    def inspect_topics(self, names: list[str], timeout: float | None = None) -> dict[str, Any]:
        """How topics are."""
        del timeout
        return {name: TopicConfig(len(name), 1) for name in names}


class UnevenEngine(DriverEngine):
    """An engine that finds such topics."""

    driver_log = Log(1)

    def _get_topic_manager(self) -> EngineTopics:
        topics: Any = self._reach_topics()
        admin: Any = Uneven(1)
        return EngineTopics(admin, self.app, topics)


@pytest.mark.parametrize("join", ["join_asof", "join_interval"])
def test_unequal_partitions_are_refused(tmp_path: Path, join: str) -> None:
    """Equal keys would not meet: ask for topics of six and of eight."""

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        getattr(orders, join)(streams.subscribe("payments", OrderPaid), both)

    settings = StreamSettings(kafka=KafkaSettings("nowhere:9"), state_dir=tmp_path)
    with pytest.raises(ConfigurationError, match="unequal numbers of partitions") as told:
        build(StreamApp("app", program), settings, MemoryRegistry(), None, UnevenEngine)

    assert ".group_by(…)" in told.value.hint


def test_windows_behind_a_join_with_a_regrouped_stream_must_say_their_grace() -> None:
    """One side is out of order, so the pairs are: leave it out."""

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        payments = streams.subscribe("payments", OrderPaid).group_by("method")
        orders.join_interval(payments, both).tumbling_window(MINUTE)

    with pytest.raises(ConfigurationError, match="has no grace"):
        drive(program)


# -- look-ups and both together


@dataclass(frozen=True)
class Rate(BaseField):
    """A field of the look-up below."""

    year: int


class Rates(BaseLookup[Rate]):
    """What a currency was worth in a year."""

    def join(  # noqa: PLR0913, PLR0917  # The engine's.
        self,
        fields: Mapping[str, Rate],
        on: str,
        value: dict[str, Any],
        key: Any,
        timestamp: int,
        headers: Any,
    ) -> None:
        """Fill in the fields, of which there is one."""
        del key, timestamp, headers
        value.update({name: f"{on}@{field.year}" for name, field in fields.items()})


@pytest.mark.parametrize(("on", "expected"), [(None, "a@2026"), ("country", "DE@2026")])
def test_a_lookup_finds_fields_by_key_or_by_a_function(on: str | None, expected: str) -> None:
    """The value itself is left alone: merge with what was found."""
    found: list[Any] = []

    def merged(event: StoredEvent[OrderPlaced], fields: dict[str, Any]) -> Any:
        return event.payload, fields

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        by = None if on is None else lambda event: getattr(event.payload, on)
        orders.join_lookup(Rates(), {"rate": Rate(2026)}, merged, on=by).update(found.append)

    with drive(program) as driver:
        driver.given(order("a", 1))

    assert found == [(OrderPlaced("DE", 1), {"rate": expected})]


def test_concat_has_the_events_of_both() -> None:
    """As they come by: send both to one topic."""

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        payments: EventStream[Any] = streams.subscribe("payments", OrderPaid)
        orders.concat(payments).to("both")

    with drive(program) as driver:
        driver.given(order("a", 1), topic="orders").given(payment("a", "x"), topic="payments")
        driver.then(OrderPlaced("DE", 1), OrderPaid("x"))


def test_branches_come_together_again() -> None:
    """Each event that went both ways twice: divide and concat."""

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        dear = orders.filter(lambda event: event.payload.cents > 1).apply(lambda _: BigOrder(1))
        orders.apply(lambda _: BigOrder(0)).concat(dear).to("both")

    with drive(program) as driver:
        driver.given(order("a", 1)).then(BigOrder(0))
        driver.given(order("a", 2))

        assert sorted(each.payload.euros for each in driver.results()) == [0, 1]
