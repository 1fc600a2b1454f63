"""Fuzzes the change stream: `python -m tests.fuzz.fuzz_pgoutput --seconds 60 --seed 1`.

Random and spoiled payloads go through unframe, decode, columns_of and a row's layout, as they would
in the replicator. Any bytes must give a value or an error of ours, quickly. The last line is one
JSON object; exit code 1 if anything was found.
"""

from __future__ import annotations

import random
import struct
import sys
import time
from functools import partial

from mainstem.errors import DecodeError, Refusal
from mainstem.wal.pgoutput import Column, Insert, columns_of, decode
from mainstem.wal.protocol import Keepalive, unframe
from mainstem.wal.rows import RowLayout, layout_of
from tests.fuzz.findings import Findings, one, run_fuzzer
from tests.wal import messages

EXPECTED = (DecodeError, Refusal)
OID = 10
COLUMNS = [
    Column("id", 20),
    Column("key", 2950),
    Column("data", 17),
    Column("metadata", 17),
    Column("timestamp", 1184),
]
KEY_TYPES = [2950, 25, 17, 21, 23, 20, 16, 1700]
METADATA = [None, b"\x00", b"\x02\x02a\x02\x31\x00"]


def fuzz(seconds: float, seed: int, executions_max: int = sys.maxsize) -> Findings:
    """Decode spoiled payloads until the time is over; the seed decides them."""
    rng = random.Random(seed)
    layouts = [
        layout_of("events.x_events", [COLUMNS[0], Column("key", key_type), *COLUMNS[2:]])
        for key_type in KEY_TYPES
    ]
    findings = Findings()
    deadline_s = time.monotonic() + seconds
    while time.monotonic() < deadline_s and findings.executions < executions_max:
        payload, layout = spoiled(rng, sound(rng)), rng.choice(layouts)
        one(findings, partial(decoded, payload, layout), payload, EXPECTED)
    return findings


def sound(rng: random.Random) -> bytes:
    """A payload that PostgreSQL could have sent."""
    row: list[bytes | None] = [
        rng.randbytes(8),
        rng.randbytes(16),
        rng.randbytes(rng.randrange(60)),
    ]
    row += [rng.choice(METADATA), rng.randbytes(8)]
    bodies = [
        messages.begin(rng.getrandbits(60)),
        messages.commit(rng.getrandbits(60), rng.getrandbits(60)),
        messages.relation(OID, "events", "x_events", [(c.name, c.type_oid) for c in COLUMNS]),
        messages.insert(OID, row),
        messages.insert(OID, [rng.randbytes(rng.randrange(30)) for _ in range(5)]),
        messages.message("mainstem", b"beat main 1"),
        struct.pack(">cI", rng.choice([b"U", b"D", b"T", b"O", b"Y"]), OID),
    ]
    if rng.random() < 0.1:
        return messages.keepalive(rng.getrandbits(60), reply=True)
    return messages.wal_data(rng.choice(bodies))


def spoiled(rng: random.Random, payload: bytes) -> bytes:
    """The payload as it is, altered, cut, longer, or something random instead."""
    dice = rng.random()
    if dice < 0.1:
        return payload
    if dice < 0.2:
        return rng.randbytes(rng.randrange(120))
    data = bytearray(payload)
    for _ in range(rng.choice([1, 1, 2, 5])):
        data[rng.randrange(len(data))] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
    if dice < 0.4:
        del data[rng.randrange(len(data)) :]
    elif dice < 0.5:
        data += rng.randbytes(rng.randrange(1, 20))
    return bytes(data)


def decoded(payload: bytes, layout: RowLayout) -> None:
    """The way of a payload through the replicator's pure files."""
    framed = unframe(payload)
    if not isinstance(framed, Keepalive) and isinstance(message := decode(framed), Insert):
        layout.inserted(message.body)
        columns_of(message.body)


if __name__ == "__main__":
    sys.exit(run_fuzzer(fuzz, __doc__))
