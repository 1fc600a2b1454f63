"""Events that come too late for their window are counted and told, not lost in silence."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from mainstem.streams import Streams
from mainstem.streams.late import LateEvents
from mainstem.streams.reporting import Counters
from tests.streams.driving import drive, order
from tests.streams.shop import MINUTE, Counted, OrderPlaced

HALF = timedelta(seconds=30)
DROPPED = "window minute dropped"
MINUTES = "minutes_tumbling_window_60000"
OVERLAPPING = "overlapping_hopping_window_60000_30000"
"""What the engine calls windows: their name or a default, their kind and their length."""
MORE = "more of grace would have kept them"


def late(events: LateEvents, name: str, late_by_ms: int) -> bool:
    """Tell it of one, as the engine does."""
    return events.on_late(
        object(), "secret", 5, late_by_ms, 0, 60_000, name, "orders", partition=0, offset=9
    )


# -- counting


def test_late_events_are_counted_by_window() -> None:
    """In all, and how much grace the worst lacked: tell of three, in two windows."""
    counters = Counters()
    events = LateEvents(counters)
    for name, late_by_ms in (("minute", 10), ("minute", 30), ("hour", 20)):
        late(events, name, late_by_ms)

    assert {name: (each.events, each.worst_ms) for name, each in events.windows.items()} == {
        "minute": (2, 30),
        "hour": (1, 20),
    }
    assert counters.late == 3


def test_the_engine_is_told_to_log_nothing_of_its_own() -> None:
    """Its line would hold the key: see what it is answered."""
    assert late(LateEvents(Counters()), "minute", 10) is False


def test_news_tell_numbers_once() -> None:
    """What is new since the last call, and how much grace would do: ask three times."""
    events = LateEvents(Counters())
    for _ in range(1200):
        late(events, "minute", 2500)
    first, nothing = events.news(), events.news()
    late(events, "minute", 9000)

    assert first == [f"{DROPPED} 1,200 late events, 1,200 in all; 2.5 s {MORE}"]
    assert nothing == []
    assert events.news() == [f"{DROPPED} 1 late events, 1,201 in all; 9.0 s {MORE}"]


# -- in a program


def windows(streams: Streams) -> None:
    """Counts by minutes, and by overlapping ones, with half a minute of grace."""
    orders = streams.subscribe("orders", OrderPlaced)
    for name, step in (("minutes", None), ("overlapping", HALF)):
        cut: Any = (
            orders.tumbling_window(MINUTE, grace=HALF, name=name)
            if step is None
            else orders.hopping_window(MINUTE, step, grace=HALF, name=name)
        )
        cut.count().current().apply(lambda window: Counted(window.value)).to(name)


def test_a_late_event_is_in_no_result_and_counted() -> None:
    """Once for each window that it missed: give one that is two minutes late."""
    with drive(windows) as driver:
        driver.given(order("a", 1, 65), order("a", 1, 185))
        for name in ("minutes", "overlapping"):
            driver.results(topic=name)

        assert driver.late == {}

        driver.given(order("a", 1, 70)).then(topic="minutes").then(topic="overlapping")

        assert driver.late == {MINUTES: 1, OVERLAPPING: 2}


def test_an_event_within_the_grace_is_not_late() -> None:
    """It is in the result: give one that is a millisecond before the end of the grace."""
    with drive(windows) as driver:
        driver.given(order("a", 1, 65), order("a", 1, 149.999), order("a", 1, 70))

        assert MINUTES not in driver.late
        driver.then(Counted(1), Counted(1), Counted(2), topic="minutes")


def test_late_is_by_key() -> None:
    """Another key's time is nothing to it: give an older event of another key."""
    with drive(windows, partitions=1) as driver:
        driver.given(order("a", 1, 3600), order("b", 1, 0)).then(
            Counted(1), Counted(1), topic="minutes"
        )

        assert driver.late == {}
