"""A member of the group in a process of its own, which is struck down at a chosen step.

It is the production projector with a probe. Processes are forked from a server that has imported
everything, so one is there within some ten milliseconds and a storm can kill hundreds of them.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from mainstem.errors import MainstemError, Superseded
from mainstem.kafka.settings import KafkaSettings
from mainstem.projection.applier import Applier
from mainstem.projection.applying import Sifting
from mainstem.projection.batch import Batch
from mainstem.projection.lane import Lane
from mainstem.projection.points import Point, Probe
from mainstem.projection.portion import Portion
from mainstem.projection.projector import Projector
from mainstem.projection.reporting import ProjectorStatus
from mainstem.projection.settings import ProjectorSettings
from mainstem.registry.postgres import PostgresRegistry
from mainstem.registry.registry import CachingRegistry
from mainstem.stopping import Stop
from tests.faults.projections import bugs
from tests.faults.projections.tally import tally_of

SESSION_S = 6.0
"""The shortest that Kafka lets a member have."""
DEADLINE_S = 60.0
REFUSED = 3
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a member is to do, and where it is struck down."""

    dsn: str
    bootstrap: str
    topic: str
    kind: str = "psycopg"
    offsets: str | None = None
    instance: str | None = None
    lanes: int = 1
    batch_events_max: int = 20
    once: bool = False
    bug: str | None = None
    point: Point | None = None
    occurrence: int = 1
    signal: signal.Signals = signal.SIGKILL
    asleep: bool = False
    """Stopped in front of its first transaction, with the events of it at hand."""


class Narrator:
    """Tells the parent what the projector tells; lanes and the projector's thread both do."""

    def __init__(self, channel: Connection) -> None:
        """Tell it here."""
        self._channel = channel
        self._lock = threading.Lock()

    def note(self, text: str) -> None:
        """Pass it on."""
        self.say(("note", text))

    def status(self, status: ProjectorStatus) -> None:
        """Pass it on."""
        self.say(("status", status))

    def say(self, what: tuple[str, object]) -> None:
        """Send it; a parent that is gone is no reason to fail."""
        with self._lock, suppress(OSError):
            self._channel.send(what)


def striking(orders: Orders, narrator: Narrator, working: Any) -> Probe:
    """Notes whether a transaction is open, and sends this process a signal at its step."""
    seen = 0

    def probe(here: Point) -> None:
        nonlocal seen
        if here is Point.OFFSETS:
            working.value = 1
        elif here is Point.COMMITTED:
            working.value = 0
        seen += here is orders.point
        if here is orders.point and seen == orders.occurrence:
            narrator.say(("bite", here.value))
            strike(orders.signal)

    return probe


def telling_losses(narrator: Narrator) -> None:
    """Tell of each batch whose compare-and-set failed at once: figures may come too late."""
    lose = Lane._lose

    def told(self: Lane, portions: list[Portion]) -> None:
        narrator.say(("cas", len(portions)))
        lose(self, portions)

    Lane._lose = told  # type: ignore[method-assign]  # It only listens.


def falling_asleep(narrator: Narrator) -> None:
    """Stop this process in front of its first transaction."""
    apply = Applier.apply

    def slept(self: Applier, batch: Batch, sifting: Sifting | None = None) -> None:
        Applier.apply = apply  # type: ignore[method-assign]  # Once is enough.
        narrator.say(("asleep", ""))
        strike(signal.SIGSTOP)
        apply(self, batch, sifting)

    Applier.apply = slept  # type: ignore[method-assign]  # as above


def strike(number: signal.Signals) -> None:
    """Send this thread a signal: one sent to the process would let it go on for a moment."""
    signal.pthread_kill(threading.get_ident(), number)


def serve(orders: Orders, channel: Connection, working: Any) -> None:
    """In the process: run until struck down, drained or stopped."""
    if orders.bug:
        bugs.plant(orders.bug)
    stop, narrator = Stop(), Narrator(channel)
    telling_losses(narrator)
    if orders.asleep:
        falling_asleep(narrator)
    signal.signal(signal.SIGTERM, stop.interrupt)
    settings = ProjectorSettings(
        database_url=orders.dsn,
        kafka=KafkaSettings(orders.bootstrap),
        lanes=orders.lanes,
        instance=orders.instance,
        batch_events_max=orders.batch_events_max,
        session_timeout_s=SESSION_S,
        status_s=0.1,
    )
    registry = CachingRegistry(PostgresRegistry(orders.dsn))
    definition = tally_of(orders.topic, orders.kind, orders.offsets)
    probe = striking(orders, narrator, working)
    try:
        Projector(definition, settings, registry, narrator, stop, probe).run(once=orders.once)
    except Superseded as error:
        narrator.say(("fenced", error.message))
        raise SystemExit(REFUSED) from error
    except MainstemError as error:
        narrator.say(("refused", f"{type(error).__name__} {error.name}: {error.message}"))
        raise SystemExit(REFUSED) from error
    narrator.say(("ended", ""))


class Member:
    """The process, seen from outside."""

    def __init__(self, orders: Orders) -> None:
        """Start it."""
        self.orders = orders
        self.told: list[tuple[str, Any]] = []
        self.news = threading.Condition()
        self.cas_failures = 0
        self.rebalances = 0
        self.code: int | None = None
        self._counted: ProjectorStatus | None = None
        self._last: ProjectorStatus | None = None
        self.dead = False
        """Whether nothing more will be heard of it."""
        self._working = CONTEXT.RawValue("b", 0)
        self._channel, far = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=serve, args=(orders, far, self._working))
        self._process.start()
        self.pid = self._process.pid or 0
        self.over = False
        """Whether it is dead, and everything that was open for it closed."""
        # The process holds the only other end now, so its death is the end of the channel.
        far.close()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def bitten(self) -> bool:
        """Whether a transaction is open, or was when it died."""
        return bool(self._working.value)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still lives."""
        if not self.over:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """SIGKILL; returns when it is dead and all that it told is here."""
        if not self.over:
            self._process.kill()
            self.ended()

    def ended(self, deadline_s: float = DEADLINE_S) -> int | None:
        """Its exit code, once it ended; None where it does not."""
        if not self.over:
            self._process.join(deadline_s)
            self.code = self._process.exitcode
            if self.code is not None:
                self._listener.join(deadline_s)
                self._channel.close()
                self._process.close()
                self.over = True
        return self.code

    def heard(self, what: str, deadline_s: float = DEADLINE_S) -> bool:
        """Wait until it tells such a thing, or dies; whether it did."""
        with self.news:
            self.news.wait_for(lambda: self.has(what) or self.dead, deadline_s)
            return self.has(what)

    def heard_of(
        self, holds: Callable[[ProjectorStatus], bool], deadline_s: float = DEADLINE_S
    ) -> bool:
        """Wait until its newest figures are such; whether they are."""

        def found() -> bool:
            return self._last is not None and holds(self._last)

        with self.news:
            self._last = None
            self.news.wait_for(lambda: found() or self.dead, deadline_s)
            return found()

    def has(self, what: str) -> bool:
        """Whether it told such a thing."""
        return any(each == what for each, _ in self.told)

    def _listen(self) -> None:
        """Collect what it tells."""
        with suppress(EOFError, OSError):
            while True:
                what, content = self._channel.recv()
                with self.news:
                    self.told.append((what, content))
                    self.cas_failures += what == "cas"
                    if what == "status":
                        self._count(content)
                    self.news.notify_all()
        with self.news:
            self.dead = True
            self.news.notify_all()

    def _count(self, status: ProjectorStatus) -> None:
        """Add up figures, which begin anew when the projector does."""
        last = self._counted
        if last is None or status.rebalances < last.rebalances or status.events < last.events:
            self.rebalances += status.rebalances
        else:
            self.rebalances += status.rebalances - last.rebalances
        self._counted = self._last = status
