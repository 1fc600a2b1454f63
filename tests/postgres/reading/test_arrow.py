"""Events as Arrow columns: every Avro type, through every library that people have."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import duckdb
import pandas as pd  # type: ignore[import-untyped]  # it ships none
import polars as pl
import psycopg
import pyarrow as pa
import pytest

from mainstem.errors import ConfigurationError, SchemaError, UnknownTopic
from mainstem.event import Event
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.store import PostgresEventStore
from mainstem.postgres.topics import create_topic
from mainstem.registry.memory import MemoryRegistry
from mainstem.schema.compile import shape_encoder
from mainstem.schema.parse import parse_schema
from mainstem.wire import HEADER, Wire
from tests.postgres.payloads import noted
from tests.postgres.reading.conftest import only, table_made
from tests.postgres.reading.payloads import Counted

Connection = psycopg.Connection[Any]
Fill = Callable[..., list[int]]

PLAIN = "key uuid, metadata bytea, timestamp timestamptz NOT NULL"
KEY = UUID(int=7)
START = datetime(2026, 1, 1, tzinfo=UTC)
MOMENT = datetime(2026, 5, 17, 12, 30, 15, 123456, tzinfo=UTC)

FIELDS: dict[str, tuple[Any, list[Any]]] = {
    "a_boolean": ("boolean", [True, False]),
    "an_int": ("int", [-(2**31), 2**31 - 1]),
    "a_long": ("long", [-(2**63), 2**63 - 1]),
    "a_float": ("float", [0.5, -1.25]),
    "a_double": ("double", [0.1, -1e300]),
    "a_string": ("string", ["größe", ""]),
    "some_bytes": ("bytes", [b"\0\xff", b""]),
    "a_fixed": ({"type": "fixed", "name": "F", "size": 3}, [b"abc", b"\0\0\0"]),
    "an_enum": ({"type": "enum", "name": "E", "symbols": ["RED", "BLUE"]}, ["RED", "BLUE"]),
    "a_uuid": ({"type": "string", "logicalType": "uuid"}, [KEY, UUID(int=8)]),
    "a_decimal": (
        {"type": "bytes", "logicalType": "decimal", "precision": 38, "scale": 2},
        [Decimal("-1.25"), Decimal("9" * 36 + ".99")],
    ),
    "a_date": ({"type": "int", "logicalType": "date"}, [date(1969, 12, 31), date(2026, 5, 17)]),
    "a_time_ms": (
        {"type": "int", "logicalType": "time-millis"},
        [time(0, 0), time(23, 59, 59, 999000)],
    ),
    "a_time_us": ({"type": "long", "logicalType": "time-micros"}, [time(1, 2, 3, 4), time.max]),
    "a_moment_ms": (
        {"type": "long", "logicalType": "timestamp-millis"},
        [MOMENT.replace(microsecond=123000), datetime(1950, 1, 1, tzinfo=UTC)],
    ),
    "a_moment_us": ({"type": "long", "logicalType": "timestamp-micros"}, [MOMENT, START]),
    "a_local_us": (
        {"type": "long", "logicalType": "local-timestamp-micros"},
        [MOMENT.replace(tzinfo=None), datetime(2026, 1, 1)],  # noqa: DTZ001 - a local time
    ),
    "a_list": ({"type": "array", "items": "int"}, [[1, 2], []]),
    "a_map": ({"type": "map", "values": "double"}, [{"a": 1.5, "b": 2.5}, {}]),
    "a_record": (
        {
            "type": "record",
            "name": "R",
            "fields": [
                {"name": "x", "type": "int"},
                {"name": "tags", "type": {"type": "array", "items": ["null", "string"]}},
            ],
        },
        [{"x": 1, "tags": ["a", None]}, {"x": 2, "tags": []}],
    ),
    "perhaps": (["null", "long"], [None, 5]),
}
"""Field name -> its Avro type and two values."""


def schema(fields: dict[str, Any], name: str = "com.example.Everything") -> str:
    """A record of these fields."""
    listed = [{"name": field, "type": type_} for field, type_ in fields.items()]
    return json.dumps({"type": "record", "name": name, "fields": listed})


def frames(registry: MemoryRegistry, text: str, values: list[dict[str, Any]]) -> list[bytes]:
    """The values encoded by a schema that no class stands for."""
    shape = parse_schema(text)
    head = HEADER.pack(0, registry.register(shape.name, text))
    encode = shape_encoder(shape)
    return [head + encode(value) for value in values]


def insert(connection: Connection, topic: str, data: list[bytes]) -> None:
    """Rows that hold these frames, a second apart."""
    for number, frame in enumerate(data):
        connection.execute(
            f"INSERT INTO events.{topic} (key, data, timestamp) VALUES (%s, %s, %s)",
            (KEY, frame, START + timedelta(seconds=number)),
        )


def table_of(stream: Any) -> pa.Table:
    """What pyarrow makes of it, validated."""
    table = pa.RecordBatchReader.from_stream(stream).read_all()
    table.validate(full=True)
    return table


@pytest.fixture
def everything(observer: Connection, new_topic: str, registry: MemoryRegistry) -> str:
    """A topic with two events that hold every Avro type."""
    text = schema({name: type_ for name, (type_, _) in FIELDS.items()})
    values = [{name: two[n] for name, (_, two) in FIELDS.items()} for n in range(2)]
    values[0] |= {"perhaps": ("null", None)}
    values[0] |= {"a_record": {"x": 1, "tags": [("string", "a"), ("null", None)]}}
    values[1] |= {"perhaps": ("long", 5)}
    insert(observer, new_topic, frames(registry, text, values))
    return new_topic


def expected(name: str) -> list[Any]:
    """The two values as Arrow gives them back: ids as text, maps as pairs."""
    values = FIELDS[name][1]
    if name == "a_map":
        return [list(value.items()) for value in values]
    return [str(value) for value in values] if name == "a_uuid" else values


def test_every_avro_type_comes_through_pyarrow(reader: PostgresEventStore, everything: str) -> None:
    """Aim: types and values to the last digit. Method: every field, and the columns of ours."""
    table = table_of(reader.read_arrow(everything))

    assert table.column_names == ["id", "key", "type", "timestamp", "metadata", *FIELDS]
    assert table["key"].to_pylist() == [str(KEY)] * 2
    assert table["type"].to_pylist() == ["com.example.Everything"] * 2
    assert table["timestamp"].to_pylist() == [START, START + timedelta(seconds=1)]
    assert table["metadata"].to_pylist() == [[], []]
    for name in FIELDS:
        assert table[name].to_pylist() == expected(name), name
    assert table.schema.field("a_decimal").type == pa.decimal128(38, 2)
    assert table.schema.field("a_moment_us").type == pa.timestamp("us", "UTC")
    assert table.schema.field("a_local_us").type == pa.timestamp("us")


def test_every_avro_type_comes_through_polars(reader: PostgresEventStore, everything: str) -> None:
    """Aim: no type that Polars refuses. Method: every field as Polars gives it back."""
    frame = pl.DataFrame(reader.read_arrow(everything))

    for name in FIELDS.keys() - {"a_map", "a_fixed"}:
        assert frame[name].to_list() == expected(name), name
    assert frame["a_fixed"].cast(pl.Binary).to_list() == [b"abc", b"\0\0\0"]
    assert frame.height == 2


def test_every_avro_type_comes_through_duckdb(reader: PostgresEventStore, everything: str) -> None:
    """Aim: SQL over events. Method: select every field by name from the object itself."""
    events = reader.read_arrow(everything)
    connection = duckdb.connect()
    rows = connection.execute(f"SELECT {', '.join(FIELDS)} FROM events ORDER BY id").fetchall()
    connection.close()

    assert events is not None
    for index, name in enumerate(FIELDS):
        values = FIELDS[name][1] if name == "a_map" else expected(name)
        assert [in_utc(row[index]) for row in rows] == values, name


def in_utc(value: Any) -> Any:
    """A moment of DuckDB's, which is in the zone of the machine, in UTC; all else as it is."""
    zoned = isinstance(value, datetime) and value.tzinfo is not None
    return value.astimezone(UTC) if zoned else value


def test_every_avro_type_comes_through_pandas(reader: PostgresEventStore, everything: str) -> None:
    """Aim: a data frame. Method: one column of each kind of pandas' own."""
    frame = pd.DataFrame.from_arrow(reader.read_arrow(everything))

    assert list(frame["a_decimal"]) == FIELDS["a_decimal"][1]
    assert list(frame["a_moment_us"]) == FIELDS["a_moment_us"][1]
    assert list(frame["a_string"]) == FIELDS["a_string"][1]
    assert [list(each) for each in frame["a_list"]] == FIELDS["a_list"][1]
    assert frame["perhaps"].isna().tolist() == [True, False]


def test_payloads_of_several_types_share_the_columns(
    reader: PostgresEventStore, new_topic: str, fill: Fill
) -> None:
    """Aim: fields by name, null where a type lacks them. Method: two classes, and each alone."""
    fill(new_topic, [noted(1, key=KEY, a=b"1"), Event(KEY, Counted(amount=5), START)])
    both = table_of(reader.read_arrow(new_topic))
    counted = table_of(reader.read_arrow(new_topic, types=[Counted]))

    assert both["text"].to_pylist() == ["ä", None]
    assert both["amount"].to_pylist() == [None, 5]
    assert both["metadata"].to_pylist() == [[("a", b"1")], []]
    assert counted.column_names[-1] == "amount"
    assert counted.num_rows == 1


def test_a_selection_and_many_batches(
    reader: PostgresEventStore, new_topic: str, fill: Fill
) -> None:
    """Aim: after=, limit=, since=, until= as read_all has them. Method: more rows than a page."""
    written = fill(
        new_topic,
        [Event(KEY, Counted(amount=n), START + timedelta(seconds=n)) for n in range(2100)],
    )
    stream = pa.RecordBatchReader.from_stream(reader.read_arrow(new_topic))
    batches = [batch.num_rows for batch in stream]
    some = table_of(reader.read_arrow(new_topic, after=written[9], limit=5))
    until = START + timedelta(seconds=3)
    timed = table_of(reader.read_arrow(new_topic, since=START, until=until))

    assert sum(batches) == 2100
    assert len(batches) > 1
    assert some["id"].to_pylist() == written[10:15]
    assert timed["amount"].to_pylist() == [0, 1, 2]


def test_keys_and_versions_have_their_own_types(
    reader: PostgresEventStore, observer: Connection, wire: Wire
) -> None:
    """Aim: numbers stay numbers, bytes bytes, the rest text. Method: one topic of each."""
    event = noted(1)
    for key_type, key, wanted in (
        ("bigint", 5, 5),
        ("bytea", b"\0", b"\0"),
        ("boolean", True, "true"),
        ("numeric", Decimal("1.50"), "1.50"),
    ):
        topic = f"a{uuid4().hex[:12]}_events"
        create_topic(observer, topic, TopicOptions(key_type=key_type, versioned=True))
        observer.execute(
            f"INSERT INTO events.{topic} (key, data, timestamp, version) VALUES (%s, %s, %s, 1)",
            (key, wire.frame(event), event.timestamp),
        )
        table = table_of(reader.read_arrow(topic))

        assert table["key"].to_pylist() == [wanted]
        assert table["version"].to_pylist() == [1]


def test_a_field_that_is_called_like_a_column_of_ours_gets_a_prefix(
    reader: PostgresEventStore, observer: Connection, new_topic: str, registry: MemoryRegistry
) -> None:
    """Aim: nothing is hidden. Method: fields `id` and `payload_id`, and `version` which is free."""
    text = schema({"id": "string", "payload_id": "int", "version": "int"})
    values = [{"id": "x", "payload_id": 2, "version": 3}]
    insert(observer, new_topic, frames(registry, text, values))
    table = table_of(reader.read_arrow(new_topic))

    assert table["payload_payload_id"].to_pylist() == ["x"]
    assert table["payload_id"].to_pylist() == [2]
    assert table["version"].to_pylist() == [3]


def test_an_empty_topic_has_columns_and_no_rows(reader: PostgresEventStore, new_topic: str) -> None:
    """Aim: a query over nothing is no error."""
    table = table_of(reader.read_arrow(new_topic))

    assert table.num_rows == 0
    assert table.column_names == ["id", "key", "type", "timestamp", "metadata"]


def test_what_cannot_be_columns_is_told_before_anything_is_read(
    reader: PostgresEventStore, observer: Connection, new_topic: str, registry: MemoryRegistry
) -> None:
    """Aim: our errors, with the field's name. Method: two types of one name, an open union."""
    one, two = schema({"amount": "int"}, "a.One"), schema({"amount": "string"}, "a.Two")
    insert(observer, new_topic, frames(registry, one, [{"amount": 1}]))
    insert(observer, new_topic, frames(registry, two, [{"amount": "1"}]))

    with pytest.raises(SchemaError, match=r"a\.One\.amount and a\.Two\.amount"):
        table_of(reader.read_arrow(new_topic))
    with pytest.raises(UnknownTopic):
        table_of(reader.read_arrow("absent_events"))
    with pytest.raises(ConfigurationError):
        reader.read_arrow(new_topic, after="1")  # type: ignore[arg-type]  # the point
    assert table_of(reader.read_arrow(new_topic, types=["a.Two"]))["amount"].to_pylist() == ["1"]


def test_an_event_that_cannot_be_read_fails_the_stream_with_our_text(
    reader: PostgresEventStore, observer: Connection, fill: Fill
) -> None:
    """Aim: topic and id in every library. Method: break one body, read by three of them."""
    topic = table_made(observer, PLAIN)
    first, second = fill(topic, [noted(1), noted(2)])
    observer.execute(f"UPDATE events.{topic} SET data = substring(data FOR 6) WHERE id = {second}")
    events = reader.read_arrow(topic)
    told = f"event {second} of {topic} cannot be read"

    assert first < second
    with pytest.raises(OSError, match=told):
        table_of(events)
    with pytest.raises(pl.exceptions.PolarsError, match=told):
        pl.DataFrame(events)
    with pytest.raises(duckdb.Error, match=told), duckdb.connect() as connection:
        connection.execute("SELECT count(*) FROM events").fetchall()


def test_a_schema_that_appears_meanwhile_is_told(
    reader: PostgresEventStore, new_topic: str, fill: Fill
) -> None:
    """Aim: no field is lost silently. Method: save another type between schema and batches."""
    fill(new_topic, [noted(1)])
    stream = pa.RecordBatchReader.from_stream(reader.read_arrow(new_topic))
    fill(new_topic, [Event(KEY, Counted(amount=1), START)])

    with pytest.raises(OSError, match="when the reading began"):
        stream.read_all()


def test_a_stream_that_is_dropped_leaves_no_session_behind(
    reader: PostgresEventStore, new_topic: str, fill: Fill, observer: Connection
) -> None:
    """Aim: no leak. Method: hold streams unread and half read, drop them, count sessions."""
    fill(new_topic, [Event(KEY, Counted(amount=n), START) for n in range(1500)])
    before = sessions(observer)
    whole = table_of(reader.read_arrow(new_topic))
    unread = pa.RecordBatchReader.from_stream(reader.read_arrow(new_topic))
    half = pa.RecordBatchReader.from_stream(reader.read_arrow(new_topic))
    half.read_next_batch()
    capsule = reader.read_arrow(new_topic).__arrow_c_stream__()
    held = sessions(observer)
    del unread, half, capsule

    assert whole.num_rows == 1500
    assert held == before + 3
    assert until(lambda: sessions(observer) == before)


def sessions(connection: Connection) -> int:
    """How many sessions of ours the test's database has."""
    sql = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'mainstem'"
    )
    return int(only(connection, sql))


def until(holds: Callable[[], bool]) -> bool:
    """Whether it holds within ten seconds: a server needs a moment to end a session."""
    deadline = monotonic() + 10
    while not holds():
        if monotonic() > deadline:
            return False
    return True
