"""One run: a store, its writers, a follower, strikes, and the verdict at the end."""

from __future__ import annotations

import shutil
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg.conninfo import conninfo_to_dict

from mainstem.errors import ConfigurationError
from mainstem.testing.torture.follower import Follower, read_log
from mainstem.testing.torture.stores import (
    Factory,
    Followable,
    Ordered,
    TorturedStore,
    factory_named,
)
from mainstem.testing.torture.strikes import KillServer, Striker
from mainstem.testing.torture.verdict import BEGIN_TOKEN, END_TOKEN, Ledger, Verdict, judged
from mainstem.testing.torture.writers import Writer

ARRIVAL_TIMEOUT_S: Final = 60.0
WRITER_TIMEOUT_S: Final = 60.0
"""A writer that is not back by then hangs."""
RETRY_S: Final = 0.1
BEGIN_TIMEOUT_S: Final = 30.0
SAVE_TIMEOUT_S: Final = 30.0
OURS: Final = "mainstem.testing.torture.ours:OurStore"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is tortured, and how long."""

    store: str = OURS
    database_url: str
    seconds: float = 30.0
    writers: int = 16
    keys: int = 50
    connections: int = 4
    """Stores that the writers share."""
    seed: int = 1
    kill_server: KillServer | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to."""

    verdict: Verdict
    strikes: Mapping[str, int]
    hanging: int
    """Writers that never came back."""
    arrived: bool
    """Whether the follower reached the last event, if there was one."""

    @property
    def holds(self) -> bool:
        """Whether every promise was kept."""
        return self.verdict.holds and not self.hanging and self.arrived


def torture(settings: Settings) -> Outcome:
    """Run once, and judge."""
    run = f"torture_{uuid.uuid4().hex[:10]}"
    factory = factory_named(settings.store)
    keys = [uuid.uuid4() for _ in range(settings.keys)]
    runner = Runner(uuid.uuid4())
    with ExitStack() as opened:
        judge = opened.enter_context(factory(settings.database_url, run))
        follower = opened.enter_context(following(judge, settings, run, runner))
        writers = started(opened, factory, settings, run, keys)
        database_url = address(settings.database_url)
        striker = Striker(database_url, follower, settings.kill_server, settings.seed)
        striker.run(settings.seconds)
        hanging = stopped(writers)
        runner.save(judge, END_TOKEN)
        arrived = follower is None or follower.ended(ARRIVAL_TIMEOUT_S)
        followed = None if follower is None else read_log(follower.log)
        present = {key: judge.read(key) for key in (*keys, runner.key)}
        order = judge.order() if isinstance(judge, Ordered) else None
    ledgers = [*(writer.ledger for writer in writers), runner.ledger]
    return Outcome(judged(present, ledgers, order, followed), striker.counts, hanging, arrived)


class Runner:
    """The events of the run itself: those that await the follower, and the last of all."""

    def __init__(self, key: uuid.UUID) -> None:
        """Save them under this key."""
        self.key = key
        self.ledger = Ledger()

    def save(self, store: TorturedStore, token: str) -> None:
        """Save a token for certain, with nobody striking."""
        deadline_s = time.monotonic() + SAVE_TIMEOUT_S
        while True:
            try:
                there = store.read(self.key)
                if token not in [found for _, found in there]:
                    store.append(self.key, len(there), token)
                    there = store.read(self.key)
                self.ledger.saved[token] = (self.key, len(there))
                return
            except Exception:
                if time.monotonic() > deadline_s:
                    raise
                # A store may raise what it likes while it gets over the last strike.
                threading.Event().wait(RETRY_S)

    def await_follower(self, store: TorturedStore, follower: Follower) -> None:
        """Save events until the follower has seen one."""
        deadline_s = time.monotonic() + BEGIN_TIMEOUT_S
        number = 0
        while not follower.has_begun:
            if time.monotonic() > deadline_s:
                raise ConfigurationError(
                    f"the follower gave no event within {BEGIN_TIMEOUT_S:.0f} s",
                    hint="what it said stands above",
                )
            self.save(store, f"{BEGIN_TOKEN}{number}")
            number += 1
            threading.Event().wait(RETRY_S)


def started(
    opened: ExitStack, factory: Factory, settings: Settings, run: str, keys: list[uuid.UUID]
) -> list[Writer]:
    """Writers at work, on the stores that they share."""
    stores = [
        opened.enter_context(factory(settings.database_url, run))
        for _ in range(min(settings.connections, settings.writers))
    ]
    writers = [
        Writer(number, stores[number % len(stores)], keys, settings.seed)
        for number in range(settings.writers)
    ]
    for writer in writers:
        writer.start()
    return writers


def stopped(writers: list[Writer]) -> int:
    """End the writers; how many hang."""
    for writer in writers:
        writer.stop()
    deadline_s = time.monotonic() + WRITER_TIMEOUT_S
    for writer in writers:
        writer.join(max(0.0, deadline_s - time.monotonic()))
    return sum(writer.is_alive() for writer in writers)


@contextmanager
def following(
    judge: TorturedStore, settings: Settings, run: str, runner: Runner
) -> Iterator[Follower | None]:
    """A follower that has begun before the first event, if the store can be followed."""
    if not isinstance(judge, Followable):
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="mainstem-torture-"))
    follower = Follower(settings.store, settings.database_url, run, folder / "followed")
    try:
        runner.await_follower(judge, follower)
        yield follower
    finally:
        follower.stop()
        shutil.rmtree(folder, ignore_errors=True)


def address(database_url: str) -> str | None:
    """The address, if it is one of PostgreSQL: whose connections can be struck."""
    try:
        conninfo_to_dict(database_url)
    except psycopg.Error:
        return None
    return database_url
