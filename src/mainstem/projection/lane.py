"""Lane: a thread that applies what comes for its partitions, batch by batch, through all trouble.

While a batch is in its transaction the next one is decoded by the projector's thread, and waits
here. A batch that fails is cut in halves until one event fails alone: all before it is applied, and
the projection's policy decides about that one. A server that is away is waited for here, so that
the member keeps its place in the group.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from mainstem.errors import MainstemError, ServerUnavailable, TransactionFailed
from mainstem.kafka.delivered import Place
from mainstem.projection.applier import Applier
from mainstem.projection.batch import Batch
from mainstem.projection.errors import CutOff, HandlerFailed, OffsetsMoved
from mainstem.projection.portion import Holding, Portion, batch_of, split
from mainstem.projection.reporting import Counters
from mainstem.projection.trouble import Trouble

BACKOFF_FIRST_S: Final = 0.02
BACKOFF_MAX_S: Final = 2.0
FAILURES_MAX: Final = 20
"""Transactions in a row that may fail for others being in the way, for a time limit, or for a
server that breaks off while handlers work: then it is an event that does it."""


class Lane:
    """Applies portions in the order in which they come; made and fed by a Projector."""

    def __init__(
        self,
        name: str,
        applier: Applier,
        trouble: Trouble,
        bounds: tuple[int, int, float],
    ) -> None:
        """Start the thread. `bounds`: events in a transaction, events ahead, patience in s."""
        self._applier = applier
        self._trouble = trouble
        self._batch_max, self._ahead_max, self._patience_s = bounds
        self._news = threading.Condition()
        self._portions: deque[Portion] = deque()
        self._waiting = 0
        self._busy: frozenset[Place] = frozenset()
        self._ending = threading.Event()
        self.holdings: dict[Place, Holding] = {}
        self.moved: set[Place] = set()
        """Whose offsets are elsewhere: the projector takes them up anew."""
        self.counters = Counters()
        self.failure: BaseException | None = None
        """What ended it."""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def take_up(self, holdings: Mapping[Place, Holding]) -> None:
        """Partitions that are at hand from now on."""
        with self._news:
            self._trouble.forget(holdings)
            self.holdings.update(holdings)
            self.moved.difference_update(holdings)

    def give_up(self, places: Iterable[Place], wait_s: float) -> None:
        """Drop what waits for these; returns when no transaction works on them, or after a wait."""
        given_up = frozenset(places)
        wait_s = 0.0 if self._ending.is_set() else wait_s
        with self._news:
            for place in given_up:
                self.holdings.pop(place, None)
                self.moved.discard(place)
            self._news.notify_all()
            self._news.wait_for(lambda: not self._busy & given_up or self.failure, wait_s)

    def put(self, portion: Portion, wait_s: float) -> bool:
        """Hand a portion over; False where there was no room for so long."""
        with self._news:
            if not self._news.wait_for(self._has_room, wait_s):
                return False
            self._portions.append(portion)
            self._waiting += len(portion.arrivals)
            self._news.notify_all()
            return True

    @property
    def idle(self) -> bool:
        """Whether nothing waits and nothing is in work."""
        return not self._portions and not self._busy

    def oldest_ms(self) -> int | None:
        """Timestamp of the oldest event that waits here, or that a partition stands still at."""
        with self._news:
            waiting = [
                each.arrivals[0].delivered.timestamp_ms for each in self._portions if each.arrivals
            ]
            stuck = [
                each.halted_ms for each in self.holdings.values() if each.halted_ms is not None
            ]
        return min(waiting + stuck, default=None)

    def end(self, wait_s: float) -> bool:
        """Finish the transaction that is open, drop the rest; whether it ended in time."""
        self._ending.set()
        with self._news:
            self._portions.clear()
            self._news.notify_all()
        self._thread.join(wait_s)
        return not self._thread.is_alive()

    def _has_room(self) -> bool:
        return self._waiting < self._ahead_max or self.failure is not None

    def _run(self) -> None:
        """In the thread: apply until told to end."""
        try:
            while portions := self._next():
                self._apply(portions)
                with self._news:
                    self._busy = frozenset()
                    self._news.notify_all()
        except BaseException as error:  # noqa: BLE001  # The projector raises it in its own thread.
            self.failure = error
        finally:
            with self._news:
                self._busy = frozenset()
                self._news.notify_all()
            self._applier.close()
            self._trouble.close()

    def _next(self) -> list[Portion]:
        """What goes into the next transaction; nothing at the end."""
        taken: list[Portion] = []
        count = 0
        with self._news:
            self._news.wait_for(lambda: self._portions or self._ending.is_set())
            while self._portions and not self._ending.is_set():
                more = len(self._portions[0].arrivals)
                if taken and count + more > self._batch_max:
                    break
                taken.append(self._portions.popleft())
                count += more
            self._waiting = sum(len(portion.arrivals) for portion in self._portions)
            self._busy = frozenset(portion.place for portion in taken)
            self._news.notify_all()
        return taken

    def _apply(self, portions: list[Portion]) -> None:
        """Apply them, or find the one event that cannot be."""
        try:
            self._through_outages(portions)
        except OffsetsMoved:
            self._lose(portions)
        except HandlerFailed as failed:
            portions = [portion for portion in portions if self._current(portion)]
            if len(portions) == 1 and len(portions[0].arrivals) == 1:
                self._judge(portions[0], failed)
                return
            count = sum(len(portion.arrivals) for portion in portions)
            if not count:
                # Markers alone: no event is to blame.
                raise failed.reason from failed
            self.counters.retries += 1
            # Beside a single event there are only markers, each by itself then.
            for part in [[each] for each in portions] if count == 1 else split(portions):
                self._apply(part)

    def _through_outages(self, portions: list[Portion]) -> None:
        """One transaction, tried again for as long as a server is away or others are in the way."""
        failures, since_s = 0, time.monotonic()
        while True:
            portions, batch = self._batch(portions)
            if not portions:
                return
            began_s = time.monotonic()
            try:
                self._applier.apply(batch, self._trouble.behind(batch))
            except (ServerUnavailable, TransactionFailed) as error:
                failures += 1
                self._check_patience(error, failures, since_s)
                self.counters.retries += 1
                self._pause(min(BACKOFF_FIRST_S * 2**failures, BACKOFF_MAX_S))
            else:
                self._note_done(portions, batch)
                self._count(batch, time.monotonic() - began_s)
                return

    def _batch(self, portions: list[Portion]) -> tuple[list[Portion], Batch]:
        """Those that are still to be applied, and their batch: partitions may go at any time."""
        with self._news:
            current = [portion for portion in portions if self._current(portion)]
            return current, batch_of(current, self.holdings)

    def _check_patience(self, error: MainstemError, failures: int, since_s: float) -> None:
        """Raise the error where it does not pass."""
        if self._ending.is_set() or time.monotonic() - since_s > self._patience_s:
            raise error
        if isinstance(error, (TransactionFailed, CutOff)) and failures >= FAILURES_MAX:
            raise HandlerFailed(f"{failures} transactions in a row failed", error) from error

    def _judge(self, portion: Portion, failed: HandlerFailed) -> None:
        """Do about one event that cannot be applied as the policy says."""
        attempts = 1
        while (after_s := self._trouble.again(attempts)) is not None:
            self._pause(after_s)
            if self._ending.is_set() or not self._held(portion):
                return
            attempts += 1
            self.counters.retries += 1
            try:
                self._through_outages([portion])
            except OffsetsMoved:
                self._lose([portion])
                return
            except HandlerFailed as again:
                failed = again
            else:
                return
        self._give_in(portion, failed, attempts)

    def _give_in(self, portion: Portion, failed: HandlerFailed, attempts: int) -> None:
        """Set the event aside, or halt its partition."""
        current, batch = self._batch([portion])
        if not current:
            return
        aside = self._trouble.set_aside(batch, failed, attempts)
        if aside is None:
            self._trouble.halt(portion, failed, attempts)
            with self._news:
                if self._current(portion):
                    stuck = portion.arrivals[0].delivered
                    self.holdings[portion.place].halted_ms = stuck.timestamp_ms
            return
        try:
            self._applier.apply(batch, aside)
        except OffsetsMoved:
            self._lose([portion])
        else:
            self._note_done([portion], batch)
            self.counters.dead_letters += 1

    def _note_done(self, portions: list[Portion], batch: Batch) -> None:
        """The transaction of these is committed."""
        with self._news:
            # Under the lock, as `forget`: what another member set aside must not be overlooked.
            self._trouble.settle()
            held = {portion.place for portion in portions if self._held(portion)}
            for move in batch.moves:
                if move.place in held:
                    holding = self.holdings[move.place]
                    holding.done, holding.position = move.reached, move.position

    def _count(self, batch: Batch, seconds: float) -> None:
        """Count what was applied."""
        self.counters.batches += 1
        self.counters.batch_s += seconds
        self.counters.events += sum(move.events for move in batch.moves)
        if batch.arrivals:
            self.counters.applied_ms = batch.arrivals[-1].delivered.timestamp_ms

    def _lose(self, portions: list[Portion]) -> None:
        """Another member moved the offsets: drop what is here, and let the projector look anew."""
        self.counters.cas_failures += 1
        with self._news:
            for portion in portions:
                if self._held(portion):
                    del self.holdings[portion.place]
                    self.moved.add(portion.place)

    def _held(self, portion: Portion) -> bool:
        """Whether the portion is of the assignment that is at hand."""
        holding = self.holdings.get(portion.place)
        return holding is not None and holding.generation == portion.generation

    def _current(self, portion: Portion) -> bool:
        """Whether the portion is to be applied."""
        return self._held(portion) and self.holdings[portion.place].halted_ms is None

    def _pause(self, seconds: float) -> None:
        """Wait, with jitter, unless it is to end."""
        self._ending.wait(seconds * random.uniform(0.5, 1.0))  # noqa: S311  # Only jitter.
