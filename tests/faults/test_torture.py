"""Our store under torture: every promise holds, and planted bugs are found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mainstem.testing.torture.run import OURS, Settings, torture
from mainstem.testing.torture.server import OwnServer, own_server

BUGS = {
    "ComputesVersions": "keys_with_gaps_or_repeats",
    "PollsIds": "follow_lost",
    "ForgetsToDrop": "follow_doubled",
}
"""Each planted bug, and the promise that it breaks."""


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    """A PostgreSQL that this module may kill."""
    with own_server() as server:
        yield server


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(180)
def test_our_store_keeps_its_promises_under_torture(server: OwnServer) -> None:
    """Sixteen writers on fifty keys; connections, follower and PostgreSQL are killed meanwhile.

    Versions per key are 1..n, equal to what the writers were told, and the follower, resumed
    from its position after each kill, has each event once, in commit order.
    """
    settings = Settings(
        store=OURS, database_url=server.database_url, seconds=15, kill_server=server.kill
    )

    outcome = torture(settings)

    assert outcome.holds, outcome
    assert outcome.verdict.saved > 200
    assert outcome.verdict.conflicts > 0
    assert outcome.verdict.rolled_back > 0
    assert outcome.strikes["servers"] >= 1
    assert outcome.strikes["followers"] >= 1
    assert outcome.strikes["connections"] >= 1


@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_does_not_survive_the_torture(server: OwnServer, bug: str) -> None:
    """The same torture of a store with one bug: the promise that it breaks is named."""
    store = f"tests.faults.torture_bugs:{bug}"

    outcome = torture(Settings(store=store, database_url=server.database_url, seconds=4))

    assert not outcome.holds
    assert outcome.verdict.broken[BUGS[bug]] > 0, outcome
