"""How a line starts: fence what came before, read the progress, check everything, or begin anew.

The order matters. The slot is the lock: whoever reads it is alone on the PostgreSQL side. The
transactional ids are the fence: after it no older producer can commit. Only then is the progress
read, and only after all checks is anything published.

The very first start writes an *intent* before it creates the slot, and the first progress before
any event; so a crash in between is told from a lost progress or a lost slot.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from mainstem.kafka.compacted import read_last
from mainstem.kafka.topics import COMPACTED_TOPIC, EVENT_TOPIC, TopicFacts
from mainstem.postgres.table import PARTITIONED, EventTable
from mainstem.refusals import refusal
from mainstem.replicator import checks
from mainstem.replicator.hands import Hands
from mainstem.replicator.points import Point
from mainstem.replicator.progress import Backfill, Progress, TopicState
from mainstem.replicator.session import Fence, LockBusy, Publication
from mainstem.replicator.settings import PROGRESS_TOPIC
from mainstem.wal.slots import Slot


def open_line(hands: Hands) -> Progress:
    """The progress to go on from, with the stream started and every older producer fenced."""
    checks.check_wal_level(hands.session.wal_level())
    history = ""
    if hands.identity.timeline > 1:
        history = hands.stream.timeline_history(hands.identity.timeline)
    slot = hands.session.slot()
    if slot is not None:
        checks.check_slot_readable(slot, hands.identity.database)
        hands.start_stream()
    progress = read_progress(hands)
    # Only now, behind the lock and the fence, do the slot's figures stand still.
    slot = hands.session.slot()
    checks.check_beginnings(slot, progress)
    if progress is None or progress.is_intent:
        return begin_line(hands, slot)
    return resume_line(hands, slot, progress, history)


def read_progress(hands: Hands) -> Progress | None:
    """Fence older producers, then read the line's last committed progress."""
    stop = hands.watch.stop
    with hands.stream.lent():
        hands.topics.create(PROGRESS_TOPIC, COMPACTED_TOPIC, partitions=1)
        facts = hands.topics.describe([PROGRESS_TOPIC])
        checks.check_progress_topic(facts[PROGRESS_TOPIC])
        hands.producer.fence(lambda: stop.requested)
        line = hands.settings.line.encode()
        last = read_last(hands.settings.kafka, PROGRESS_TOPIC, line, lambda: stop.requested)
    return Progress.decode(last) if last is not None else None


def resume_line(hands: Hands, slot: Slot | None, progress: Progress, history: str) -> Progress:
    """Go on from the progress; a Refusal where something that it relies on has changed."""
    assert slot is not None
    checks.check_identity(hands.identity, progress)
    checks.check_wal(hands.session.flush_lsn(), progress)
    checks.check_history(hands.identity, progress, history)
    checks.check_slot_position(slot, progress)
    check_topics(hands, progress)
    check_tables(hands, progress)
    return replace(progress, timeline=hands.identity.timeline)


def check_tables(hands: Hands, progress: Progress) -> None:
    """Check publication and tables, and let empty tables join that are not published yet.

    A table that a transaction is writing at this moment joins at a later check. One that was
    dropped is no reason to stop: what was in it is in the stream, and its topic stays.
    """
    publication = hands.session.publication()
    checks.check_publication(publication, progress)
    assert publication is not None
    tables = tables_of(hands, progress)
    checks.check_tables(tables, progress)
    checks.check_published(tables, publication, progress)
    for table in tables:
        if table.topic not in publication.tables:
            join(hands, table)


def tables_of(hands: Hands, progress: Progress) -> list[EventTable]:
    """Every table to be replicated, those that joined before included."""
    tables = hands.session.tables(progress.topics)
    for table in tables:
        if table.kind == PARTITIONED:
            checks.check_partitions(table, hands.session.unpublished_partitions(table))
    return tables


def join(hands: Hands, table: EventTable) -> None:
    """Let a table join; Refusal `table-has-older-rows` where it is not empty."""
    try:
        joined = hands.session.join(table)
    except LockBusy as busy:
        hands.watch.reporter.note(busy.message)
        return
    if not joined:
        raise refusal(
            "table-has-older-rows", f"events.{table.topic} holds rows and never joined the line"
        )


def check_topics(hands: Hands, progress: Progress) -> None:
    """Check the Kafka topics of the line."""
    with hands.stream.lent():
        facts = hands.topics.describe(progress.topics, with_ends=False)
    checks.check_topics(facts, progress)


def begin_line(hands: Hands, slot: Slot | None) -> Progress:
    """The very first start: intent, publication, slot, fences, and the first progress."""
    identity = hands.identity
    intent = Progress(identity.system_id, identity.timeline, identity.database, hands.settings.slot)
    tables = tables_of(hands, intent)
    checks.check_tables(tables, intent)
    topic_facts(hands, [table.topic for table in tables])
    hands.write(intent)
    hands.watch.probe(Point.INTENT)
    publication = ensure_publication(hands, tables)
    if slot is None:
        flushed_lsn = hands.session.create_slot()
        hands.watch.probe(Point.SLOT_CREATED)
        hands.start_stream()
    else:
        # A crash after the intent left it; nothing was ever published through it.
        flushed_lsn = slot.confirmed_flush_lsn
    progress = replace(
        intent,
        flushed_lsn=flushed_lsn,
        publication_oid=publication.oid,
        publication_xmin=publication.xmin,
        topics=fenced_topics(hands, publication),
    )
    hands.watch.probe(Point.FENCED)
    hands.write(progress)
    names = ", ".join(progress.topics) or "no topics yet"
    hands.watch.reporter.note(f"line {hands.settings.line} begins: {names}")
    return progress


def ensure_publication(hands: Hands, tables: Iterable[EventTable]) -> Publication:
    """The publication, created where there is none: always before the slot."""
    if hands.session.publication() is None:
        hands.session.create_publication([table.topic for table in tables])
    publication = hands.session.publication()
    checks.check_publication(publication, Progress(0, 0, "", ""))
    assert publication is not None
    return publication


def fenced_topics(hands: Hands, publication: Publication) -> dict[str, TopicState]:
    """Fence each table: where its stream begins, and which rows are the backfill's."""
    states = {}
    tables = hands.session.tables(())
    facts = topic_facts(hands, [table.topic for table in tables])
    for table in tables:
        publish = table.topic not in publication.tables
        fence = fenced(hands, table, publish=publish)
        if fence.last_id is not None:
            checks.check_ids(table)
        fact = facts[table.topic]
        states[table.topic] = TopicState(
            table.oid,
            fact.topic_id,
            fact.partitions,
            fence.lsn,
            member_oid_or_none(hands, table.topic),
            Backfill(fence.last_id) if fence.last_id is not None else None,
        )
    return states


def member_oid_or_none(hands: Hands, topic: str) -> int:
    """The oid of a table's entry in the publication; 0 where it is not there any more."""
    publication = hands.session.publication()
    return publication.tables.get(topic, 0) if publication else 0


def fenced(hands: Hands, table: EventTable, *, publish: bool) -> Fence:
    """The table's fence; waits for transactions that wrote the table."""
    told = False
    while True:
        try:
            with hands.stream.lent():
                return hands.session.fence(table.topic, publish=publish)
        except LockBusy as busy:
            if not told:
                hands.watch.reporter.note(busy.message)
            told = True
            hands.wait()


def topic_facts(hands: Hands, names: list[str]) -> dict[str, TopicFacts]:
    """The Kafka topics of tables that join the line: created where missing, checked, empty."""
    with hands.stream.lent():
        existing = hands.topics.describe(names)
        for name in names:
            if name not in existing:
                hands.topics.create(name, EVENT_TOPIC)
        facts = hands.topics.describe(names)
    for fact in facts.values():
        checks.check_topic_settings(fact)
        checks.check_topic_empty(fact)
    return facts
