"""One instance of an application in a process of its own, which may be killed inside its commit.

It is the production store. Processes are forked from a server that has imported everything, so one
is there within some ten milliseconds.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from quixstreams.internal_producer import InternalProducer

from mainstem.errors import MainstemError
from mainstem.kafka.settings import KafkaSettings
from mainstem.streams import KafkaStreamsStore, StreamSettings
from mainstem.streams.reporting import Silent
from tests.faults.streams import bugs
from tests.faults.streams.programs import Topics, program, registry

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload([__name__])
DEADLINE_S = 90.0
COMMIT_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What an instance is to do, and where it kills itself."""

    bootstrap: str
    kind: str
    topics: Topics
    instance: str
    state_dir: Path
    static: bool = False
    transaction_s: float = 10.0
    session_s: float = 6.0
    """The shortest that Kafka lets a member have."""
    crash: str = ""
    """`before-offsets` or `before-end` of the transaction, changelog and results acknowledged."""
    crash_at: int = 1
    """At which commit that has offsets."""
    bugs: tuple[str, ...] = field(default=())


class Telling(Silent):
    """Tells the parent what is told once."""

    def __init__(self, channel: Connection) -> None:
        """Tell it here."""
        self._channel = channel

    def note(self, text: str) -> None:
        """Pass it on."""
        with suppress(OSError):
            self._channel.send(("note", text))


def serve(orders: Orders, channel: Connection) -> None:
    """In the process: run until killed or stopped."""
    for name in orders.bugs:
        bugs.plant(name)
    if orders.crash:
        crash_in_commit(orders)
    settings = StreamSettings(
        kafka=KafkaSettings(orders.bootstrap),
        instance=orders.instance,
        state_dir=orders.state_dir,
        commit_interval_s=COMMIT_S,
        transaction_timeout_s=orders.transaction_s,
        session_timeout_s=orders.session_s,
        static_membership=orders.static,
    )
    app = program(orders.kind, orders.topics)
    store = KafkaStreamsStore(app, settings, registry=registry(), reporter=Telling(channel))
    signal.signal(signal.SIGTERM, lambda *_: store.stop())
    threading.Thread(target=tell_when_ready, args=(store, channel), daemon=True).start()
    try:
        store.run()
    except MainstemError as error:
        channel.send(("failed", (error.name, error.message)))
        raise SystemExit(3) from None


def tell_when_ready(store: KafkaStreamsStore, channel: Connection) -> None:
    """Send `ready` once it processes."""
    with suppress(Exception):
        store.wait_ready()
        channel.send(("ready", time.monotonic()))


def crash_in_commit(orders: Orders) -> None:
    """Have the process kill itself inside a commit of its choice."""
    commit = InternalProducer.commit_transaction
    seen = 0

    def crashing(self: Any, positions: Any, metadata: Any, timeout: Any = None) -> None:
        nonlocal seen
        seen += bool(positions)
        if seen == orders.crash_at:
            if orders.crash == "before-end":
                self._producer.send_offsets_to_transaction(positions, metadata, 10)
            os.kill(os.getpid(), signal.SIGKILL)
        commit(self, positions, metadata, timeout)

    setattr(InternalProducer, "commit_transaction", crashing)  # noqa: B010  # In this process.


class Member:
    """The parent's side of one instance."""

    def __init__(self, orders: Orders) -> None:
        """Start it."""
        self.orders = orders
        ours, theirs = CONTEXT.Pipe()
        self._channel = ours
        self._heard: list[tuple[str, Any]] = []
        self._process = CONTEXT.Process(target=serve, args=(orders, theirs), daemon=True)
        self._process.start()
        theirs.close()

    def heard(self, what: str, within_s: float = DEADLINE_S) -> Any:
        """What it says of this kind, now or before; TimeoutError if it does not."""
        deadline_s = time.monotonic() + within_s
        while True:
            for name, told in self._heard:
                if name == what:
                    return told
            left_s = deadline_s - time.monotonic()
            if left_s <= 0 or not self._listen(left_s):
                raise TimeoutError(f"{self.orders.instance} never said {what}: {self._heard}")

    def _listen(self, seconds: float) -> bool:
        """Take one thing that it says; False where it says nothing more."""
        if not self._channel.poll(seconds):
            return False
        try:
            self._heard.append(self._channel.recv())
        except (EOFError, OSError):
            return False
        return True

    @property
    def over(self) -> bool:
        """Whether its process has ended."""
        return not self._process.is_alive()

    def ended(self, within_s: float = DEADLINE_S) -> int:
        """Its exit code, negative for a signal; TimeoutError if it goes on."""
        self._process.join(within_s)
        if self._process.exitcode is None:
            raise TimeoutError(f"{self.orders.instance} goes on")
        return self._process.exitcode

    def send(self, number: signal.Signals) -> None:
        """Send its process a signal."""
        os.kill(self._process.pid or 0, number)

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        self._process.kill()
        self._process.join(DEADLINE_S)

    def stop(self) -> int:
        """SIGTERM; its exit code."""
        self._process.terminate()
        return self.ended()
