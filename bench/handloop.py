"""The yardstick: PostgreSQL slot -> Kafka transactions, as bare as Python allows.

No checks, no metadata, one table layout (id bigint, key uuid, data, metadata NULL, timestamp), one
thread; it keeps its place in Kafka inside the transaction and acknowledges after it, as we do.
Prints one JSON object: events, seconds (first read to last commit), cpu_us_per_event.
"""

from __future__ import annotations

import argparse
import json
import select
import struct
import time

from confluent_kafka import Producer
from psycopg import pq
from psycopg.pq.abc import PGconn

STATUS = struct.Struct(">cQQQqB")
ROW = struct.Struct(">xI3x5sq5s16ssI")
BEGIN = struct.Struct(">xQqI")
COMMIT = struct.Struct(">xBQQq")
TAIL = struct.Struct(">cIq")
HEAD = 25
ROW_END = HEAD + ROW.size
BATCH_MAX = 20_000
BACKLOG = 20


def main() -> None:
    """Drain the slot until so many events are in Kafka."""
    parser = argparse.ArgumentParser()
    for name in ("--dsn", "--kafka", "--slot", "--publication", "--topic", "--events"):
        parser.add_argument(name, required=True)
    chosen = parser.parse_args()
    producer = Producer(
        {
            "bootstrap.servers": chosen.kafka,
            "transactional.id": f"hand-{chosen.slot}",
            "partitioner": "murmur2_random",
            "linger.ms": 5,
            "batch.size": 1_000_000,
            "log_level": 2,
        }
    )
    producer.init_transactions(30)
    connection = pq.PGconn.connect(f"{chosen.dsn} replication=database".encode())
    connection.exec_(
        f'START_REPLICATION SLOT "{chosen.slot}" LOGICAL 0/0'
        f" (proto_version '1', publication_names '{chosen.publication}', binary 'true')".encode()
    )
    drain(connection, producer, chosen.topic, int(chosen.events))


def drain(connection: PGconn, producer: Producer, topic: str, wanted: int) -> None:  # noqa: C901, PLR0912 - a hand loop is one function
    """The loop."""
    poll = polled(connection)
    get, produce = connection.get_copy_data, producer.produce
    lsn = end_lsn = done = batch = since_wait = ordinal = 0
    lsn_text, started_s, cpu_s = b"", 0.0, 0.0
    while done < wanted:
        size, data = get(1)
        if size == 0:
            connection.consume_input()
            size, data = get(1)
        if size == 0:
            if batch and since_wait <= BACKLOG:
                batch = commit(connection, producer, lsn, end_lsn)
            else:
                wait(poll, since_wait)
            since_wait = 0
            continue
        since_wait += 1
        body = bytes(data)
        if body[0] != ord("w"):
            continue
        kind = body[HEAD]
        if kind == ord("I"):
            if not started_s:
                started_s, cpu_s = time.perf_counter(), time.process_time()
            if not batch:
                producer.begin_transaction()
            _, _, stored_id, _, key, _, length = ROW.unpack_from(body, HEAD)
            value = body[ROW_END : ROW_END + length]
            # Behind the data: a NULL metadata, then the timestamp.
            moment = TAIL.unpack_from(body, ROW_END + length + 1)[2]
            place = [("lsn", lsn_text), ("ordinal", b"%d" % ordinal)]
            headers: list[tuple[str, str | bytes | None]] = [("id", b"%d" % stored_id), *place]
            millis = moment // 1000 + 946_684_800_000
            produce(topic, value, text_of(key.hex()), -1, None, None, millis, headers)
            ordinal += 1
            batch += 1
            done += 1
        elif kind == ord("B"):
            lsn = BEGIN.unpack_from(body, HEAD)[0]
            lsn_text = f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}".encode()
            ordinal = 0
        elif kind == ord("C"):
            end_lsn = COMMIT.unpack_from(body, HEAD)[2]
        if batch >= BATCH_MAX:
            batch = commit(connection, producer, lsn, end_lsn)
    if batch:
        commit(connection, producer, lsn, end_lsn)
    report(done, started_s, cpu_s)


def polled(connection: PGconn) -> select.poll:
    """What tells that the server sent something."""
    poll = select.poll()
    poll.register(connection.socket, select.POLLIN)
    return poll


def wait(poll: select.poll, since_wait: int) -> None:
    """Nap while there is a backlog, so that the walsender gets ahead; else wait for news."""
    if since_wait > BACKLOG:
        time.sleep(0.001)
    else:
        poll.poll(20)


def text_of(digits: str) -> str:
    """A UUID's text."""
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def commit(connection: PGconn, producer: Producer, lsn: int, end_lsn: int) -> int:
    """Progress, commit, acknowledge; the new batch is empty."""
    producer.produce("hand_progress", struct.pack(">QQ", lsn, end_lsn), b"hand", 0)
    producer.commit_transaction(30)
    connection.put_copy_data(STATUS.pack(b"r", end_lsn, end_lsn, end_lsn, 0, 0))
    connection.flush()
    return 0


def report(done: int, started_s: float, cpu_s: float) -> None:
    """The figures."""
    seconds = time.perf_counter() - started_s
    cpu_us = (time.process_time() - cpu_s) / done * 1e6
    print(json.dumps({"events": done, "seconds": seconds, "cpu_us_per_event": cpu_us}))


if __name__ == "__main__":
    main()
