"""The replicator: runs a line until it is told to stop, through every failure that passes.

One incarnation opens everything, goes on from the progress, and carries the stream over. Any error
ends it: all connections and producers are thrown away, and the next incarnation starts from the
beginning, because only the progress in Kafka knows what was committed.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

from mainstem.errors import Refusal, ServerUnavailable
from mainstem.replicator.backfill import run_backfill
from mainstem.replicator.carrier import Carrier
from mainstem.replicator.hands import Watch, opened
from mainstem.replicator.opening import open_line
from mainstem.replicator.points import Point, Probe, no_probe
from mainstem.replicator.reporting import Reporter, Silent
from mainstem.replicator.settings import ReplicatorSettings
from mainstem.stopping import Stop, Stopped

BACKOFF_FIRST_S = 0.1
BACKOFF_MAX_S = 5.0
COMMITS = frozenset({Point.COMMITTED, Point.BACKFILL_COMMITTED})


class Replicator:
    """Carries every committed event of one database into Kafka, exactly once, in commit order."""

    def __init__(
        self,
        settings: ReplicatorSettings,
        *,
        reporter: Reporter | None = None,
        stop: Stop | None = None,
        probe: Probe = no_probe,
    ) -> None:
        """Prepare; nothing is connected before `run`."""
        self._settings = settings
        self._watch = Watch(reporter or Silent(), stop or Stop(), self._noting(probe))
        self._served_pids: set[int] = set()
        self._failures = 0
        """In a row, without anything committed in between."""
        self._failing_s = self._begun_s = 0.0
        self._careful_lsn = 0
        self.events = 0
        """Events published by this process."""

    def run(self, *, once: bool = False) -> None:
        """Replicate until asked to stop; `once`: until everything committed so far is in Kafka.

        Raises a Refusal where an operator is needed, Superseded where another replicator took over,
        and ServerUnavailable when servers were away for longer than `unavailable_max_s`.
        """
        while True:
            try:
                self._incarnation(once=once)
            except Stopped:
                return
            except ServerUnavailable as error:
                if not self._try_again(error):
                    return
            else:
                return

    def _noting(self, probe: Probe) -> Probe:
        """The probe, and a note of each commit: it ends a streak of failures."""

        def noted(point: Point) -> None:
            if point in COMMITS:
                self._failures = 0
            probe(point)

        return noted

    def _incarnation(self, *, once: bool) -> None:
        """Open everything, carry over what there is, and close everything."""
        self._begun_s = time.monotonic()
        with ExitStack() as stack:
            # Until events flow nothing needs finishing: a crash here is as good as a clean end.
            with self._watch.stop.interruptible():
                hands = stack.enter_context(opened(self._settings, self._watch, self._served_pids))
                progress = open_line(hands)
                older = progress.backfilled_rows
                progress = run_backfill(hands, progress)
            self.events += progress.backfilled_rows - older
            carrier = Carrier(hands, progress, self._careful_lsn)
            try:
                carrier.run(once=once)
            except Refusal as refused:
                if carrier.careful_lsn or not carrier.holds_whole_transactions:
                    raise
                # What committed before the offending transaction is to reach Kafka first: once
                # more from the progress, with each transaction in a batch of its own.
                carrier.careful_lsn = carrier.commit_lsn
                raise ServerUnavailable(refused.message) from refused
            finally:
                self._careful_lsn = carrier.careful_lsn
                self.events += carrier.events_committed

    def _try_again(self, error: ServerUnavailable) -> bool:
        """Pause before the next incarnation; raises where servers were away too long."""
        if self._watch.stop.requested:
            return False
        if time.monotonic() - self._begun_s > self._settings.unavailable_max_s:
            # It stood by, or worked, for long: this failure has nothing to do with earlier ones.
            self._failures = 0
        if self._failures == 0:
            self._failing_s = time.monotonic()
        away_s = time.monotonic() - self._failing_s
        if away_s > self._settings.unavailable_max_s:
            raise error
        pause_s = min(BACKOFF_FIRST_S * 2**self._failures, BACKOFF_MAX_S)
        self._failures += 1
        self._watch.reporter.note(f"{error.message}; starting again in {pause_s:.1f} s")
        try:
            self._watch.stop.pause(pause_s)
        except Stopped:
            return False
        return True
