"""A follower that may be killed at any moment: each event and its cursor are one line of a log.

It resumes behind the last whole line, so the log tells whether an event came twice or never.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID

from mainstem.testing.torture.stores import Factory, Followable, Followed, factory_named
from mainstem.testing.torture.verdict import END_TOKEN

RETRY_S = 0.1
STOP_TIMEOUT_S = 10.0


class Follower:
    """The follower's process as the torture sees it."""

    def __init__(self, store: str, database_url: str, run: str, log: Path) -> None:
        """Start it."""
        self.log = log
        self._command = [
            *(sys.executable, "-m", "mainstem.testing.torture.follower"),
            *("--store", store, "--run", run, "--log", str(log)),
        ]
        # The store's module is found where it was found here.
        path = os.pathsep.join(place or "." for place in sys.path)
        self._environment = {**os.environ, "DATABASE_URL": database_url, "PYTHONPATH": path}
        self._process = self._started()
        self._known_bytes = 0

    @property
    def has_begun(self) -> bool:
        """Whether it has written an event since it was started last: killing it means something."""
        return self.log.exists() and self.log.stat().st_size > self._known_bytes

    def kill(self) -> None:
        """SIGKILL, and start it again."""
        self._process.kill()
        self._process.wait()
        self._known_bytes = self.log.stat().st_size
        self._process = self._started()

    def ended(self, timeout_s: float) -> bool:
        """Whether it reached the end of the run in time; it is gone afterwards."""
        try:
            return self._process.wait(timeout_s) == 0
        except subprocess.TimeoutExpired:
            self.stop()
            return False

    def stop(self) -> None:
        """End it, however it fares."""
        self._process.kill()
        self._process.wait(STOP_TIMEOUT_S)

    def _started(self) -> subprocess.Popen[bytes]:
        """Its process."""
        return subprocess.Popen(self._command, env=self._environment)


def read_log(log: Path) -> list[Followed]:
    """Every whole line of the log; half a line, of a killed follower, does not count."""
    if not log.exists():
        return []
    lines = log.read_text(encoding="utf-8").split("\n")[:-1]
    return [entry(line) for line in lines]


def entry(line: str) -> Followed:
    """The event of a line."""
    cursor, key, version, token = line.split(" ")
    return Followed(cursor, UUID(key), int(version), token)


def mend(log: Path) -> str | None:
    """Cut half a line off; the cursor to resume behind."""
    entries = read_log(log)
    if log.exists():
        whole = log.read_bytes().rpartition(b"\n")[0]
        os.truncate(log, len(whole) + 1 if whole else 0)
    return entries[-1].cursor if entries else None


def follow(factory: Factory, database_url: str, run: str, log: Path) -> None:
    """Write until the end of the run comes by, whatever breaks."""
    while True:
        try:
            if follow_on(factory, database_url, run, log):
                return
        except Exception as error:  # noqa: BLE001 - a store may raise what it likes: it is tried again
            sys.stderr.write(f"follower: {type(error).__name__}: {error}\n")
        threading.Event().wait(RETRY_S)


def follow_on(factory: Factory, database_url: str, run: str, log: Path) -> bool:
    """Resume behind the log; True at the end of the run."""
    after = mend(log)
    with factory(database_url, run) as store, log.open("ab", buffering=0) as lines:
        assert isinstance(store, Followable)
        for event in store.follow(after):
            line = f"{event.cursor} {event.key} {event.version} {event.token}\n"
            lines.write(line.encode())
            if event.token == END_TOKEN:
                return True
    return False


def main() -> None:
    """Follow one run, whose address is in DATABASE_URL."""
    parser = argparse.ArgumentParser()
    for name in ("--store", "--run", "--log"):
        parser.add_argument(name, required=True)
    chosen = parser.parse_args()
    follow(factory_named(chosen.store), os.environ["DATABASE_URL"], chosen.run, Path(chosen.log))


if __name__ == "__main__":
    main()
