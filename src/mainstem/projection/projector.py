"""The projector: one member that runs one projection until it is told to stop.

Theory of operation. One thread, the caller's, reads Kafka as a member of the projection's group
and decodes; lanes apply, each in its own transactions. Offsets stand in PostgreSQL, beside the
rows, and Kafka is never told: so a member begins where the last committed transaction left off,
whatever happened to it. Two members may believe for a while that a partition is theirs; the
compare-and-set of the offsets lets one of them through.

What fails in Kafka ends an incarnation: the member leaves, and joins anew. What fails in PostgreSQL
is waited for in the lane (see there), so that the group is left alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Final, NamedTuple

from mainstem.errors import MainstemError, ServerUnavailable, TransactionFailed, UnknownTopic
from mainstem.kafka.delivered import Delivered, Place
from mainstem.kafka.group import GroupOptions, GroupReader
from mainstem.kafka.topics import Topics
from mainstem.postgres.drivers.sessions import Session
from mainstem.projection.applier import Applier
from mainstem.projection.assignment import Assignment
from mainstem.projection.decoding import Decoding
from mainstem.projection.definition import Definition
from mainstem.projection.furnishing import furnish
from mainstem.projection.lane import Lane
from mainstem.projection.offsets import consumer_group, registration
from mainstem.projection.points import Probe, no_probe
from mainstem.projection.portion import Portion
from mainstem.projection.reporting import Counters, Reporter, Silent
from mainstem.projection.settings import ProjectorSettings
from mainstem.projection.tally import Tally
from mainstem.projection.trouble import Trouble
from mainstem.registry.registry import Registry
from mainstem.stopping import Stop, Stopped

BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MAX_S: Final = 5.0
WAIT_S: Final = 0.1
QUIET_S: Final = 0.02
"""After so long without events the transaction markers behind them are noted as done."""
ROOM_WAIT_S: Final = 1.0
"""How long a full lane holds up the reading before its partitions are paused instead."""
END_S: Final = 4.0
"""Time for the transactions at hand; together with the way out it stays within 5 s."""


class Projector:
    """Runs one projection: each event applied exactly once, in its order within a partition."""

    def __init__(  # noqa: PLR0913, PLR0917  # What it needs, and three things that may listen in.
        self,
        definition: Definition,
        settings: ProjectorSettings,
        registry: Registry,
        reporter: Reporter | None = None,
        stop: Stop | None = None,
        probe: Probe = no_probe,
    ) -> None:
        """Prepare; nothing is connected before `run`."""
        self.definition = definition
        self.seat = definition.seat
        self._settings = settings
        self._registry = registry
        self._reporter = reporter or Silent()
        self._stop = stop or Stop()
        self._probe = probe
        self._failing_s: float | None = None
        self._failures = 0
        self._counters: list[Counters] = []
        """Of all incarnations."""
        self.ended = False
        """Whether `run` is over, whatever ended it."""
        self.halted: frozenset[Place] = frozenset()
        """Partitions that stood still at an event when it was last looked."""

    @property
    def events(self) -> int:
        """How many events this projector has applied."""
        return sum(each.events for each in self._counters)

    def run(self, *, once: bool = False) -> None:
        """Apply events until asked to stop; `once`: until all that is committed now is applied.

        Raises a Refusal where an operator is needed, ServerUnavailable when servers were away for
        longer than `unavailable_max_s`, and ConfigurationError. An event that cannot be applied
        raises nothing: the policy of the projection decides about it.
        """
        try:
            self._run(once=once)
        finally:
            self.ended = True

    def _run(self, *, once: bool) -> None:
        """One incarnation after another."""
        while True:
            began_s = time.monotonic()
            try:
                self._incarnation(once=once)
            except Stopped:
                return
            except (ServerUnavailable, TransactionFailed, UnknownTopic) as error:
                if time.monotonic() - began_s > self._settings.unavailable_max_s:
                    self._failing_s = None
                if not self._try_again(error):
                    return
            else:
                return

    def _incarnation(self, *, once: bool) -> None:
        """Open everything, apply what comes, and close everything."""
        with ExitStack() as stack:
            session = Session(self._settings.database_url)
            stack.callback(session.close)
            session.run(lambda _scope: registration(self.definition, self.seat))
            furnish(self.definition, self.seat, self._settings.database_url)
            group = session.run(lambda _scope: consumer_group(self.definition, self.seat))
            lanes: list[Lane] = []
            topics = Topics(self._settings.kafka)
            assignment = Assignment(
                self.definition, self.seat, (session, topics), lanes, self._probe
            )
            options = GroupOptions(
                instance=self._settings.instance,
                session_timeout_s=self._settings.session_timeout_s,
            )
            reader = stack.enter_context(
                GroupReader(
                    self._settings.kafka,
                    self.definition.topics,
                    group,
                    assignment,
                    options,
                )
            )
            # Partitions come with the first batch. Lanes end before the member leaves its group.
            stack.callback(self._end, lanes)
            lanes.extend(self._lane(number) for number in range(self._settings.lanes))
            self._counters += [assignment.counters, *(lane.counters for lane in lanes)]
            tally = Tally(self.seat.group, assignment, lanes, (self._reporter, self._counters))
            self._read(Reading(reader, assignment, lanes, tally, self._stop), once=once)

    def _read(self, reading: Reading, *, once: bool) -> None:
        """Hand over what comes, until asked to stop or all is done."""
        decoding = Decoding(self.definition, self._registry)
        until = reading.assignment.ends(committed=False) if once else None
        status_s = time.monotonic()
        while not self._stop.requested:
            fetched = reading.batch()
            for each in fetched:
                reading.hand_over(each, decoding)
            reading.look_after()
            if not fetched:
                reading.note_markers()
                if until is not None and reading.reached(until):
                    self.halted = reading.halted()
                    reading.tell()
                    return
            if time.monotonic() - status_s > self._settings.status_s:
                status_s = time.monotonic()
                reading.tell()
                self.halted = reading.halted()
                self._failing_s = None
        raise Stopped

    def _lane(self, number: int) -> Lane:
        settings = self._settings
        applier = Applier(self.definition, self.seat, settings.database_url, self._probe)
        return Lane(
            f"{self.seat.group}-{number}",
            applier,
            Trouble(self.definition.policy, self.seat.group, settings.database_url, self._reporter),
            (settings.batch_events_max, settings.ahead_events_max, settings.unavailable_max_s),
        )

    def _end(self, lanes: Iterable[Lane]) -> None:
        """Let lanes finish the transactions at hand, within a bound for all of them."""
        until_s = time.monotonic() + END_S
        for lane in lanes:
            if not lane.end(max(0.0, until_s - time.monotonic())):
                self._reporter.note("a handler did not return in time; its transaction is given up")

    def _try_again(self, error: MainstemError) -> bool:
        """Pause before the next incarnation; raises where servers were away too long."""
        if self._stop.requested:
            return False
        now_s = time.monotonic()
        if self._failing_s is None:
            self._failing_s, self._failures = now_s, 0
        if now_s - self._failing_s > self._settings.unavailable_max_s:
            raise error
        pause_s = min(BACKOFF_FIRST_S * 2**self._failures, BACKOFF_MAX_S)
        self._failures += 1
        self._reporter.note(f"{error.message}; starting again in {pause_s:.1f} s")
        try:
            self._stop.pause(pause_s)
        except Stopped:
            return False
        return True


class Fetched(NamedTuple):
    """Messages of one partition that follow one another, of one assignment of it."""

    place: Place
    generation: int
    delivered: list[Delivered]


class Reading:
    """One incarnation's way from the group to the lanes."""

    def __init__(
        self,
        reader: GroupReader,
        assignment: Assignment,
        lanes: list[Lane],
        tally: Tally,
        stop: Stop,
    ) -> None:
        """Read here, and hand over there."""
        self._reader = reader
        self._stop = stop
        self.assignment = assignment
        self._lanes = lanes
        self._tally = tally
        self._handed: dict[Place, tuple[int, int]] = {}
        """Generation of a partition, and the last offset that was handed over in it."""
        self._backlog: list[Fetched] = []
        self._paused: set[Place] = set()
        self._behind_markers = False

    def batch(self) -> list[Fetched]:
        """The messages that are there, after a short wait."""
        if self._backlog:
            backlog, self._backlog = self._backlog, []
            return backlog
        return self._fetch(QUIET_S if self._behind_markers else WAIT_S)

    def hand_over(self, fetched: Fetched, decoding: Decoding) -> None:
        """Decode messages and give them to their lane; waits while that is full."""
        place, generation, delivered = fetched
        arrivals = decoding.arrivals(delivered)
        after = self._done(place, generation)
        self._put(Portion(place, after, arrivals, delivered[-1].offset, generation))

    def note_markers(self) -> None:
        """Let markers at the ends of partitions count as done, once it is quiet."""
        waiting = []
        for place, reached in self._reader.reached.items():
            generation = self._generation(place)
            after = self._done(place, generation)
            if reached - 1 > after:
                waiting.append(Portion(place, after, [], reached - 1, generation))
        self._behind_markers = bool(waiting) and not self._behind_markers
        if not self._behind_markers:
            for portion in waiting:
                self._put(portion)

    def look_after(self) -> None:
        """Raise what ended a lane; see to partitions that moved, stand still, or may go on."""
        for lane in self._lanes:
            if lane.failure is not None:
                raise lane.failure
            for place in list(lane.moved):
                self._take_up_again(place)
        resting = self.halted() & self._reader.places
        if resting - self._paused:
            self._paused |= resting
            self._reader.pause(resting)
        if self._paused - resting and all(lane.idle for lane in self._lanes):
            self._reader.resume((self._paused - resting) & self._reader.places)
            self._paused &= resting

    def halted(self) -> frozenset[Place]:
        """Partitions that stand still at an event."""
        return frozenset(
            place
            for lane in self._lanes
            for place, holding in list(lane.holdings.items())
            if holding.halted_ms is not None
        )

    def reached(self, until: dict[Place, int]) -> bool:
        """Whether everything below these offsets is done with, by whichever member."""
        if not all(lane.idle for lane in self._lanes):
            return False
        done = self.assignment.done(until)
        halted = self.halted()
        return all(done[place] >= end - 1 for place, end in until.items() if place not in halted)

    def tell(self) -> None:
        """Check that topics are what they were, and tell the figures."""
        self.assignment.check_topics()
        for place in self.halted() - self.assignment.halts():
            self._take_up_again(place)
        self._tally.tell(self._reader.places)

    def _fetch(self, wait_s: float) -> list[Fetched]:
        """Messages by partition, each with the assignment that it came by."""
        runs = self._reader.runs(wait_s)
        return [Fetched(place, self._generation(place), delivered) for place, delivered in runs]

    def _take_up_again(self, place: Place) -> None:
        """Go on where the offsets are now."""
        if place not in self._reader.places:
            self.assignment.lane(place).give_up([place], 0.0)
            return
        self._reader.seek(place, self.assignment.take_up([place])[place])
        if place in self._paused:
            self._paused.discard(place)
            self._reader.resume([place])

    def _put(self, portion: Portion) -> None:
        lane = self.assignment.lane(portion.place)
        self._handed[portion.place] = portion.generation, portion.reached
        while not lane.put(portion, ROOM_WAIT_S):
            if self._stop.requested:
                raise Stopped
            # A handler takes its time: stay in the group meanwhile, and fetch no more.
            self._paused |= self._reader.places
            self._reader.pause(self._paused & self._reader.places)
            self._backlog += self._fetch(0.0)

    def _generation(self, place: Place) -> int:
        return self.assignment.generations.get(place, 0)

    def _done(self, place: Place, generation: int) -> int:
        """The last offset that was handed over, or else was done with when it was taken up."""
        last, handed = self._handed.get(place, (0, -1))
        return handed if last == generation else self.assignment.starts.get(place, 0) - 1
