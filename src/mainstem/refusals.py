"""Every refusal by name: what it means, why we stop, and what an operator does about it."""

from __future__ import annotations

from typing import NamedTuple

from mainstem.errors import Refusal


class Explanation(NamedTuple):
    """What `mainstem explain NAME` tells."""

    meaning: str
    why: str
    remedy: str


REFUSALS: dict[str, Explanation] = {
    "wal-level": Explanation(
        "The server's wal_level is not logical, so PostgreSQL offers no stream of changes.",
        "Without it there is nothing to replicate from.",
        "set wal_level = logical and restart PostgreSQL",
    ),
    "replication-privilege": Explanation(
        "The database role may not replicate.",
        "Reading a replication slot needs the REPLICATION attribute.",
        "ALTER ROLE … REPLICATION, or connect as a role that has it",
    ),
    "slot-missing": Explanation(
        "Kafka holds progress for this line, but its replication slot is gone.",
        "Events that committed since the progress are no longer in the slot; a new slot would"
        " begin after them, and they would be lost silently.",
        "stop writers, compare with `mainstem verify`, then start over with another line name",
    ),
    "slot-without-progress": Explanation(
        "The replication slot exists, but Kafka holds no progress for this line.",
        "Either the progress topic was lost or the slot belongs to something else; resuming"
        " could double or lose events.",
        "restore the progress topic, or drop the slot if it was never used",
    ),
    "slot-ahead-of-progress": Explanation(
        "The slot was confirmed beyond the progress kept in Kafka.",
        "Somebody advanced or re-created the slot: PostgreSQL will not send what committed in"
        " between, so these events would be lost silently.",
        "compare with `mainstem verify TOPIC`; the events between both positions are not in Kafka",
    ),
    "slot-lost": Explanation(
        "PostgreSQL invalidated the slot, because it held back more WAL than allowed.",
        "The WAL that the slot needs is gone, and with it events not yet in Kafka.",
        "raise max_slot_wal_keep_size; then start over with another line name",
    ),
    "slot-foreign": Explanation(
        "A slot of this name exists with another plugin or for another database.",
        "It is not ours to read.",
        "choose another line name, or drop that slot",
    ),
    "progress-of-another-server": Explanation(
        "The progress in Kafka was written for another PostgreSQL server or database.",
        "LSNs of two servers cannot be compared: resuming would skip or double events.",
        "check the database address; a restored copy needs a line name of its own",
    ),
    "server-behind-progress": Explanation(
        "The server's WAL ends before the progress kept in Kafka.",
        "The server was restored from a backup or a lagging standby was promoted: Kafka holds"
        " events that the database does not have.",
        "compare with `mainstem verify TOPIC` and decide which history is the true one",
    ),
    "timeline-fork": Explanation(
        "The server is on a new timeline that branched off before the progress kept in Kafka.",
        "Events after the branch point are in Kafka but not in this server's history.",
        "compare with `mainstem verify TOPIC` and decide which history is the true one",
    ),
    "progress-format": Explanation(
        "The progress record has a format that this version cannot read.",
        "A newer Mainstem, or something else, wrote it.",
        "use the version of Mainstem that wrote it, or newer",
    ),
    "progress-topic-unsafe": Explanation(
        "The progress topic is not compacted, has finite retention or several partitions.",
        "Kafka could delete the record that says where we are.",
        "set cleanup.policy=compact and retention.ms=-1 on it; it must have one partition",
    ),
    "publication-missing": Explanation(
        "The publication that the slot reads through does not exist any more.",
        "PostgreSQL 18 skips changes of a missing publication with a mere warning: they would"
        " be lost.",
        "changes since it was dropped may be lost: compare with `mainstem verify TOPIC`",
    ),
    "publication-altered": Explanation(
        "The publication does not publish exactly the inserts of whole tables.",
        "A row filter, a column list or other operations would change what reaches Kafka.",
        "restore publish = 'insert', publish_via_partition_root = true, no filters, no lists",
    ),
    "table-not-published": Explanation(
        "A table with replicated events is not in the publication, or was not for a while.",
        "Events that were written meanwhile are not in the stream; they would be lost silently.",
        "compare with `mainstem verify TOPIC`; start over with another line name and topic",
    ),
    "table-has-older-rows": Explanation(
        "An event table appeared that already holds rows from before it joined the line.",
        "The stream carries only what commits after a table joined; this version cannot yet"
        " catch up with older rows of a table that appears later.",
        "create topics with `mainstem topic create`, or let the table join while it is empty",
    ),
    "table-not-joined": Explanation(
        "The stream carries an event of a table that never joined the line.",
        "The table was added to the publication by hand, so rows from before may be missing.",
        "remove it from the publication; it joins at the next start if it is empty",
    ),
    "table-shape": Explanation(
        "An event table does not have the columns that an event needs.",
        "A row of unexpected shape is never guessed at.",
        "id bigint, key, data bytea, metadata bytea (optional), timestamp timestamptz",
    ),
    "table-unlogged": Explanation(
        "An event table is unlogged or temporary.",
        "PostgreSQL publishes no changes of such tables.",
        "ALTER TABLE … SET LOGGED",
    ),
    "sequence-cached": Explanation(
        "The id sequence of a table with older rows caches values (CACHE > 1).",
        "A session could insert an id from before the fence after it, which would be published"
        " twice.",
        "ALTER SEQUENCE … CACHE 1",
    ),
    "id-inside-backfill": Explanation(
        "While older rows were carried over, a row was inserted with an id below theirs.",
        "It cannot be told whether that row was carried over already, so going on could double"
        " or lose it.",
        "let ids come from the sequence; start over with another line name",
    ),
    "table-renamed": Explanation(
        "Events were written to a known table while it had another name or schema.",
        "The stream carries the names of that moment; which topic those events belong to is not"
        " guessed.",
        "a table that joined must keep its name; start over with another line name and topic",
    ),
    "partition-unpublished": Explanation(
        "A partition of an event table is unlogged or foreign.",
        "PostgreSQL publishes no changes of such a partition: its events would be lost silently.",
        "ALTER TABLE … SET LOGGED on the partition; a foreign one must be detached",
    ),
    "database-refused": Explanation(
        "PostgreSQL refused a statement of the replicator in a way that trying again cannot mend.",
        "Something that the replicator relies on is not as it must be.",
        "the message tells what the server said; mend it, then start again",
    ),
    "table-replaced": Explanation(
        "An event table was dropped and created again.",
        "Its ids start over, so events of both tables would be mixed in one topic.",
        "use a new topic name for the new table",
    ),
    "topic-not-empty": Explanation(
        "A Kafka topic already holds records, but there is no progress that explains them.",
        "The progress topic was lost, or something else writes this topic; starting afresh"
        " could double every event.",
        "restore the progress topic, or choose an empty topic",
    ),
    "topic-recreated": Explanation(
        "A Kafka topic was deleted, or deleted and created again.",
        "The events that it held are gone, which is no longer every event exactly once.",
        "start over with another line name and an empty topic",
    ),
    "projection-topic-recreated": Explanation(
        "A projection's offsets are of a Kafka topic that was deleted and created again.",
        "The same offsets stand for other events now: going on would skip some or apply others"
        " twice.",
        "compare the topic with its table by `mainstem verify`, then rebuild the projection",
    ),
    "projection-retired": Explanation(
        "A newer version of the projection has taken its tables over.",
        "What the older version wrote would end up in the newer one's rows.",
        "stop this version's projector, and run the newer one's",
    ),
    "projection-ended-by-handler": Explanation(
        "A handler of a projection ended the transaction by a COMMIT or ROLLBACK of its own.",
        "Its offsets may be committed before all events of the batch were applied: the rest would"
        " be skipped.",
        "take it out of the handler, and rebuild the projection",
    ),
    "projection-tables-taken": Explanation(
        "Another version of the projection serves the same tables.",
        "Both would apply every event to the same rows.",
        "`mainstem projection rebuild` puts the new version in the old one's place; or give it"
        " tables or a schema of its own",
    ),
    "rebuild-would-break": Explanation(
        "Views, foreign keys, triggers, policies or publications hold on to a table that a rebuild"
        " is to replace.",
        "An exchange by name would leave them with the old table, or lose them.",
        "put what belongs to the table into the class's ddl; drop the others, rebuild, and create"
        " them again",
    ),
    "projection-qualified-names": Explanation(
        "The handlers of a projection use tables outside of those that are being built.",
        "Rows that serve would get every event twice.",
        "write names without a schema, and list every table in `tables`",
    ),
    "position-went-back": Explanation(
        "An event in a Kafka partition committed before the one in front of it.",
        "Events of a partition are in commit order; one that is not was written by something else,"
        " or is there twice.",
        "look at both events by `mainstem tail`, and find out what else writes to the topic",
    ),
    "topic-partitions-changed": Explanation(
        "A Kafka topic has another number of partitions than when the line began.",
        "Keys would move to other partitions, which breaks their order.",
        "a topic's partitions cannot be changed; use a new topic",
    ),
    "topic-settings": Explanation(
        "A Kafka topic overwrites timestamps (LogAppendTime), deletes records by key (compact), or"
        " after a time or beyond a size.",
        "Events would be changed or lost in Kafka.",
        "set message.timestamp.type=CreateTime, cleanup.policy=delete, retention.ms=-1 and"
        " retention.bytes=-1 on the topic",
    ),
    "topic-not-published": Explanation(
        "A topic is to be followed, but no publication carries the changes of its table.",
        "Its events are not in PostgreSQL's stream of changes, so a follower would wait for ever.",
        "start `mainstem replicate`, which lets the table join; without a replicator let the"
        " table's owner run the command that the message names",
    ),
    "position-not-held": Explanation(
        "A topic is to be followed from a position that no replication slot holds any more.",
        "PostgreSQL has forgotten what committed in between, or the position is not of this"
        " topic: going on would skip events silently.",
        "read on from Kafka, or begin with the table: follow(after=ID); to resume exactly, keep a"
        " slot that is moved only behind what was worked off",
    ),
    "follower-too-slow": Explanation(
        "A follower made PostgreSQL keep more WAL than a follower may.",
        "A consumer that does not come along would fill the server's disk.",
        "do less for each event, or many events at a time; then go on as after any other end",
    ),
    "row-refused": Explanation(
        "A row cannot become a Kafka record: NULL key or data, a bad timestamp or metadata.",
        "What is not an event is never guessed at nor skipped.",
        "correct the row's cause; rows saved through Mainstem are checked before",
    ),
    "message-too-large": Explanation(
        "Kafka refused an event because it is larger than the topic or broker allows.",
        "The event must not be skipped.",
        "raise max.message.bytes of the topic",
    ),
    "kafka-refused": Explanation(
        "Kafka refused a request in a way that trying again cannot mend.",
        "An authorization or a setting is wrong.",
        "grant what the message names, then start again",
    ),
    "stream-malformed": Explanation(
        "PostgreSQL sent bytes that are not a message of the replication protocol that we know.",
        "Skipping an unknown message could skip an event.",
        "report the message and the server version",
    ),
    "order-broken": Explanation(
        "A transaction arrived that committed before the one already published.",
        "This must not happen; going on would break commit order.",
        "report it, with both positions",
    ),
    "stream-topic-recreated": Explanation(
        "A topic of a stream application was deleted and created again since it began.",
        "The application's offsets belong to the former topic, and with a changelog its state is"
        " gone: going on would skip events, or count on from nothing.",
        "begin anew: mainstem stream reset APP, and a start replays its sources; results are"
        " written again, so give them a new topic or let readers know",
    ),
    "stream-partitions-changed": Explanation(
        "A topic of a stream application has another number of partitions than when it began.",
        "State is kept by partition, and keys have moved to others.",
        "begin anew: mainstem stream reset APP; or copy the events into a new topic and read that",
    ),
    "stream-offsets-lost": Explanation(
        "Kafka keeps a stream application's record, but not its offset of a partition any more.",
        "Starting at a guess would skip events or count them twice. Kafka deletes the offsets of a"
        " group that was stopped for a week (offsets.retention.minutes).",
        "begin anew: mainstem stream reset APP; for applications that stand still for long, raise"
        " offsets.retention.minutes",
    ),
    "stream-group-taken": Explanation(
        "A stream application is to begin, but somebody uses its consumer group or its topics.",
        "Its name is its group: the two would move each other's offsets.",
        "give the application another name; or, if nobody needs them, delete the group and the"
        " topics that the message names",
    ),
    "stream-events-deleted": Explanation(
        "Kafka does not hold the events that a stream application has to read next.",
        "They were deleted before they were processed, or the partition has lost its end.",
        "see what deletes events of the topic; then begin anew with what is left: mainstem stream"
        " reset APP",
    ),
    "stream-retention": Explanation(
        "A topic of a stream application deletes records that a replay or a restore needs.",
        "Old events that are replayed would be deleted at once, and state would be restored in"
        " part.",
        "set retention.ms=-1 and retention.bytes=-1 on the topic, with cleanup.policy=compact on a"
        " changelog and delete on others; or, for sources that may forget, accept_retention=True",
    ),
    "stream-record-format": Explanation(
        "The record or the state of a stream application was written by another version, or under"
        " another cipher.",
        "What cannot be read is not guessed at.",
        "run it with the version and the cipher that wrote it, or begin anew: mainstem stream reset"
        " APP",
    ),
    "stream-record-too-slow": Explanation(
        "One event took a stream application longer than Kafka lets a transaction be open.",
        "Kafka aborted the transaction: nothing of it is visible, and each new start would fail at"
        " the same event.",
        "make the function faster, or raise --transaction-timeout-s above what the event takes",
    ),
}
"""Names are for ever: scripts and runbooks hold on to them."""


REFUSED_LINES: dict[str, Explanation] = {
    "line-cut-off": Explanation(
        "A line of the demo's file ends before its last column.",
        "What is missing cannot be guessed; the line is counted and told, and no event is made.",
        "nothing: the file that ships with the demo is cut in the middle of its last line",
    ),
    "line-malformed": Explanation(
        "A value in a line of the demo's file cannot be read.",
        "It is not guessed at; the line is counted and told, and no event is made.",
        "correct the line, if the file is your own",
    ),
}
"""Lines of data that the demo leaves out, by name; they stop nothing."""


def refusal(name: str, message: str) -> Refusal:
    """The named refusal with this message and the table's remedy."""
    return Refusal(name, message, hint=REFUSALS[name].remedy)
