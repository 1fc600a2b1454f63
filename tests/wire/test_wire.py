"""Packing and unpacking: frames, keys, and every refusal before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mainstem.correlation import RESERVED_NAMES
from mainstem.errors import (
    DecodeError,
    InvalidMetadata,
    ReservedMetadataName,
    SchemaError,
    SchemaNotFound,
    UndeclaredPayload,
    ValueOutOfRange,
    WrongKeyType,
)
from mainstem.event import Event, GenericPayload
from mainstem.record import Record
from mainstem.registry.memory import MemoryRegistry
from mainstem.schema.declare import Int32, event_type
from mainstem.wire import Wire, key_bytes, key_from_bytes
from tests.schema.payloads import Everything
from tests.schema.strategies import EVERYTHING

MOMENT = datetime(2026, 11, 25, 12, 0, 0, 123000, UTC)
KEYS = [
    (UUID("0C7F6B79-9b67-490a-9b34-e2cc37def023"), b"0c7f6b79-9b67-490a-9b34-e2cc37def023"),
    ("zażółć", "zażółć".encode()),
    ("", b""),
    (-42, b"-42"),
    (2**63 - 1, b"9223372036854775807"),
    (True, b"true"),
    (False, b"false"),
    (Decimal("0.000"), b"0.000"),
    (Decimal("-1E+3"), b"-1000"),
    (b"\x00\xff", b"\x00\xff"),
]


@event_type("com.example.wire")
@dataclass(frozen=True, slots=True)
class Noted:
    """A small payload."""

    text: str
    count: Int32


@event_type("com.example.wire", "Noted")
@dataclass(frozen=True, slots=True)
class OtherNoted:
    """Another class of the same name."""

    text: str


class Counting(MemoryRegistry):
    """A memory registry that counts the calls."""

    def __init__(self) -> None:
        """Nothing was asked yet."""
        super().__init__()
        self.asked = 0

    def register(self, subject: str, schema_text: str) -> int:
        """Count and register."""
        self.asked += 1
        return super().register(subject, schema_text)

    def by_id(self, schema_id: int) -> str:
        """Count and answer."""
        self.asked += 1
        return super().by_id(schema_id)


def noted(**changes: Any) -> Event[Any]:
    """An event, but for the changes."""
    given: dict[str, Any] = {"key": uuid4(), "payload": Noted("ä", 3), "timestamp": MOMENT}
    return Event(**(given | changes))


def test_the_frame_is_magic_id_and_body() -> None:
    """Pack an event and look at every byte."""
    registry = MemoryRegistry()
    registry.register("another.Subject", '"string"')

    record = Wire(registry).pack(noted(key=7, metadata={"trace": b"1"}))

    assert record.data.hex() == "000000000204c3a406"
    assert (record.key, record.metadata) == (b"7", {"trace": b"1"})
    assert record.timestamp_ms == 1_795_608_000_123


@given(EVERYTHING, st.dictionaries(st.text(max_size=5), st.binary(max_size=5), max_size=3))
def test_an_event_comes_back_equal(payload: Everything, metadata: dict[str, bytes]) -> None:
    """Property: unpack(pack(event)) == event, by a reader that only shares the registry."""
    registry = MemoryRegistry()
    event = noted(
        payload=payload,
        metadata={name: entry for name, entry in metadata.items() if name not in RESERVED_NAMES},
    )

    assert Wire(registry, [Everything]).unpack(Wire(registry).pack(event)) == event


def test_a_payload_of_an_unnamed_class_is_generic() -> None:
    """Unpack by a reader that named no class."""
    registry = MemoryRegistry()

    event = Wire(registry).unpack(Wire(registry).pack(noted()))

    assert event.payload == GenericPayload("com.example.wire.Noted", {"text": "ä", "count": 3})


def test_the_registry_is_asked_once_per_class_and_schema() -> None:
    """Pack and unpack a hundred events, and count what the registry was asked."""
    registry = Counting()
    writer, reader = Wire(registry), Wire(registry, [Noted])
    assert not writer.prepared(Noted)

    for count in range(100):
        reader.unpack(writer.pack(noted(payload=Noted("x", count))))

    assert registry.asked == 2
    assert writer.prepared(Noted)


def test_prepare_makes_packing_independent_of_the_registry() -> None:
    """Prepare, then pack with a registry that would be noticed."""
    registry = Counting()
    wire = Wire(registry)
    wire.prepare(Noted)
    asked = registry.asked

    wire.pack(noted())

    assert registry.asked == asked


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_reserved_metadata_name_is_refused(name: str) -> None:
    """Pack an event whose metadata would be taken for a header of ours."""
    with pytest.raises(ReservedMetadataName, match=name):
        Wire(MemoryRegistry()).pack(noted(metadata={name: b"1"}))


@pytest.mark.parametrize(
    "metadata", [{"name": b"x" * 1_048_576}, {str(number): b"" for number in range(1025)}]
)
def test_metadata_beyond_its_bounds_is_refused(metadata: dict[str, bytes]) -> None:
    """Pack events whose metadata no reader of the table would take."""
    with pytest.raises(InvalidMetadata):
        Wire(MemoryRegistry()).pack(noted(metadata=metadata))


def test_a_time_before_1970_is_refused() -> None:
    """Kafka would refuse it for ever, and the topic would stop."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    wire = Wire(MemoryRegistry())

    assert wire.pack(noted(timestamp=epoch)).timestamp_ms == 0
    with pytest.raises(ValueOutOfRange, match="1970"):
        wire.pack(noted(timestamp=epoch - timedelta(microseconds=1)))


def test_an_undeclared_payload_is_refused() -> None:
    """Pack a dict, and name a class without declaration."""
    with pytest.raises(UndeclaredPayload):
        Wire(MemoryRegistry()).pack(noted(payload={"text": "x"}))
    with pytest.raises(UndeclaredPayload):
        Wire(MemoryRegistry(), [dict])


def test_two_classes_of_one_name_are_refused() -> None:
    """A reader could not know which of them is meant."""
    with pytest.raises(SchemaError, match=r"com\.example\.wire\.Noted"):
        Wire(MemoryRegistry(), [Noted, OtherNoted])


def test_a_class_may_be_learned_after_its_payloads_came() -> None:
    """Learn a class once its payload came back as GenericPayload, and a second one of its name."""
    registry = MemoryRegistry()
    reader, data = Wire(registry), Wire(registry).frame_of(Noted("ä", 3))
    assert isinstance(reader.payload(data), GenericPayload)
    assert not reader.knows(Noted)

    reader.learn(Noted)

    assert reader.knows(Noted)
    assert not reader.knows(OtherNoted)
    assert reader.payload(data) == Noted("ä", 3)
    with pytest.raises(SchemaError, match=r"com\.example\.wire\.Noted"):
        reader.learn(OtherNoted)


def test_a_bare_payload_has_the_frame_of_its_event() -> None:
    """Frame a payload without an event around it."""
    wire = Wire(MemoryRegistry())

    assert wire.frame_of(Noted("ä", 3)) == wire.pack(noted()).data
    assert wire.packed == (Noted,)
    with pytest.raises(UndeclaredPayload):
        wire.frame_of({"text": "x"})


@pytest.mark.parametrize("key", [None, 1.5, object(), "\ud800", 2**63, Decimal("NaN")])
def test_a_key_that_is_no_key_is_refused(key: Any) -> None:
    """Pack an event with it."""
    with pytest.raises((WrongKeyType, ValueOutOfRange)):
        key_bytes(key)


@pytest.mark.parametrize(("key", "data"), KEYS, ids=range(len(KEYS)))
def test_a_key_is_its_text(key: Any, data: bytes) -> None:
    """Compare with what PostgreSQL prints, and read it back."""
    assert key_bytes(key) == data
    assert key_from_bytes(data, type(key)) == key


@pytest.mark.parametrize(
    ("data", "key_type"),
    [
        (b"", UUID),
        (b"{0c7f6b79-9b67-490a-9b34-e2cc37def023}", UUID),
        (b"0c7f6b799b67490a9b34e2cc37def023", UUID),
        (b"\xff", str),
        (b"", int),
        (b"1.5", int),
        (b"1_000", int),
        (" ٣".encode(), int),
        (b"9" * 5000, int),
        (b"NaN", Decimal),
        (b"1E+999999999", Decimal),
        (b"--1", Decimal),
        (b"t", bool),
    ],
    ids=range(13),
)
def test_bytes_that_are_no_key_are_refused(data: bytes, key_type: type) -> None:
    """Read them as the type."""
    with pytest.raises(DecodeError, match=key_type.__name__):
        key_from_bytes(data, key_type)


def test_an_unknown_type_of_key_is_refused() -> None:
    """Floats have no text that every language agrees on."""
    with pytest.raises(WrongKeyType, match="float"):
        key_from_bytes(b"1.5", float)


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"\0\0\0\0", b"\1\0\0\0\1\0\0", b"\0\xff\xff\xff\xff\0", b"\0\0\0\0\1"]
)
def test_bytes_that_are_no_frame_are_refused(data: bytes) -> None:
    """Unpack them with a registry that knows schema 1."""
    registry = MemoryRegistry()
    Wire(registry).prepare(Noted)

    with pytest.raises(DecodeError):
        Wire(registry, [Noted]).unpack(Record(str(uuid4()).encode(), data, {}, 0))


def test_an_unknown_schema_is_named() -> None:
    """Unpack a frame whose id nobody registered."""
    with pytest.raises(SchemaNotFound, match="77"):
        Wire(MemoryRegistry()).unpack(Record(b"", b"\0\0\0\0\x4d", {}, 0))


@pytest.mark.parametrize("text", ['"string"', '{"type": "record"}', "{}", '["null"]'])
def test_a_registry_with_a_bad_schema_is_a_decode_error(text: str) -> None:
    """The registry is trusted as little as the bytes."""
    registry = MemoryRegistry()
    registry.register("some.Subject", text)

    with pytest.raises(DecodeError, match="schema 1 of the registry"):
        Wire(registry).unpack(Record(b"", b"\0\0\0\0\1", {}, 0))


def test_a_time_that_python_cannot_hold_is_a_decode_error() -> None:
    """Kafka's times go further than Python's."""
    registry = MemoryRegistry()
    record = Wire(registry).pack(noted())

    with pytest.raises(DecodeError, match="years"):
        Wire(registry).unpack(record._replace(timestamp_ms=2**62))
