"""The job in one process: killed under way, it is right to the cent."""

from __future__ import annotations

import pytest

from tests.examples.flink import orders
from tests.examples.flink.feeding import Feed, Results
from tests.examples.flink.running import Job

STARTED = 3
"""The job runs when there are results of so many minutes."""
KILLED_AFTER = 10
TIMEOUT_S = 900
"""The first test installs Flink, which is 844 MB."""

pytestmark = [pytest.mark.nightly, pytest.mark.stack, pytest.mark.timeout(TIMEOUT_S)]


def test_a_job_killed_under_way_doubles_and_loses_nothing(
    job: Job, results: Results, feed: Feed, places: tuple[str, ...]
) -> None:
    """Aim: exactly once. Method: SIGKILL amid a feed, and at its end; compare with plain Python.

    The orders after the second kill show that the job went on, and wrote nothing anew.
    """
    job.start(*places)
    results.until_minutes(STARTED)
    with feed.going_on() as thread:
        results.until_minutes(KILLED_AFTER)
        job.kill()
        amid = thread.is_alive()
        job.start(*places)
    feed.save(orders.closing(hours=1))
    results.until_minutes(orders.MINUTES)
    job.kill()
    job.start(*places)
    expected = orders.expected(feed.saved)
    feed.save(orders.closing(hours=2))
    results.until_minutes(orders.MINUTES + 1)
    results.read_out()

    assert amid, "the job was killed before its orders were over"
    assert sorted(results.totals()) == sorted(expected.items())
    assert {event.key for event in results.found} == set(orders.COUNTRIES)


def test_a_job_that_finds_no_checkpoint_is_caught(
    job: Job, results: Results, feed: Feed, places: tuple[str, ...]
) -> None:
    """Aim: the test above has teeth. Method: kill the job, and let it begin with other ones."""
    job.start(*places)
    results.until_minutes(STARTED)
    job.kill()
    job.start(*places, "--checkpoints", "others")
    results.until(results.doubled)

    assert sorted(results.totals()) != sorted(orders.expected(feed.saved).items())
