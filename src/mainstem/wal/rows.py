"""A row of an event table in PostgreSQL's binary format -> Record; pure.

The stream and the backfill both go through here, so an event looks the same whichever way it came.
Values (`data`) are passed on as they stand.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from mainstem.errors import DecodeError
from mainstem.metadata_codec import decode_metadata
from mainstem.record import Record
from mainstem.refusals import refusal
from mainstem.wal.pgoutput import Column, columns_of

INT2, INT4, INT8 = (struct.Struct(f">{code}") for code in "hiq")
USUAL_HEAD = struct.Struct(">xIxH5sq5s16scI")
"""Of an insert of five columns: id bigint, key uuid, and the length of the data."""
USUAL_TAIL = struct.Struct(">6sq")
"""Behind the data: no metadata, and the timestamp."""
USUAL_COLUMNS = ("id", "key", "data", "metadata", "timestamp")
EIGHT, SIXTEEN, NONE_AND_EIGHT = b"b\0\0\0\x08", b"b\0\0\0\x10", b"nb\0\0\0\x08"
NUMERIC_HEAD = struct.Struct(">HhHH")
POSTGRES_EPOCH_MS = 946_684_800_000
KAFKA_TIMESTAMP_MAX_MS = 253_402_300_799_999
"""The end of the year 9999, the last that Python's datetime can read back."""
HEADER_NAMES = frozenset({"id", "lsn", "ordinal"})
"""Headers that we write; `kid`, reserved on save, is in the metadata of encrypted events."""
NO_METADATA: Mapping[str, bytes] = MappingProxyType({})
BYTEA, INT8_OID, INT4_OID, TIMESTAMPTZ, UUID = 17, 20, 23, 1184, 2950
ID_LAYOUTS = MappingProxyType({INT8_OID: INT8, INT4_OID: INT4})
NUMERIC_NEGATIVE, NUMERIC_SPECIAL = 0x4000, 0xC000


@dataclass(frozen=True, slots=True)
class RowLayout:
    """Where an event's columns stand in a row of one table."""

    table: str
    column_count: int
    id: int
    key: int
    data: int
    timestamp: int
    metadata: int | None
    key_text: Callable[[bytes], bytes]
    id_layout: struct.Struct
    usual: bool
    """The table has exactly the columns that we create, keyed by uuid."""

    def inserted(self, body: bytes) -> tuple[int, Record]:
        """The row's id and record from an insert's message; the hot path of a replicator.

        Reads the usual shape at once, and anything else column by column, with the same result.
        """
        if self.usual and len(body) >= USUAL_HEAD.size:
            _, count, id_mark, stored_id, key_mark, key, data_mark, size = USUAL_HEAD.unpack_from(
                body
            )
            end = USUAL_HEAD.size + size
            if (
                len(body) == end + USUAL_TAIL.size
                and count == len(USUAL_COLUMNS)
                and (id_mark, key_mark, data_mark) == (EIGHT, SIXTEEN, b"b")
            ):
                mark, moment = USUAL_TAIL.unpack_from(body, end)
                timestamp_ms = moment // 1000 + POSTGRES_EPOCH_MS
                if mark == NONE_AND_EIGHT and 0 <= timestamp_ms <= KAFKA_TIMESTAMP_MAX_MS:
                    data = body[USUAL_HEAD.size : end]
                    return stored_id, Record(uuid_text(key), data, NO_METADATA, timestamp_ms)
        return self.record(columns_of(body))

    def record(self, columns: Sequence[bytes | None]) -> tuple[int, Record]:
        """The row's id and record.

        Refusal `row-refused` where it cannot be an event, DecodeError where columns are missing.
        """
        if len(columns) != self.column_count:
            raise DecodeError(
                f"a row of {self.table} with {len(columns)} columns; it has {self.column_count}"
            )
        id_bytes, key = columns[self.id], columns[self.key]
        data, moment = columns[self.data], columns[self.timestamp]
        if id_bytes is None or key is None or data is None or moment is None:
            raise refusal(
                "row-refused", f"a row of {self.table} has a NULL column: {self.where(columns)}"
            )
        try:
            stored_id = self.id_layout.unpack(id_bytes)[0]
            timestamp_ms = INT8.unpack(moment)[0] // 1000 + POSTGRES_EPOCH_MS
            metadata = self.metadata_of(columns)
            record = Record(self.key_text(key), data, metadata, timestamp_ms)
        except (DecodeError, struct.error, UnicodeDecodeError) as error:
            raise refusal(
                "row-refused", f"a row of {self.table} is malformed: {self.where(columns)}: {error}"
            ) from error
        if not 0 <= timestamp_ms <= KAFKA_TIMESTAMP_MAX_MS:
            raise refusal(
                "row-refused",
                f"row {stored_id} of {self.table} has a timestamp outside the years 1970 to 9999",
            )
        return stored_id, record

    def metadata_of(self, columns: Sequence[bytes | None]) -> Mapping[str, bytes]:
        """The row's metadata; DecodeError where it is malformed or uses a reserved name."""
        if self.metadata is None or (encoded := columns[self.metadata]) is None:
            return NO_METADATA
        metadata = decode_metadata(encoded)
        if taken := HEADER_NAMES & metadata.keys():
            raise DecodeError(f"metadata uses the reserved name {min(taken)!r}")
        return metadata

    def where(self, columns: Sequence[bytes | None]) -> str:
        """The row's id for a message, if it has one."""
        id_bytes = columns[self.id]
        return f"id {int.from_bytes(id_bytes, signed=True)}" if id_bytes else "id unknown"


def layout_of(table: str, columns: Iterable[Column]) -> RowLayout:
    """The layout of a table; Refusal `table-shape` where it cannot hold events."""
    columns = list(columns)
    types = {column.name: (place, column.type_oid) for place, column in enumerate(columns)}
    wanted = {"data": BYTEA, "timestamp": TIMESTAMPTZ}
    if "metadata" in types:
        wanted["metadata"] = BYTEA
    wrong = [name for name, oid in wanted.items() if types.get(name, (0, 0))[1] != oid]
    key_place, key_type = types.get("key", (0, 0))
    if key_type not in KEY_TEXTS:
        wrong.append("key")
    if types.get("id", (0, 0))[1] not in ID_LAYOUTS:
        wrong.append("id")
    if wrong:
        raise refusal(
            "table-shape", f"{table} lacks or has of another type: {', '.join(sorted(wrong))}"
        )
    return RowLayout(
        table=table,
        column_count=len(columns),
        id=types["id"][0],
        key=key_place,
        data=types["data"][0],
        timestamp=types["timestamp"][0],
        metadata=types["metadata"][0] if "metadata" in types else None,
        key_text=KEY_TEXTS[key_type],
        id_layout=ID_LAYOUTS[types["id"][1]],
        usual=(tuple(types), key_type, types["id"][1]) == (USUAL_COLUMNS, UUID, INT8_OID),
    )


def uuid_text(raw: bytes) -> bytes:
    """16 bytes -> the lower-case text with hyphens."""
    if len(raw) != 16:  # noqa: PLR2004 - RFC 9562: a UUID has 16 octets
        raise DecodeError(f"a uuid key of {len(raw)} bytes")
    digits = raw.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}".encode()


def as_it_is(raw: bytes) -> bytes:
    """Text (the connection's encoding is UTF-8) and bytea."""
    return raw


def bool_text(raw: bytes) -> bytes:
    """`true` or `false`, as a cast to text gives."""
    return b"false" if raw == b"\0" else b"true"


def int_text(layout: struct.Struct) -> Callable[[bytes], bytes]:
    """The decimal text of an integer of this width."""

    def as_text(raw: bytes) -> bytes:
        return b"%d" % layout.unpack(raw)[0]

    return as_text


def numeric_text(raw: bytes) -> bytes:
    """The text of a numeric with its display scale, as a cast to text gives.

    Binary form (numeric_send in PostgreSQL's numeric.c): number of words, weight of the first,
    sign, display scale, words of four decimal digits.
    """
    count, weight, sign, scale = NUMERIC_HEAD.unpack_from(raw)
    words = struct.unpack(f">{count}H", raw[NUMERIC_HEAD.size :])
    if sign & NUMERIC_SPECIAL == NUMERIC_SPECIAL:
        raise DecodeError("a numeric key that is NaN or infinite")
    whole = "".join(f"{word:04}" for word in (words + (0,) * (weight + 1))[: max(weight + 1, 0)])
    leading = (0,) * (-weight - 1) if weight < 0 else ()
    rest = leading + words[max(weight + 1, 0) :]
    fraction = "".join(f"{word:04}" for word in rest).ljust(scale, "0")[:scale]
    number = (whole.lstrip("0") or "0") + ("." + fraction if scale else "")
    return ("-" + number if sign == NUMERIC_NEGATIVE else number).encode()


KEY_TEXTS: Mapping[int, Callable[[bytes], bytes]] = MappingProxyType({
    UUID: uuid_text,
    25: as_it_is,
    1043: as_it_is,
    BYTEA: as_it_is,
    21: int_text(INT2),
    INT4_OID: int_text(INT4),
    INT8_OID: int_text(INT8),
    16: bool_text,
    1700: numeric_text,
})  # fmt: skip
"""Key types by the oid in pg_type: uuid, text, varchar, bytea, int2, int4, int8, bool, numeric."""
