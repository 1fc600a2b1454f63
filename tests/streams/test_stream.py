"""What one does with the events of a stream one by one, and by another key."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from mainstem.errors import ConfigurationError, StreamHalted
from mainstem.event import Event, StoredEvent
from mainstem.streams import State, Streams
from tests.streams.driving import at, drive, keyed, order, payloads, payment
from tests.streams.shop import BigOrder, Counted, OrderPaid, OrderPlaced, Revenue

Order = StoredEvent[OrderPlaced]


def counted(_event: Any, state: State) -> Counted:
    """How many events of the key there are."""
    orders = state.get("orders", 0) + 1
    state.set("orders", orders)
    return Counted(orders)


# -- one by one


def test_apply_gives_what_the_function_makes_of_each() -> None:
    """By the event's payload: make an order a big one."""

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        orders.apply(lambda event: BigOrder(event.payload.cents / 100)).to("big")

    with drive(program) as driver:
        driver.given(order("a", 150), order("b", 250)).then(BigOrder(1.5), BigOrder(2.5))


def test_apply_with_state_has_that_of_the_key_alone() -> None:
    """Count the orders of two keys."""

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        orders.apply(counted, stateful=True).to("counts")

    with drive(program) as driver:
        driver.given(order("a", 1), order("b", 1), order("a", 1))

        assert keyed(driver.results()) == [
            ("a", Counted(1)),
            ("b", Counted(1)),
            ("a", Counted(2)),
        ]


def test_filter_leaves_those_alone_for_which_it_is_true() -> None:
    """Whatever is true: filter by a remainder."""

    def program(streams: Streams) -> None:
        streams.subscribe("orders", OrderPlaced).filter(lambda event: event.payload.cents % 2).to(
            "odd"
        )

    with drive(program) as driver:
        driver.given(order("a", 1), order("a", 2), order("a", 3))

        assert [each.cents for each in payloads(driver.results())] == [1, 3]


def test_filter_with_state_knows_what_was_before() -> None:
    """Pass the first order of each key."""

    def first(_event: Order, state: State) -> bool:
        seen = state.exists("seen")
        state.set("seen", 1)
        return not seen

    def program(streams: Streams) -> None:
        streams.subscribe("orders", OrderPlaced).filter(first, stateful=True).to("first")

    with drive(program) as driver:
        driver.given(order("a", 1), order("a", 2), order("b", 3), order("b", 4))

        assert [each.cents for each in payloads(driver.results())] == [1, 3]


def test_update_looks_at_each_and_changes_none() -> None:
    """What it returns is not used: return None."""
    seen: list[int] = []

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        orders.update(lambda event: seen.append(event.payload.cents)).to("same")

    with drive(program) as driver:
        driver.given(order("a", 1), order("a", 2)).then(order("a", 1), order("a", 2))

        assert seen == [1, 2]


def test_update_with_state_keeps_something_for_later() -> None:
    """Keep the dearest order in one step, and read it in the next."""

    def keep(event: Order, state: State) -> None:
        state.set("most", max(event.payload.cents, state.get("most", 0)))

    def most(_event: Order, state: State) -> BigOrder:
        return BigOrder(state.get("most", 0))

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        orders.update(keep, stateful=True).apply(most, stateful=True).to("most")

    with drive(program) as driver:
        driver.given(order("a", 5), order("a", 3), order("a", 7))
        driver.then(BigOrder(5), BigOrder(5), BigOrder(7))


def test_expand_gives_none_one_or_more() -> None:
    """By a list, and by a generator."""

    def each(event: Order) -> Iterator[Counted]:
        yield from (Counted(number) for number in range(event.payload.cents))

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        orders.expand(lambda event: [Counted(event.payload.cents)] * 2).to("twice")
        orders.expand(each).to("each")

    with drive(program) as driver:
        driver.given(order("a", 0), order("a", 2), order("a", 1))
        driver.then(*(Counted(each) for each in (0, 0, 2, 2, 1, 1)), topic="twice")
        driver.then(Counted(0), Counted(1), Counted(0), topic="each")


def test_expand_with_state_knows_what_was_before() -> None:
    """Give each order together with the one before."""

    def pair(event: Order, state: State) -> list[Counted]:
        before = state.get("before")
        state.set("before", event.payload.cents)
        return [] if before is None else [Counted(before), Counted(event.payload.cents)]

    def program(streams: Streams) -> None:
        streams.subscribe("orders", OrderPlaced).expand(pair, stateful=True).to("pairs")

    with drive(program) as driver:
        driver.given(order("a", 1), order("b", 9), order("a", 2))
        driver.then(Counted(1), Counted(2))


def test_only_leaves_events_of_one_class() -> None:
    """Whether they are events still, or payloads already."""

    def program(streams: Streams) -> None:
        both = streams.subscribe("orders", OrderPlaced, OrderPaid)
        both.only(OrderPaid).to("paid")
        both.apply(lambda event: event.payload).only(OrderPlaced).to("placed")

    with drive(program) as driver:
        driver.given(order("a", 1), payment("a", "card"))
        driver.then(OrderPaid("card"), topic="paid").then(OrderPlaced("DE", 1), topic="placed")


def test_types_that_nobody_asked_for_are_passed_over() -> None:
    """A topic has more than one program needs: give it a payment."""

    def program(streams: Streams) -> None:
        streams.subscribe("orders", OrderPlaced).to("same")

    with drive(program) as driver:
        driver.given(payment("a", "card"), order("a", 1)).then(OrderPlaced("DE", 1))


def test_branches_do_not_disturb_each_other() -> None:
    """What one way changes, another does not see: append to a list in the first of two."""

    def program(streams: Streams) -> None:
        lists = streams.subscribe("orders", OrderPlaced).apply(lambda event: [event.payload.cents])
        lists.update(lambda cents: cents.append(100)).apply(lambda c: Counted(len(c))).to("changed")
        lists.apply(lambda cents: Counted(len(cents))).to("same")

    with drive(program) as driver:
        driver.given(order("a", 1))
        driver.then(Counted(2), topic="changed").then(Counted(1), topic="same")


def test_a_topic_is_subscribed_to_twice() -> None:
    """Each time for its own types: take orders here and payments there."""

    def program(streams: Streams) -> None:
        streams.subscribe("orders", OrderPlaced).to("placed")
        streams.subscribe("orders", OrderPaid).to("paid")

    with drive(program) as driver:
        driver.given(order("a", 1), payment("a", "card"))
        driver.then(OrderPlaced("DE", 1), topic="placed").then(OrderPaid("card"), topic="paid")


# -- by another key


@pytest.mark.parametrize("partitions", [1, 3])
def test_group_by_a_field_gives_each_the_new_key(partitions: int) -> None:
    """State goes by it, and the event has it: count and pass on, through one partition or three."""

    def program(streams: Streams) -> None:
        grouped = streams.subscribe("orders", OrderPlaced).group_by("country")
        grouped.apply(counted, stateful=True).to("counts")
        grouped.to("orders_by_country")

    with drive(program, partitions=partitions) as driver:
        driver.given(order("a", 1, 0, "DE"), order("b", 2, 1, "FR"), order("c", 3, 2, "DE"))

        assert keyed(driver.results(topic="counts")) == [
            ("DE", Counted(1)),
            ("FR", Counted(1)),
            ("DE", Counted(2)),
        ]
        driver.then(
            order("DE", 1, 0, "DE"),
            order("FR", 2, 1, "FR"),
            order("DE", 3, 2, "DE"),
            topic="orders_by_country",
        )


@pytest.mark.parametrize("partitions", [1, 3])
def test_group_by_a_function_gives_each_the_new_key(partitions: int) -> None:
    """The same for an integer of the function's: by the hundreds of cents."""
    seen: list[Any] = []

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        grouped = orders.group_by(lambda event: event.payload.cents // 100, "hundreds")
        grouped.update(lambda event: seen.append(event.key)).apply(counted, stateful=True).to("n")

    with drive(program, partitions=partitions) as driver:
        driver.given(order("a", 120), order("b", 250), order("c", 199))

        assert seen == [1, 2, 1]
        assert keyed(driver.results()) == [
            ("1", Counted(1)),
            ("2", Counted(1)),
            ("1", Counted(2)),
        ]


def test_group_by_keeps_all_but_the_key() -> None:
    """Metadata, time and place of an event come through the topic: look behind it."""
    seen: list[Order] = []

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        orders.group_by("country").update(seen.append).to("same")

    with drive(program, partitions=3) as driver:
        driver.given(Event("a", OrderPlaced("DE", 1), at(5), {"actor": b"ada"}))
        [event] = seen

        assert (event.key, event.topic, event.offset) == ("DE", "orders", 0)
        assert (event.timestamp, dict(event.metadata)) == (at(5), {"actor": b"ada"})
        driver.then(Event("DE", OrderPlaced("DE", 1), at(5), {"actor": b"ada"}))


@pytest.mark.parametrize("partitions", [1, 3])
def test_group_by_takes_values_that_are_no_events(partitions: int) -> None:
    """Their keys are those of the stream: regroup payloads."""

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced).apply(lambda event: event.payload)
        orders.group_by("country").to("same")

    with drive(program, partitions=partitions) as driver:
        driver.given(order("a", 1, 0, "FR"))

        assert keyed(driver.results()) == [("FR", OrderPlaced("FR", 1))]


def test_group_by_a_function_needs_a_name() -> None:
    """The name of the topic goes by it: leave it out."""

    def program(streams: Streams) -> None:
        streams.subscribe("orders", OrderPlaced).group_by(lambda event: event.payload.country)

    with pytest.raises(ConfigurationError, match="needs a name"):
        drive(program)


def test_group_by_behind_group_by_is_refused() -> None:
    """The engine cannot do it: try."""

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        orders.group_by("country").group_by("cents")

    with pytest.raises(ConfigurationError, match="app cannot be run"):
        drive(program)


# -- what state takes


def test_events_and_payloads_are_kept_in_state() -> None:
    """They come back as they were: keep the order before, inside of a dict too."""
    seen: list[Any] = []

    def keep(event: Order, state: State) -> None:
        seen.append(state.get("before"))
        state.set("before", {"event": event, "payloads": [event.payload]})

    def program(streams: Streams) -> None:
        streams.subscribe("orders", OrderPlaced).update(keep, stateful=True).to("same")

    with drive(program) as driver:
        driver.given(Event("a", OrderPlaced("DE", 1), at(1), {"actor": b"ada"}), order("a", 2))
        nothing, before = seen

        assert nothing is None
        assert isinstance(before["event"], StoredEvent)
        assert before["event"].timestamp == at(1)
        assert dict(before["event"].metadata) == {"actor": b"ada"}
        assert before["event"].payload == OrderPlaced("DE", 1)
        assert before["payloads"] == [OrderPlaced("DE", 1)]


def keep_revenue(event: Order, state: State) -> None:
    """Keep a payload of a class that is subscribed to nowhere."""
    before = state.get("revenue") or Revenue(event.payload.country, 0, 0, 0)
    total, orders = before.cents + event.payload.cents, before.orders + 1
    state.set("revenue", Revenue(before.country, 0, total, orders))


def revenues(streams: Streams) -> None:
    """Keep and give the revenue of each key."""
    orders = streams.subscribe("orders", OrderPlaced).update(keep_revenue, stateful=True)
    orders.apply(lambda _event, state: state.get("revenue"), stateful=True).to("revenues")


def test_declared_payloads_are_kept_in_state() -> None:
    """Those of `types=`, besides what it subscribes to."""
    with drive(revenues, types=[Revenue]) as driver:
        driver.given(order("a", 5), order("a", 6))
        driver.then(Revenue("DE", 0, 5, 1), Revenue("DE", 0, 11, 2))


def test_undeclared_payloads_in_state_are_refused_with_a_hint() -> None:
    """They could not be read after a restart: keep one."""
    with drive(revenues) as driver, pytest.raises(StreamHalted, match="UndeclaredPayload") as told:
        driver.given(order("a", 5))

    assert "the payload class Revenue is kept in state but was not declared" in told.value.message
    assert "types=[Revenue]" in told.value.hint


# -- keys


def test_keys_need_not_be_text() -> None:
    """Bytes that are no UTF-8 have state and results of their own: count two that look alike."""

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        orders.update(lambda event: seen.append(event.key)).apply(counted, stateful=True).to("n")

    seen: list[Any] = []
    keys = [b"\xff\xfe|", b"\xff\xfd|", b"\xff\xfe|", b""]
    with drive(program, key_type=bytes) as driver:
        driver.given(*(order(key, 1) for key in keys))
        driver.then(Counted(1), Counted(1), Counted(2), Counted(1))

        assert seen == keys


def test_keys_with_a_bar_do_not_collide() -> None:
    """State keys are put together from two texts: divide one text in two ways."""

    def remember(event: Order, state: State) -> Counted:
        name = event.payload.country
        state.set(name, state.get(name, 0) + 1)
        return Counted(state.get(name, 0))

    def program(streams: Streams) -> None:
        streams.subscribe("orders", OrderPlaced).apply(remember, stateful=True).to("n")

    with drive(program, partitions=1) as driver:
        driver.given(order("a|b", 1, 0, "c"), order("a", 1, 0, "b|c"), order("a|b", 1, 0, "c"))
        driver.then(Counted(1), Counted(1), Counted(2))
