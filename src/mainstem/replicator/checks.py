"""Every refusal at the start of a line and at each heartbeat; pure.

Each check takes what the servers said and what the progress says, and raises a named Refusal where
going on could lose, double or reorder an event. The names and remedies stand in mainstem.refusals.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mainstem.event import format_lsn, parse_lsn
from mainstem.kafka.topics import FOR_EVER, TopicFacts
from mainstem.postgres.table import EventTable, shape_problem
from mainstem.refusals import refusal
from mainstem.replicator.progress import Progress
from mainstem.replicator.session import Publication
from mainstem.wal.slots import Slot
from mainstem.wal.statements import PLUGIN
from mainstem.wal.stream import SystemIdentity

HISTORY_FIELDS_MIN = 2


def check_wal_level(level: str) -> None:
    """The server offers a stream of changes."""
    if level != "logical":
        raise refusal("wal-level", f"the server's wal_level is {level!r}")


def check_slot_readable(slot: Slot, database: str) -> None:
    """The slot is ours to read, and the server still has its WAL."""
    if slot.plugin != PLUGIN or slot.database != database:
        raise refusal(
            "slot-foreign",
            f"the slot {slot.name} is of plugin {slot.plugin} in database {slot.database}",
        )
    if slot.wal_status == "lost":
        raise refusal("slot-lost", f"the slot {slot.name} was invalidated by the server")


def check_beginnings(slot: Slot | None, progress: Progress | None) -> None:
    """Slot and progress exist together, or neither does."""
    if slot is None and progress is not None and not progress.is_intent:
        raise refusal(
            "slot-missing",
            f"progress says {format_lsn(progress.flushed_lsn or 0)}, but there is no slot"
            f" {progress.slot}",
        )
    if slot is not None and progress is None:
        raise refusal(
            "slot-without-progress",
            f"the slot {slot.name} is confirmed to {format_lsn(slot.confirmed_flush_lsn)},"
            " but Kafka holds no progress of the line",
        )


def check_identity(identity: SystemIdentity, progress: Progress) -> None:
    """The progress was written for this server and this database."""
    here = (identity.system_id, identity.database)
    there = (progress.system_id, progress.database)
    if here != there:
        raise refusal(
            "progress-of-another-server",
            f"the progress is of system {there[0]}, database {there[1]};"
            f" this is system {here[0]}, database {here[1]}",
        )


def check_wal(wal_lsn: int, progress: Progress) -> None:
    """The server's WAL, asked for after the progress was read, reaches as far as that."""
    flushed_lsn = progress.flushed_lsn or 0
    if wal_lsn < flushed_lsn:
        raise refusal(
            "server-behind-progress",
            f"the server's WAL ends at {format_lsn(wal_lsn)},"
            f" the progress is {format_lsn(flushed_lsn)}",
        )


def check_history(identity: SystemIdentity, progress: Progress, history: str) -> None:
    """Everything up to the progress belongs to this server's history.

    `history` is the timeline history file, empty while the timeline is the same.
    """
    flushed_lsn = progress.flushed_lsn or 0
    if identity.timeline == progress.timeline:
        return
    branch_lsn = branch_points(history).get(progress.timeline)
    if branch_lsn is None or branch_lsn < flushed_lsn:
        raise refusal(
            "timeline-fork",
            f"timeline {identity.timeline} left timeline {progress.timeline} at"
            f" {format_lsn(branch_lsn or 0)}, before the progress {format_lsn(flushed_lsn)}",
        )


def branch_points(history: str) -> dict[int, int]:
    """The LSN at which each timeline of a history file was left."""
    points = {}
    for line in history.splitlines():
        fields = line.split("#")[0].split()
        if len(fields) >= HISTORY_FIELDS_MIN and fields[0].isdigit():
            points[int(fields[0])] = parse_lsn(fields[1])
    return points


def check_slot_position(slot: Slot, progress: Progress) -> None:
    """PostgreSQL still sends everything that committed after the progress."""
    flushed_lsn = progress.flushed_lsn or 0
    if slot.confirmed_flush_lsn > flushed_lsn:
        raise refusal(
            "slot-ahead-of-progress",
            f"the slot {slot.name} is confirmed to {format_lsn(slot.confirmed_flush_lsn)},"
            f" the progress in Kafka is {format_lsn(flushed_lsn)}",
        )


def check_publication(publication: Publication | None, progress: Progress) -> None:
    """The publication is the one that the line began with, and publishes whole inserts."""
    if publication is None:
        raise refusal("publication-missing", "the publication does not exist")
    if progress.publication_oid not in {0, publication.oid}:
        raise refusal("publication-missing", "the publication was dropped and created again")
    if progress.publication_xmin not in {0, publication.xmin}:
        raise refusal("publication-altered", "its options were altered since the line began")
    if not publication.inserts_only:
        raise refusal("publication-altered", "it does not publish inserts alone, by root")
    ours = progress.topics.keys()
    if restricted := sorted(publication.restricted & ours):
        raise refusal(
            "publication-altered", f"a row filter or column list on {', '.join(restricted)}"
        )


def check_published(
    tables: Iterable[EventTable], publication: Publication, progress: Progress
) -> None:
    """Each table of the line that still exists is published, and always was."""
    for table in tables:
        state = progress.topics.get(table.topic)
        if state is None:
            continue
        member_oid = publication.tables.get(table.topic)
        if member_oid is None:
            raise refusal("table-not-published", f"events.{table.topic} is no longer published")
        if member_oid != state.member_oid:
            raise refusal("table-not-published", f"events.{table.topic} was out of it for a while")


def check_partitions(table: EventTable, unpublished: Iterable[str]) -> None:
    """Every partition of a table is one whose changes PostgreSQL publishes."""
    if names := ", ".join(sorted(unpublished)):
        raise refusal("partition-unpublished", f"of events.{table.topic}: {names}")


def check_tables(tables: Iterable[EventTable], progress: Progress) -> None:
    """Each table can be replicated and is the one that joined the line."""
    for table in tables:
        if table.persistence != "p":
            raise refusal("table-unlogged", f"events.{table.topic} is not a logged table")
        if problem := shape_problem(table):
            raise refusal("table-shape", f"events.{table.topic}: {problem}")
        state = progress.topics.get(table.topic)
        if state is not None and state.table_oid != table.oid:
            raise refusal(
                "table-replaced",
                f"events.{table.topic} has oid {table.oid}, it had {state.table_oid}",
            )


def check_ids(table: EventTable) -> None:
    """Ids of rows after the fence of a table are above the ids of rows before it."""
    if (table.id_cache or 1) > 1:
        raise refusal(
            "sequence-cached",
            f"the sequence of events.{table.topic}.id has CACHE {table.id_cache}",
        )


def check_topics(facts: Mapping[str, TopicFacts], progress: Progress) -> None:
    """Each Kafka topic is the one that the line began with, with settings that keep events."""
    for topic, state in progress.topics.items():
        fact = facts.get(topic)
        if fact is None or fact.topic_id != state.topic_id:
            raise refusal("topic-recreated", f"the topic {topic} is not the one that was written")
        if fact.partitions != state.partitions:
            raise refusal(
                "topic-partitions-changed",
                f"{topic} has {fact.partitions} partitions, it had {state.partitions}",
            )
        check_topic_settings(fact)


def check_topic_settings(fact: TopicFacts) -> None:
    """The topic keeps timestamps and does not delete by key."""
    if fact.settings.get("message.timestamp.type") != "CreateTime":
        raise refusal("topic-settings", f"{fact.name} overwrites the timestamps of events")
    for name in ("retention.ms", "retention.bytes"):
        if fact.settings.get(name) != FOR_EVER:
            raise refusal("topic-settings", f"{fact.name} has {name}={fact.settings.get(name)}")
    if "compact" in fact.settings.get("cleanup.policy", ""):
        raise refusal("topic-settings", f"{fact.name} is compacted, which deletes events by key")


def check_topic_empty(fact: TopicFacts) -> None:
    """A topic that joins the line holds no record that no progress explains."""
    if not fact.empty:
        raise refusal("topic-not-empty", f"the topic {fact.name} holds records already")


def check_progress_topic(fact: TopicFacts) -> None:
    """Kafka never deletes the record that says where we are."""
    settings = fact.settings
    policy, retention = settings.get("cleanup.policy"), settings.get("retention.ms")
    if policy != "compact" or fact.partitions != 1:
        raise refusal(
            "progress-topic-unsafe",
            f"{fact.name}: cleanup.policy={policy}, retention.ms={retention},"
            f" {fact.partitions} partitions",
        )
