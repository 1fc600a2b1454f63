"""Material for the fuzzer: a registry of schemas, valid frames of each, and ways to spoil them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeAlias
from uuid import UUID

from mainstem.event import Event
from mainstem.record import Record
from mainstem.registry.memory import MemoryRegistry
from mainstem.wire import HEADER, Wire
from tests.schema.payloads import (
    Address,
    Card,
    Defaults,
    Everything,
    Invoice,
    NoFields,
    Status,
    Tree,
)

CLASSES = (Everything, Tree, Defaults)
MOMENT = datetime(2026, 11, 25, tzinfo=UTC)
KEY_TYPES = (UUID, str, int, bool, Decimal, bytes)
EDGES = [
    b"\0",
    b"\x01",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\xff" * 9 + b"\x01",
    bytes.fromhex("80e1eb17"),
]
RANDOM_BYTES_MAX = 600
AMOUNTS: list[int | str | Decimal] = [5, "text", Decimal("1.234")]

Mutation: TypeAlias = Callable[[random.Random, bytes], bytes]


def described(kind: Any) -> Any:
    """A record around a type, as text."""
    fields = [{"name": "v", "type": kind}]
    return json.dumps({"type": "record", "name": "R", "namespace": "fuzz", "fields": fields})


RAW_TEXTS = [
    described({"type": "array", "items": "null"}),
    described({"type": "array", "items": {"type": "array", "items": "null"}}),
    described({"type": "map", "values": {"type": "array", "items": "R"}}),
    described({"type": "array", "items": {"type": "fixed", "name": "N", "size": 0}}),
    described(["null", "R"]),
    described(["null", "boolean", "int", "long", "float", "double", "bytes", "string"]),
    described({"type": "bytes", "logicalType": "decimal", "precision": 1000, "scale": 999}),
    described({"type": "string", "logicalType": "uuid"}),
    described({"type": "long", "logicalType": "local-timestamp-micros"}),
    described({"type": "int", "logicalType": "time-millis"}),
]
"""Schemas of others, with what is worst for a reader."""


@dataclass(frozen=True, slots=True)
class Material:
    """What the fuzzer works on."""

    wires: tuple[Wire, Wire]
    """One that knows the classes, one that does not."""
    frames: list[bytes]
    ids_max: int


def material(rng: random.Random) -> Material:
    """A registry with all schemas, and a few dozen valid frames."""
    registry = MemoryRegistry()
    writer = Wire(registry)
    payloads = [everything(rng), everything(rng), tree(rng, 5), tree(rng, 60), Defaults()]
    frames = [writer.pack(Event("k", payload, MOMENT)).data for payload in payloads]
    # An older version of Defaults, so that resolution is met too.
    frames.append(writer.pack(Event("k", NoFields(), MOMENT)).data)
    for text in RAW_TEXTS:
        schema_id = registry.register("fuzz.R", text)
        frames += [HEADER.pack(0, schema_id) + rng.randbytes(size) for size in (0, 1, 8, 64)]
    return Material((Wire(registry, CLASSES), Wire(registry)), frames, len(RAW_TEXTS) + 5)


def everything(rng: random.Random) -> Everything:
    """A payload with a value in each field."""
    return Everything(
        flag=True,
        small=rng.randint(-(2**31), 2**31 - 1),
        large=rng.randint(-(2**63), 2**63 - 1),
        single=0.5,
        twice=rng.random(),
        text="zażółć",
        raw=rng.randbytes(9),
        digest=rng.randbytes(4),
        identity=UUID(bytes=rng.randbytes(16)),
        total=Decimal("-12.34"),
        day=date(2026, 11, 25),
        moment=MOMENT,
        exact_moment=MOMENT + timedelta(microseconds=1),
        status=Status.PAID,
        address=Address("a", "b"),
        billing=Address("c"),
        payment=rng.choice([None, Card("x"), Invoice("x")]),
        amount=rng.choice(AMOUNTS),
        tags=["a", "b"],
        path=(Address("d"), Address("e")),
        counts={"x": 1, "y": 2},
        grid=([1.0, 2.0], []),
    )


def tree(rng: random.Random, depth: int) -> Tree:
    """A tree with a branch of this depth."""
    made = Tree(value=0)
    for _ in range(depth):
        side = Tree(value=rng.randint(0, 9)) if rng.random() < 0.5 else None
        made = Tree(value=1, left=made, right=side)
    return made


def flip(rng: random.Random, data: bytes) -> bytes:
    """Change one bit."""
    spoiled = bytearray(data)
    spoiled[rng.randrange(len(spoiled))] ^= 1 << rng.randrange(8)
    return bytes(spoiled)


def overwrite(rng: random.Random, data: bytes) -> bytes:
    """Put a number from the edge over what stands there."""
    place, edge = rng.randrange(len(data)), rng.choice(EDGES)
    return data[:place] + edge + data[place + len(edge) :]


def insert(rng: random.Random, data: bytes) -> bytes:
    """Put a number from the edge, or noise, in between."""
    place = rng.randrange(len(data) + 1)
    return data[:place] + (rng.choice(EDGES) + rng.randbytes(rng.randrange(3))) + data[place:]


def cut(rng: random.Random, data: bytes) -> bytes:
    """Take a piece out."""
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randrange(1, 9) :]


def repeat(rng: random.Random, data: bytes) -> bytes:
    """Write a piece many times, which deepens what is recursive."""
    start = rng.randrange(len(data))
    piece = data[start : start + rng.randrange(1, 5)]
    return data[:start] + piece * rng.choice([2, 70, 5000]) + data[start:]


MUTATIONS: list[Mutation] = [flip, overwrite, insert, cut, repeat]


def spoiled(rng: random.Random, given: Material) -> bytes:
    """A frame after a few mutations, or noise behind a valid header."""
    if rng.random() < 0.2:
        header = HEADER.pack(0, rng.randint(0, given.ids_max + 2))
        return header + rng.randbytes(rng.randrange(RANDOM_BYTES_MAX))
    data = rng.choice(given.frames)
    # The header is mostly left alone: without a schema nothing is decoded.
    start = 0 if rng.random() < 0.1 else HEADER.size
    header, body = data[:start], data[start:]
    for _ in range(rng.randint(0, 3)):
        body = rng.choice(MUTATIONS)(rng, body) if body else body
    return header + body


def case(rng: random.Random, given: Material) -> tuple[Wire, Record, type]:
    """What to unpack, with which reader and which type of key."""
    wire, data = rng.choice(given.wires), spoiled(rng, given)
    if rng.random() < 0.7:
        return wire, Record(b"k", data, {}, 0), str
    key = rng.choice([b"k", b"1", b"true", b"-1.50", str(UUID(int=7)).encode(), rng.randbytes(5)])
    moment_ms = rng.choice([0, 1_795_608_000_123, -(2**63), 2**63 - 1])
    return wire, Record(key, data, {}, moment_ms), rng.choice(KEY_TYPES)
