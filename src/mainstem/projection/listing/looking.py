"""Looking: read the tables of projections, and Kafka, for a list of them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Final, NamedTuple

from mainstem.errors import ConfigurationError, Refusal
from mainstem.kafka.consumer import TopicReader
from mainstem.kafka.delivered import Place
from mainstem.kafka.members import member_counts
from mainstem.kafka.settings import KafkaSettings
from mainstem.kafka.topics import Topics
from mainstem.postgres.drivers.sessions import Session
from mainstem.postgres.plan import Plan
from mainstem.projection.listing import figures, statements
from mainstem.projection.listing.figures import (
    First,
    Halt,
    Known,
    Lag,
    Listed,
    Reached,
    Span,
    Topic,
)
from mainstem.projection.offsets import in_kafka
from mainstem.projection.statements import IDENTITY, PRESENT

STILL_S: Final = 2.0
"""Nothing is waited for any longer when nothing came for so long."""


class Look(NamedTuple):
    """What the tables say at one moment."""

    known: list[Known]
    reached: Mapping[str, dict[Place, Reached]]
    """By group."""
    halts: Mapping[str, list[Halt]]
    identity: tuple[str, str]
    """Database and system identifier: Kafka's groups are named by them too."""
    time_s: float


def listed(dsn: str, kafka: KafkaSettings, *, interval_s: float) -> list[Listed]:
    """Every projection of the database; its rate is of `interval_s` between two looks.

    Raises ServerUnavailable, and ConfigurationError where the tables of projections are missing.
    """
    with closing(Session(dsn)) as session:
        before = session.run(lambda _scope: looking())
        if before.known and interval_s > 0:
            time.sleep(interval_s)
            after = session.run(lambda _scope: looking())
        else:
            after = before
    # Ends are read after the offsets: what commits in between counts as behind, never as applied.
    topics = topics_of(kafka, {name for each in after.known for name in each.topics})
    names = {each.group: in_kafka(each.group, *after.identity) for each in after.known}
    # A projection on the Java original's offsets goes by its plain name.
    members = member_counts(kafka, [*names, *names.values()])
    return [
        entry(
            kafka,
            each,
            (before, after),
            topics,
            members[each.group] + members[names[each.group]],
        )
        for each in after.known
    ]


def looking() -> Plan[Look]:
    """A look at the tables."""
    if not (yield PRESENT)[0][0]:
        raise ConfigurationError(
            "the database lacks the tables that projections keep their offsets in",
            hint="mainstem init, or mainstem migrate for a database of an earlier version",
        )
    known = [Known(*row) for row in (yield statements.PROJECTIONS)]
    reached: dict[str, dict[Place, Reached]] = defaultdict(dict)
    for group, topic, partition, *rest in (yield statements.OFFSETS):
        reached[group][Place(topic, partition)] = Reached(*rest)
    time_s = time.monotonic()
    halts: dict[str, list[Halt]] = defaultdict(list)
    for group, *rest in (yield statements.HALTS):
        halts[group].append(Halt(*rest))
    identity = tuple((yield IDENTITY)[0])
    return Look(known, reached, halts, identity, time_s)


def topics_of(kafka: KafkaSettings, names: Iterable[str]) -> dict[str, Topic]:
    """Those of the topics that Kafka has."""
    topics = Topics(kafka)
    return {
        name: Topic(shape.topic_id, topics.ends(name, shape.partitions, committed=True))
        for name, shape in topics.shapes(names).items()
    }


def entry(
    kafka: KafkaSettings,
    known: Known,
    looks: tuple[Look, Look],
    topics: Mapping[str, Topic],
    members: int,
) -> Listed:
    """One projection."""
    before, after = looks
    reached = after.reached.get(known.group, {})
    spans = figures.spans(known, reached, topics)
    lag, unknown = behind(kafka, spans, figures.why_unknown(known, reached, topics))
    events = figures.applied(reached)
    earlier = figures.applied(before.reached.get(known.group, {}))
    return Listed(
        known,
        members,
        len(spans),
        lag,
        unknown,
        events,
        figures.rate(earlier, events, after.time_s - before.time_s),
        tuple(after.halts.get(known.group, ())),
    )


def behind(
    kafka: KafkaSettings, spans: Mapping[Place, Span], unknown: str
) -> tuple[Lag | None, str]:
    """The lag, or why it is not known."""
    if unknown:
        return None, unknown
    firsts: dict[Place, First] = {}
    try:
        for topic, some in figures.by_topic(spans):
            firsts.update(first_events(kafka, topic, some))
    except Refusal as refused:
        return None, refused.message
    return figures.lag(spans, firsts, time.time()), ""


def first_events(kafka: KafkaSettings, topic: str, spans: Mapping[int, Span]) -> dict[Place, First]:
    """The first event of each span that holds one; a Refusal where Kafka lost its beginning."""
    found: dict[Place, First] = {}
    starts = {partition: start for partition, (start, _) in spans.items()}
    ends = {partition: end for partition, (_, end) in spans.items()}
    open_ = {Place(topic, partition) for partition, (start, end) in spans.items() if start < end}
    with TopicReader(kafka, topic, starts) as reader:
        for batch in reader.batches(ends, still_s=STILL_S):
            for each in batch:
                if each.offset < ends[each.partition]:
                    found.setdefault(
                        Place(topic, each.partition), First(each.offset, each.timestamp_ms)
                    )
            if found.keys() == open_:
                break
    return found
