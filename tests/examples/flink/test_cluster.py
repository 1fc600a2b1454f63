"""The job on a cluster: machines that are gone cost no cent."""

from __future__ import annotations

import pytest

from tests.examples.flink import orders
from tests.examples.flink.feeding import Feed, Results
from tests.examples.flink.running import Cluster
from tests.examples.flink.test_job import KILLED_AFTER, STARTED, TIMEOUT_S

pytestmark = [pytest.mark.nightly, pytest.mark.stack, pytest.mark.timeout(TIMEOUT_S)]


def test_a_cluster_that_loses_machines_doubles_and_loses_nothing(
    cluster: Cluster, results: Results, feed: Feed, places: tuple[str, ...]
) -> None:
    """Aim: exactly once on more than one machine. Method: SIGKILL a task manager, then them all.

    The cluster goes on by itself after the first; after the second another one is handed the job.
    """
    places = (*places, "--parallelism", "2")
    cluster.start()
    cluster.run(*places)
    results.until_minutes(STARTED)
    with feed.going_on() as thread:
        results.until_minutes(KILLED_AFTER)
        cluster.kill_worker(0)
        amid = thread.is_alive()
        cluster.start_worker(0)
    feed.save(orders.closing(hours=1))
    results.until_minutes(orders.MINUTES)
    cluster.processes.close()
    cluster.start()
    cluster.run(*places)
    expected = orders.expected(feed.saved)
    feed.save(orders.closing(hours=2))
    results.until_minutes(orders.MINUTES + 1)
    results.read_out()

    assert amid, "the task manager was killed before the orders were over"
    assert sorted(results.totals()) == sorted(expected.items())
