"""Two replicators: the second waits, takes over, and the first can do no harm when it wakes."""

from __future__ import annotations

import signal

import pytest

from tests.faults.field import Field

SHORT = ("--heartbeat-s", "0.5", "--takeover-s", "2", "--transaction-timeout-s", "3")


@pytest.mark.faults
@pytest.mark.parametrize("point", ["produced", "progress", "read"])
def test_a_stopped_replicator_is_replaced_and_fenced(field: Field, point: str) -> None:
    """SIGSTOP in mid-transaction beyond its timeout, take-over by a second, SIGCONT."""
    field.drain()
    zombie = field.start("--point", point, "--signal", "SIGSTOP", *SHORT)
    field.write([30, 200])
    zombie.wait_for("bite:")
    second = field.start(*SHORT)
    second.wait_for("standing by")
    field.write([10])
    # The server frees lock and slot when it has not heard of the zombie for the take-over time.
    second.wait_for("events=240", deadline_s=40)
    zombie.send(signal.SIGCONT)
    code = zombie.ended()
    second.send(signal.SIGTERM)

    assert second.ended() == 0
    assert code == 3
    assert "refused: superseded" in zombie.lines
    assert field.verdict().holds
    assert field.verdict().events == 240


@pytest.mark.faults
def test_a_standby_takes_over_at_once_from_one_that_was_killed(field: Field) -> None:
    """The slot is the lock: it is free as soon as the first one's connection is gone."""
    first = field.start(*SHORT)
    first.wait_for("status:")
    second = field.start(*SHORT)
    second.wait_for("standing by")
    field.write([40])
    first.kill()
    field.write([50])
    second.wait_for("status:")
    second.send(signal.SIGTERM)

    assert second.ended() == 0
    field.drain()
    assert field.verdict().holds
    assert field.verdict().events == 90


@pytest.mark.faults
def test_sigterm_ends_a_busy_replicator_cleanly(field: Field) -> None:
    """It finishes or gives up its batch within five seconds and exits 0; nothing is half done."""
    field.drain()
    service = field.start()
    service.wait_for("status:")
    field.write([200] * 20)
    service.send(signal.SIGTERM)
    code = service.ended(deadline_s=5)
    published = int(service.wait_for("events: ").removeprefix("events: "))
    rest = field.drain()

    assert code == 0
    assert published + rest == 4000
    assert field.verdict().holds


@pytest.mark.faults
def test_sigterm_ends_a_standby(field: Field) -> None:
    """Waiting for the line is a wait that ends when asked to."""
    first = field.start(*SHORT)
    first.wait_for("status:")
    second = field.start(*SHORT)
    second.wait_for("standing by")
    second.send(signal.SIGTERM)

    assert second.ended(deadline_s=5) == 0


@pytest.mark.faults
def test_sigterm_ends_a_wait_for_kafka(field: Field) -> None:
    """A server that does not answer must not hold up the end."""
    service = field.start("--kafka", "127.0.0.1:1")
    service.wait_for("connected")
    service.send(signal.SIGTERM)

    assert service.ended(deadline_s=5) == 0
