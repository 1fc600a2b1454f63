"""The work of a rebuild: what it holds while it runs, and how it brings its shadow up to date."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from mainstem.errors import ConfigurationError, TransactionFailed
from mainstem.kafka.delivered import Place
from mainstem.kafka.settings import KafkaSettings
from mainstem.projection.rebuilding import statements
from mainstem.projection.rebuilding.beginning import Log
from mainstem.projection.rebuilding.building import Applies, Builder, Source, Standing
from mainstem.projection.rebuilding.comparison import TableComparison, compare
from mainstem.projection.rebuilding.comparison.statements import SNAPSHOT
from mainstem.projection.rebuilding.decoding import Decode, Decoding
from mainstem.projection.rebuilding.guarding import guarded
from mainstem.projection.rebuilding.planning import (
    RebuildPlan,
    behind,
    beyond,
    first_lsn,
    furthest,
    nearest,
)
from mainstem.projection.rebuilding.session import Session
from mainstem.projection.rebuilding.shadow import Shadow
from mainstem.projection.rebuilding.swapping import lock_offsets, standing
from mainstem.projection.statements import PRESENT
from mainstem.refusals import refusal
from mainstem.wire import SchemaIds

NEAR_OFFSETS_MAX: Final = 2_000
"""A shadow that is no further behind catches up while the projectors are held back."""
ALONE_WAIT_MS: Final = 2_000
"""A rebuild that has just ended, or was killed, is gone from the server a moment later."""
ROUNDS_MAX: Final = 20
"""Rounds of catching up with writers who are as fast, before the swap is tried nevertheless."""


@dataclass(frozen=True, slots=True)
class RebuildSettings:
    """Where the servers are, and what is to be done."""

    database_url: str = field(repr=False)
    kafka: KafkaSettings
    registry: SchemaIds
    beginnings: tuple[str, ...] = ()
    """Positions as people write them: `2026-01-31T00:00:00Z`, `0/2A1DC28`, `orders[3]@1200`."""
    restart: bool = False
    """Throw away what an earlier rebuild has done."""
    keep_old: bool = False
    batch_events_max: int = 5_000
    """In one transaction."""
    swap_timeout_s: float = 120.0
    """How long tables that are in use are waited for."""
    ignored_columns: frozenset[str] = frozenset()
    """Left out of the comparison."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a rebuild is."""

    done: int
    total: int
    """Offsets of all partitions; markers of transactions count too."""
    events: int


Observe: TypeAlias = Callable[[Progress], None]


def unobserved(progress: Progress) -> None:
    """Look away."""


class Work:
    """One rebuild that runs."""

    def __init__(self, settings: RebuildSettings, plan: RebuildPlan, session: Session) -> None:
        """Look Kafka's topics up."""
        self.settings = settings
        self.plan = plan
        self.session = session
        self.shadow = Shadow(session, plan)
        self.spent_s = 0.0
        self._log = Log(settings.kafka, plan.definition.topics)

    def prepare(self, *, restart: bool) -> bool:
        """See to it that there is a shadow with offsets; whether it was built in part before."""
        resumed = self.shadow.prepare(restart=restart)
        group = self.plan.shadow.group
        for topic, topic_id in self._log.topic_ids.items():
            first = self._log.first_offsets(self.plan.beginnings)
            offsets = [
                (place.partition, offset - 1)
                for place, offset in first.items()
                if place.topic == topic
            ]
            self.session.ask(statements.begin_at(group, topic, topic_id, offsets))
        return resumed

    def prepare_behind(self, *, restart: bool) -> bool:
        """As `prepare`, with a shadow that is nowhere beyond what serves."""
        resumed = self.prepare(restart=restart)
        if not beyond(self._standing().reached, self.serving()):
            return resumed
        return self.prepare(restart=True)

    @contextmanager
    def builder(self, observe: Observe) -> Iterator[Builder]:
        """What fills the shadow, for the block."""
        oids = [table.oid for table in self.shadow.live()]
        with guarded(self.plan, self.settings.database_url, oids) as applier:
            source = self._source(self._decoding())
            builder = Builder(source, applier, self._standing(), self._observer(observe))
            try:
                yield builder
            finally:
                builder.close()

    def reader(
        self, observe: Observe, applier: Applies, wrap: Callable[[Decoding], Decode]
    ) -> Builder:
        """What hands all events to an applier from the first one on, without a shadow."""
        first = self._log.first_offsets(self.plan.beginnings)
        done = {place: offset - 1 for place, offset in first.items()}
        standing = Standing(self._log.topic_ids, done)
        source = self._source(wrap(self._decoding()))
        return Builder(source, applier, standing, self._observer(observe))

    def _decoding(self) -> Decoding:
        """What decodes all but what was discarded."""
        plan = self.plan
        decode = Decoding(plan.definition, self.settings.registry, first_lsn(plan.beginnings))
        discarded = self.session.ask(statements.discarded_of(plan.serving.group))
        decode.discarded = frozenset((topic, part, offset) for topic, part, offset in discarded)
        return decode

    def _source(self, decode: Decode) -> Source:
        """The topics, decoded so."""
        settings = self.settings
        return Source(
            settings.kafka, self.plan.definition.topics, decode, settings.batch_events_max
        )

    def catch_up(self, builder: Builder) -> None:
        """Bring the shadow close to the end, so that little is left for the swap."""
        for _ in range(ROUNDS_MAX):
            with self._timed():
                builder.reach(self._until())
            if behind(builder.standing.reached, self._until()) <= NEAR_OFFSETS_MAX:
                return

    def compare(self, builder: Builder) -> tuple[TableComparison, ...]:
        """Bring the shadow to where the group that serves is, and compare both."""
        if not self.serving():
            raise ConfigurationError(
                f"{self.plan.definition.name} has not run yet, so there is nothing to compare with"
            )
        for _ in range(ROUNDS_MAX):
            until = self.serving()
            near = behind(builder.standing.reached, until) <= NEAR_OFFSETS_MAX
            with self._timed():
                builder.reach_exactly(until)
            if near:
                break
        with Session(self.settings.database_url) as witness:
            return self._compare_by(witness, builder)

    def pause(self, seconds: float) -> None:
        """Wait a moment."""
        threading.Event().wait(seconds)

    def _compare_by(self, witness: Session, builder: Builder) -> tuple[TableComparison, ...]:
        """Let a session see both at the same offsets, and compare what it sees."""
        with ExitStack() as stack:
            with self.session.transaction():
                locked = lock_offsets(self.session, self.plan, self._others())
                self.reach_exactly(builder, locked)
                stack.enter_context(witness.snapshot())
                witness.ask(SNAPSHOT)
            # The projectors go on from here; the snapshot stays where they were.
            schemas = self.plan.serving.schema, self.plan.shadow.schema
            ignored = self.settings.ignored_columns
            return tuple(
                compare(witness, schemas, table, ignored) for table in self.plan.definition.tables
            )

    def _others(self) -> tuple[str, ...]:
        """Groups of versions that serve from the same tables."""
        return tuple(each.group for each in self.shadow.replaced())

    def reach(self, builder: Builder, until: Mapping[Place, int]) -> None:
        """Bring the shadow to these offsets at least, as far as Kafka has them.

        Offsets of a topic that was deleted and created again are of no use any more.
        """
        builder.reach(nearest(until, self._log.ends()))

    def reach_exactly(self, builder: Builder, until: Mapping[Place, int]) -> None:
        """As `reach`, and not further."""
        builder.reach_exactly(nearest(until, self._log.ends()))

    def _until(self) -> dict[Place, int]:
        """The end of what is there to be applied."""
        return furthest(self._log.ends(), self.serving())

    def serving(self) -> dict[Place, int]:
        """Where those that serve are, as far as Kafka has it."""
        return nearest(standing(self.session, self.plan, self._others()), self._log.ends())

    def _standing(self) -> Standing:
        """Where the shadow is; a Refusal where its topic was deleted and created again."""
        topic_ids = self._log.topic_ids
        done: dict[Place, int] = {}
        rows = self.session.ask(statements.offsets_of(self.plan.shadow.group))
        for topic, partition, topic_id, offset, _ in rows:
            if topic_id != topic_ids[topic]:
                raise refusal(
                    "projection-topic-recreated",
                    f"{topic} was created anew since the rebuild began",
                )
            done[Place(topic, partition)] = offset
        return Standing(topic_ids, done)

    def _observer(self, observe: Observe) -> Callable[[Standing], None]:
        """Tells how far the shadow is, compared with the end as it was at first."""
        ends = self._log.ends()
        total = sum(ends.values())

        def look(at: Standing) -> None:
            observe(Progress(total - behind(at.reached, ends), total, at.events))

        return look

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Count the time of the block."""
        began_s = time.monotonic()
        try:
            yield
        finally:
            self.spent_s += time.monotonic() - began_s


@contextmanager
def alone(settings: RebuildSettings, plan: RebuildPlan) -> Iterator[Work]:
    """The work of a rebuild; ConfigurationError while another one of the projection runs."""
    with Session(settings.database_url) as session:
        if not session.ask(PRESENT)[0][0]:
            raise ConfigurationError(
                "the database lacks the tables that projections keep their offsets in",
                hint="mainstem init, or mainstem migrate for a database of an earlier version",
            )
        try:
            with session.transaction():
                session.ask(statements.wait_at_most(ALONE_WAIT_MS))
                session.ask(statements.be_alone(plan.definition.name))
        except TransactionFailed as error:
            raise ConfigurationError(
                f"another rebuild of {plan.definition.name} is running",
                hint="wait for it, or end it; what it has built is kept and resumed",
            ) from error
        yield Work(settings, plan, session)
