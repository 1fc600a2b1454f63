"""What windows take in, what they amount to, and when it comes out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from statistics import mean
from typing import Any

import pytest

from mainstem.errors import ConfigurationError
from mainstem.event import Event, StoredEvent
from mainstem.streams import (
    Collect,
    Count,
    Earliest,
    EventStream,
    Latest,
    Max,
    Mean,
    Min,
    Streams,
    Sum,
    Window,
)
from tests.streams.driving import NOON, at, drive, order
from tests.streams.shop import MINUTE, Counted, OrderPlaced

Orders = EventStream[StoredEvent[OrderPlaced]]
HALF = timedelta(seconds=30)
DAY = timedelta(days=1)


def seen(
    cut: Callable[[Orders], EventStream[Window[Any]]],
    *events: Event[Any],
    partitions: int = 1,
    **options: Any,
) -> list[Window[Any]]:
    """The windows that come of these events."""
    found: list[Window[Any]] = []

    def program(streams: Streams) -> None:
        cut(streams.subscribe("orders", OrderPlaced)).update(found.append)

    with drive(program, partitions=partitions, **options) as driver:
        driver.given(*events)
    return found


def spans(windows: list[Window[Any]]) -> list[tuple[float, float, Any]]:
    """Start and end in seconds after noon, and the value."""
    return [
        ((each.start - NOON).total_seconds(), (each.end - NOON).total_seconds(), each.value)
        for each in windows
    ]


# -- kinds


def test_tumbling_windows_stand_side_by_side() -> None:
    """Each event is in one, an event on the border in the later one: count by minutes."""
    events = [order("a", 1, second) for second in (0, 59.999, 60, 61, 200)]
    windows = seen(lambda orders: orders.tumbling_window(MINUTE).count().current(), *events)

    assert spans(windows) == [(0, 60, 1), (0, 60, 2), (60, 120, 1), (60, 120, 2), (180, 240, 1)]


def test_hopping_windows_overlap() -> None:
    """An event is in each that is over it: count by minutes that begin every half."""
    events = [order("a", 1, second) for second in (30, 70, 300)]
    windows = seen(lambda orders: orders.hopping_window(MINUTE, HALF).count().final(), *events)

    assert spans(windows) == [(0, 60, 1), (30, 90, 2), (60, 120, 1)]


def test_sliding_windows_end_at_each_event() -> None:
    """And reach back: count those of the last half minute."""
    events = [order("a", 1, second) for second in (40, 50, 75, 200)]
    windows = seen(
        lambda orders: orders.sliding_window(HALF, grace=MINUTE).count().current(), *events
    )
    ends = {end: count for _, end, count in spans(windows)}

    assert ends == {40: 1, 50: 2, 75: 2, 200: 1}


def test_session_windows_go_on_while_events_come() -> None:
    """And end, by a millisecond, behind the last one before a gap: count two visits."""
    events = [order("a", 1, second) for second in (0, 20, 45, 100, 110, 500)]
    windows = seen(lambda orders: orders.session_window(HALF).count().final(), *events)

    assert spans(windows) == [(0, 45.001, 3), (100, 110.001, 2)]


def test_an_event_between_two_sessions_makes_one_of_them() -> None:
    """The merger puts their values together: let it come late, within the grace."""
    events = [order("a", cents, second) for cents, second in ((1, 0), (2, 50), (4, 25), (8, 900))]
    windows = seen(
        lambda orders: (
            orders.session_window(HALF, grace=MINUTE)
            .reduce(
                lambda cents, event: cents + event.payload.cents,
                lambda event: event.payload.cents,
                lambda left, right: left + right,
            )
            .final()
        ),
        *events,
    )

    assert spans(windows) == [(0, 50.001, 7)]


def test_a_session_that_is_reduced_needs_a_merger() -> None:
    """It is asked for when the program is built: leave it out."""
    with pytest.raises(ConfigurationError, match="app cannot be run"):
        seen(lambda orders: orders.session_window(HALF).reduce(lambda a, _: a, lambda _: 1).final())


# -- what they amount to

CENTS = [70, 10, 40]


@pytest.mark.parametrize(
    ("cut", "value"),
    [
        (lambda windows: windows.count(), 3),
        (lambda windows: windows.sum("cents"), sum(CENTS)),
        (lambda windows: windows.sum(lambda event: event.payload.cents * 2), 2 * sum(CENTS)),
        (lambda windows: windows.mean("cents"), mean(CENTS)),
        (lambda windows: windows.min("cents"), min(CENTS)),
        (lambda windows: windows.max("cents"), max(CENTS)),
        (
            lambda windows: windows.reduce(
                lambda all_, event: [*all_, event.payload.cents],
                lambda event: [event.payload.cents],
            ),
            CENTS,
        ),
    ],
    ids=["count", "sum", "sum of a function", "mean", "min", "max", "reduce"],
)
def test_a_window_amounts_to(cut: Any, value: Any) -> None:
    """By a field of the payload or a function of the event: three orders, then a later one."""
    events = [order("a", cents, second) for second, cents in enumerate(CENTS)]
    windows = seen(
        lambda orders: cut(orders.tumbling_window(MINUTE)).final(), *events, order("a", 1, 60)
    )

    assert spans(windows) == [(0, 60, value)]


def test_collect_gives_the_events_of_a_window() -> None:
    """As they were, in the order of their time: give one later that is older."""
    events = [order("a", cents, second) for cents, second in ((1, 5), (2, 3), (3, 60))]
    [window] = seen(lambda orders: orders.tumbling_window(MINUTE).collect().final(), *events)

    assert [each.payload for each in window.value] == [OrderPlaced("DE", 2), OrderPlaced("DE", 1)]
    assert all(isinstance(each, StoredEvent) for each in window.value)


def test_agg_gives_several_by_their_names() -> None:
    """All that there are at once, over a field: look them up in the window."""
    events = [order("a", cents, second) for second, cents in enumerate(CENTS)]
    [window] = seen(
        lambda orders: (
            orders.tumbling_window(MINUTE)
            .agg(
                orders=Count(),
                total=Sum("cents"),
                mean=Mean("cents"),
                least=Min("cents"),
                most=Max("cents"),
                first=Earliest("cents"),
                last=Latest("cents"),
                all=Collect("cents"),
            )
            .final()
        ),
        *events,
        order("a", 1, 60),
    )

    assert window.value == {
        "orders": 3,
        "total": 120,
        "mean": 40,
        "least": 10,
        "most": 70,
        "first": 70,
        "last": 40,
        "all": CENTS,
    }
    assert window["total"] == 120


def test_two_sums_of_one_window_do_not_mix() -> None:
    """Each has its own field or function: sum cents and their doubles."""
    windows = seen(
        lambda orders: (
            orders.tumbling_window(MINUTE)
            .agg(once=Sum("cents"), twice=Sum(lambda event: event.payload.cents * 2))
            .current()
        ),
        order("a", 1),
        order("a", 2),
    )

    assert [each.value for each in windows] == [{"once": 1, "twice": 2}, {"once": 3, "twice": 6}]


@pytest.mark.parametrize("name", ["start", "end"])
def test_no_aggregation_is_called_like_a_bound(name: str) -> None:
    """It would be lost in the engine's result: name one so."""
    with pytest.raises(ConfigurationError, match=f"cannot be called '{name}'"):
        seen(lambda orders: orders.tumbling_window(MINUTE).agg(**{name: Count()}).final())


# -- when they come out


def test_collect_has_no_current_value() -> None:
    """Its events wait for the end: ask for it."""
    with pytest.raises(ConfigurationError, match="gives them once it is closed") as told:
        seen(lambda orders: orders.tumbling_window(MINUTE).collect().current())

    assert ".final()" in told.value.hint


def test_final_closes_by_a_later_event_of_the_same_key() -> None:
    """Another key's does not: give one of each."""
    counts = lambda orders: orders.tumbling_window(MINUTE).count().final()  # noqa: E731  # Twice.
    first = [order("a", 1), order("b", 1, 300)]

    assert seen(counts, *first) == []
    assert spans(seen(counts, *first, order("a", 1, 60))) == [(0, 60, 1)]


def test_final_by_partition_closes_by_a_later_event_of_any_key() -> None:
    """The same events: the other key's closes it now."""
    windows = seen(
        lambda orders: orders.tumbling_window(MINUTE).count().final(by_partition=True),
        order("a", 1),
        order("b", 1, 300),
    )

    assert [(each.key, each.value) for each in windows] == [("a", 1)]


def test_a_window_waits_for_late_events_as_long_as_its_grace() -> None:
    """To the millisecond: with grace an event counts that is too late without."""
    events = [order("a", 1), order("a", 1, 89.999), order("a", 1, 1), order("a", 1, 120)]
    graceful = seen(
        lambda orders: orders.tumbling_window(MINUTE, grace=HALF).count().final(), *events
    )
    strict = seen(lambda orders: orders.tumbling_window(MINUTE).count().final(), *events)

    assert spans(graceful)[0] == (0, 60, 2)
    assert spans(strict)[0] == (0, 60, 1)


@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("kind", ["tumbling", "hopping", "sliding", "session"])
def test_windows_behind_group_by_must_say_their_grace(kind: str, partitions: int) -> None:
    """Partitions are read apart in time there: leave it out, for each kind."""

    def cut(orders: Orders) -> EventStream[Window[int]]:
        spans = [MINUTE, HALF] if kind == "hopping" else [MINUTE]
        windows = getattr(orders.group_by("country"), f"{kind}_window")(*spans)
        counts: EventStream[Window[int]] = windows.count().current()
        return counts

    with pytest.raises(ConfigurationError, match=f"the {kind} window behind group_by has no grace"):
        seen(cut, partitions=partitions)


def test_a_negative_grace_is_refused() -> None:
    """It means nothing: ask for one."""
    with pytest.raises(ConfigurationError, match="is negative"):
        seen(lambda orders: orders.tumbling_window(MINUTE, grace=-HALF).count().current())


def test_windows_behind_group_by_go_by_the_new_key() -> None:
    """Over partitions: sum two customers' orders by country."""
    windows = seen(
        lambda orders: (
            orders.group_by("country").tumbling_window(MINUTE, grace=DAY).sum("cents").current()
        ),
        order("a", 1, 0, "DE"),
        order("b", 2, 1, "DE"),
        order("a", 4, 2, "FR"),
        partitions=3,
    )

    assert [(each.key, each.value) for each in windows] == [("DE", 1), ("DE", 3), ("FR", 4)]


@pytest.mark.parametrize(("key", "key_type"), [("a", str), (7, int), (b"\xff|", bytes)])
def test_a_window_has_the_key_of_its_events(key: Any, key_type: type) -> None:
    """Of the application's type, bytes that are no text too: count one event."""
    [window] = seen(
        lambda orders: orders.tumbling_window(MINUTE).count().current(),
        order(key, 1),
        key_type=key_type,
    )

    assert window.key == key
    assert type(window.key) is key_type


def test_a_window_behind_group_by_has_a_key_of_the_type_that_is_said() -> None:
    """Group by a number, say so, and say nothing."""

    def grouped(**options: Any) -> Any:
        [window] = seen(
            lambda orders: (
                orders.group_by("cents", **options)
                .tumbling_window(MINUTE, grace=DAY)
                .count()
                .current()
            ),
            order("a", 5),
        )
        return window.key

    assert (grouped(key_type=int), grouped()) == (5, "5")


def test_two_windows_of_one_stream_do_not_mix() -> None:
    """Each has its own state: a minute and half of it."""
    found: list[tuple[str, int]] = []

    def note(name: str) -> Callable[[int], None]:
        return lambda value: found.append((name, value))

    def program(streams: Streams) -> None:
        orders = streams.subscribe("orders", OrderPlaced)
        for name, length in (("minute", MINUTE), ("half", HALF)):
            counts = orders.tumbling_window(length).count().current()
            counts.apply(lambda window: window.value).update(note(name))

    with drive(program) as driver:
        driver.given(order("a", 1), order("a", 1, 40))

    assert sorted(found) == [("half", 1), ("half", 1), ("minute", 1), ("minute", 2)]


def test_results_are_at_the_start_of_their_window() -> None:
    """That is their time in a topic: send one."""

    def program(streams: Streams) -> None:
        windows = streams.subscribe("orders", OrderPlaced).tumbling_window(MINUTE).count().final()
        windows.apply(lambda window: Counted(window.value)).to("counts")

    with drive(program) as driver:
        driver.given(order("a", 1, 70), order("a", 1, 130))
        driver.then(Event("a", Counted(1), at(60)))
