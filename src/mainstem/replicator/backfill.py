"""Rows older than a line: published in chunks, in the order of their ids, before the stream.

Each chunk is one Kafka transaction that ends with the cursor in the progress record; killed at any
point, the backfill resumes behind the last chunk that was committed. Until it is done nothing is
read from the stream, whose slot meanwhile keeps what commits.

Such a row's commit LSN is not known any more. It gets the table's fence as its LSN, and its number
in the backfill as its ordinal, so positions increase strictly within the topic.
"""

from __future__ import annotations

from dataclasses import replace

from mainstem.kafka.failures import kafka_errors
from mainstem.kafka.producer import Produce
from mainstem.kafka.records import lsn_header, message_of
from mainstem.postgres.table import EventTable
from mainstem.refusals import refusal
from mainstem.replicator.hands import Hands
from mainstem.replicator.opening import tables_of
from mainstem.replicator.points import Point
from mainstem.replicator.progress import Backfill, Progress, TopicState
from mainstem.replicator.session import Chunk
from mainstem.stopping import Stopped
from mainstem.wal.rows import layout_of


def run_backfill(hands: Hands, progress: Progress) -> Progress:
    """Publish every row from before the fences; returns the progress after it."""
    tables = {table.topic: table for table in tables_of(hands, progress)}
    for topic in progress.topics:
        while not is_done(state := progress.topics[topic]):
            if hands.watch.stop.requested:
                raise Stopped
            if topic not in tables:
                raise refusal(
                    "table-replaced", f"events.{topic} was dropped while its rows were carried over"
                )
            progress = progress.with_topic(topic, next_chunk(hands, tables[topic], state, progress))
    return progress


def is_done(state: TopicState) -> bool:
    """Whether no row of the topic is left to carry over."""
    return state.backfill is None or state.backfill.finished


def next_chunk(
    hands: Hands, table: EventTable, state: TopicState, progress: Progress
) -> TopicState:
    """Publish one chunk and commit it with its cursor; returns the topic's new state."""
    backfill = state.backfill
    assert backfill is not None
    with hands.stream.lent():
        chunk = hands.session.chunk(table, backfill, hands.settings.bounds)
    hands.watch.probe(Point.BACKFILL_READ)
    produce = hands.producer.begin()
    done = produce_chunk(hands, produce, chunk, table, state)
    if not chunk.rows:
        # Rows that commit from here on cannot have been in any chunk.
        done = replace(done, finished_lsn=hands.session.insert_lsn())
    hands.watch.probe(Point.BACKFILL_PRODUCED)
    state = replace(state, backfill=done)
    hands.commit(progress.with_topic(table.topic, state))
    hands.watch.probe(Point.BACKFILL_COMMITTED)
    hands.watch.reporter.backfill(table.topic, done)
    return state


def produce_chunk(
    hands: Hands, produce: Produce, chunk: Chunk, table: EventTable, state: TopicState
) -> Backfill:
    """Produce the rows; returns the cursor behind them."""
    backfill = state.backfill
    assert backfill is not None
    layout = layout_of(f"events.{table.topic}", chunk.columns)
    lsn, ordinal, stored_id = lsn_header(state.fence_lsn), backfill.done_rows, backfill.done_id
    with kafka_errors(f"producing to {table.topic}"):
        for columns in chunk.rows:
            stored_id, record = layout.record(columns)
            hands.put(produce, table.topic, message_of(record, stored_id, lsn, ordinal))
            ordinal += 1
    hands.stream.keep_alive()
    return replace(backfill, done_id=stored_id, done_rows=ordinal)
