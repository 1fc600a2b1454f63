"""Health: ready is what flows."""

from __future__ import annotations

from mainstem.telemetry.health import Health, Vital


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        """It is noon."""
        self.now_s = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now_s


def vital(clock: Clock) -> Vital:
    """A part whose silence may last for 15 seconds."""
    return Vital("line main", "heartbeat came back", 15.0, clock)


def test_before_the_first_sign_of_life_it_is_not_ready_and_says_what_it_waits_for() -> None:
    """Nothing has gone through; the last words explain it."""
    part = vital(Clock())
    part.say("standing by")

    assert part.why_not() == "no heartbeat came back yet: standing by"


def test_a_sign_of_life_is_good_for_a_while() -> None:
    """Ready within the bound, and not beyond it; words from before the sign explain nothing."""
    clock = Clock()
    part = vital(clock)
    part.say("connected")
    part.alive()
    at_once = part.why_not()
    clock.now_s = 15.0
    in_time = part.why_not()
    clock.now_s = 16.0

    assert (at_once, in_time) == ("", "")
    assert part.why_not() == "no heartbeat came back for 16 s"


def test_what_flows_but_stands_still_somewhere_is_not_ready() -> None:
    """A judgement counts while the part is alive, until it is lifted."""
    part = vital(Clock())
    part.alive()
    part.judge("2 partitions stand still")
    judged = part.why_not()
    part.judge("")

    assert judged == "2 partitions stand still"
    assert not part.why_not()


def test_a_part_that_is_done_is_asked_nothing() -> None:
    """With --once one projection ends before another."""
    part = vital(Clock())
    part.end()

    assert not part.why_not()


def test_a_process_is_ready_when_all_of_its_parts_are() -> None:
    """One part of two is not: the answer names it, and why."""
    clock = Clock()
    well, ill = vital(clock), Vital("orders.v1", "word", 1.0, clock)
    well.alive()
    health = Health([well, ill], lambda: False)

    assert health.readiness() == {
        "ready": False,
        "parts": {
            "line main": {"ready": True},
            "orders.v1": {"ready": False, "why": "no word yet"},
        },
    }


def test_a_process_that_stops_is_not_ready() -> None:
    """Whoever sends work there shall look elsewhere."""
    part = vital(Clock())
    part.alive()
    health = Health([part], lambda: True)

    assert health.readiness()["parts"]["line main"]["why"] == "asked to stop"
