"""Strikes: connections, the follower and PostgreSQL itself are killed at random moments."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psycopg

from mainstem.testing.torture import statements
from mainstem.testing.torture.follower import Follower

PAUSE_S: Final = (0.1, 0.5)
SERVER_PERIOD_S: Final = 8.0
FOLLOWER_SHARE: Final = 0.3

KillServer = Callable[[], None]
"""Kills PostgreSQL and starts it again."""


class Striker:
    """Strikes until the time is over, and counts."""

    def __init__(
        self,
        database_url: str | None,
        follower: Follower | None,
        kill_server: KillServer | None,
        seed: int,
    ) -> None:
        """Strike at what is there."""
        self._database_url = database_url
        self._follower = follower
        self._kill_server = kill_server
        self._random = random.Random(seed)  # noqa: S311 - moments, not secrets
        self.counts = Counter(connections=0, followers=0, servers=0)

    def run(self, seconds: float) -> None:
        """Strike for so long; the server is back when this returns."""
        began_s = time.monotonic()
        server_s = min(SERVER_PERIOD_S, seconds * 0.4)
        while (elapsed_s := time.monotonic() - began_s) < seconds:
            if self._kill_server is not None and elapsed_s > server_s:
                self._kill_server()
                self.counts["servers"] += 1
                server_s += SERVER_PERIOD_S
            elif self._random.random() < FOLLOWER_SHARE:
                self._strike_follower()
            else:
                self._strike_connection()
            threading.Event().wait(self._random.uniform(*PAUSE_S))

    def _strike_follower(self) -> None:
        """Kill the follower, if it has come to its work since it was killed last."""
        if self._follower is not None and self._follower.has_begun:
            self._follower.kill()
            self.counts["followers"] += 1

    def _strike_connection(self) -> None:
        """End one connection to the database, whoever's it is."""
        if self._database_url is None:
            return
        with suppress(psycopg.Error), psycopg.connect(self._database_url) as connection:
            pids = [pid for (pid,) in connection.execute(statements.CLIENTS).fetchall()]
            if pids:
                connection.execute(statements.END_CONNECTION, (self._random.choice(pids),))
                self.counts["connections"] += 1
