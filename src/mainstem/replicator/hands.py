"""What one incarnation of a line holds: connections and producers, opened and closed together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from mainstem.errors import Superseded
from mainstem.kafka.producer import Produce, TurnProducer
from mainstem.kafka.records import Message
from mainstem.kafka.topics import Topics
from mainstem.replicator.points import Point, Probe
from mainstem.replicator.progress import Progress
from mainstem.replicator.reporting import Reporter
from mainstem.replicator.session import Session
from mainstem.replicator.settings import PROGRESS_TOPIC, ReplicatorSettings
from mainstem.stopping import Stop, Stopped
from mainstem.wal.stream import ReplicationStream, SlotBusy, SystemIdentity

RETRY_S = 0.2
ADMIN_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class Watch:
    """Who listens, who may stop us, and what tests strike at."""

    reporter: Reporter
    stop: Stop
    probe: Probe


@dataclass(frozen=True, slots=True)
class Hands:
    """Everything that a line works with. After any error all of it is thrown away."""

    settings: ReplicatorSettings
    watch: Watch
    session: Session
    stream: ReplicationStream
    identity: SystemIdentity
    producer: TurnProducer
    topics: Topics

    def write(self, progress: Progress) -> None:
        """Commit a progress record in a transaction of its own."""
        self.producer.begin()
        self.commit(progress)

    def commit(self, progress: Progress) -> None:
        """Commit the open transaction with its progress record, produced last."""
        line = self.settings.line.encode()
        self.producer.add(PROGRESS_TOPIC, progress.encode(), line)
        self.watch.probe(Point.PROGRESS)
        with self.stream.lent():
            self.producer.commit(self.watch.stop.overdue)

    def put(self, produce: Produce, topic: str, message: Message) -> None:
        """Add an event to the open transaction, however long the producer's queue is full."""
        while not self.producer.put(produce, topic, message):
            self.producer.make_room()
            self.stream.keep_alive()
            if self.watch.stop.overdue():
                raise Stopped

    def wait(self) -> None:
        """Pause before another try, with the server kept content; raises Stopped."""
        self.stream.keep_alive()
        self.watch.stop.pause(RETRY_S)

    def start_stream(self) -> None:
        """Read the slot; wait while another connection does."""
        told = False
        while True:
            try:
                self.stream.start(self.settings.slot, self.settings.publication)
            except SlotBusy as busy:
                if not told:
                    self.watch.reporter.note(f"waiting for the slot: {busy.message}")
                told = True
                self.watch.stop.pause(RETRY_S)
            else:
                return


@contextmanager
def opened(settings: ReplicatorSettings, watch: Watch, served_pids: set[int]) -> Iterator[Hands]:
    """Take the lock, then connect everything; close all of it at the end.

    Waits while another replicator holds the lock, unless this process has served before
    (`served_pids`: its sessions): then it was superseded, and raises Superseded.
    """
    with ExitStack() as stack:
        session = stack.enter_context(Session(settings))
        take_lock(session, watch, served_pids)
        served_pids.add(session.backend_pid)
        stream = stack.enter_context(
            ReplicationStream(settings.database_url, sender_timeout_s=settings.takeover_s)
        )
        identity = stream.identify()
        store = f"mainstem-{identity.system_id}-{identity.database}-{settings.line}"
        producer = TurnProducer(
            settings.kafka,
            [f"{store}-a", f"{store}-b"],
            transaction_timeout_s=settings.transaction_timeout_s,
        )
        stack.callback(producer.destroy)
        watch.reporter.note(f"line {settings.line}: connected, fencing what came before")
        topics = Topics(settings.kafka, timeout_s=ADMIN_TIMEOUT_S)
        yield Hands(settings, watch, session, stream, identity, producer, topics)


def take_lock(session: Session, watch: Watch, served_pids: set[int]) -> None:
    """Hold the store's lock when this returns."""
    told = False
    while not session.try_lock():
        holder = session.lock_holder()
        if served_pids and holder is not None and holder not in served_pids:
            raise Superseded(f"the line was taken over by the session of process {holder}")
        if not told:
            watch.reporter.note(f"standing by: another replicator serves (session {holder})")
        told = True
        watch.stop.pause(RETRY_S)
