"""Arrow: the events of a topic as columns, batch by batch, for whoever speaks Arrow's C stream.

pandas, Polars, DuckDB and pyarrow all take an object with `__arrow_c_stream__`. Each stream has a
session of its own, so it may be read in any thread, beside a store of either kind.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from mainstem.errors import MissingExtra, SchemaError
from mainstem.event import Key, StoredEvent
from mainstem.postgres.drivers.sessions import Session
from mainstem.postgres.plan import Call, Plan, Scope
from mainstem.postgres.reading import statements
from mainstem.postgres.reading.buffers import Filled, filled
from mainstem.postgres.reading.columns import (
    ArrowType,
    Columns,
    fixed_columns,
    named_apart,
    payload_columns,
)
from mainstem.postgres.reading.course import Course
from mainstem.postgres.reading.pages import Beside, Pages
from mainstem.postgres.reading.selection import Selection, checked_place
from mainstem.schema.shape import Shape
from mainstem.wire import HEADER, Wire, framed_id, key_bytes

try:
    import nanoarrow
except ImportError as error:
    raise MissingExtra("arrow", "read_arrow()") from error

from mainstem.postgres.reading.batch_stream import capsule


@dataclass(frozen=True, slots=True)
class Request:
    """What is to be read, and where."""

    dsn: str
    wire: Wire
    topic: str
    selection: Selection
    after: int | None
    beside: Beside | None = None
    """What adds the rows of an archive."""


class Layout(NamedTuple):
    """The columns of a stream."""

    fixed: Columns
    payload: Columns
    names: tuple[str, ...]
    """Of the payload's columns, as they are called in the stream."""


class ArrowEvents:
    """The events of a topic for pandas, Polars, DuckDB and pyarrow; each reading reads afresh.

    Columns: id, key, type, timestamp, version where the topic has versions, metadata, and every
    field of the payloads. What is wrong with a topic or an event is raised by whoever reads, in
    the manner of its library, with our text. Reading blocks, so in asyncio it is done beside the
    loop: `await asyncio.to_thread(polars.DataFrame, store.read_arrow(topic))`.
    """

    def __init__(self, request: Request) -> None:
        """Nothing is read yet; ConfigurationError for a place that is no id."""
        checked_place(request.after)
        # Each event has the fields of the schema that it was written by, whatever its class is.
        self._request = replace(request, wire=request.wire.untyped())

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """A PyCapsule with an ArrowArrayStream; the schema that is wished for is ignored.

        Raises UnknownTopic, SchemaError for payloads that are no columns, and what the registry
        and the server raise.
        """
        del requested_schema
        session = Session(self._request.dsn)
        pages = Pages(self._request.wire, self._request.beside)
        try:
            layout = session.run(lambda scope: discovered(pages, scope, self._request))
        except BaseException:
            session.close()
            raise
        batches = batches_of(session, pages, self._request, layout)
        return capsule(schema_of(layout), batches, session.close)


def discovered(pages: Pages, scope: Scope, request: Request) -> Plan[Layout]:
    """The columns of what is selected, from the schemas that its frames name."""
    table, source = yield from pages.table(scope, request.topic)
    heads = yield statements.schemas(source, request.selection, request.after)
    fixed = fixed_columns(table.key_type, versioned=table.versioned)

    def laid_out() -> Layout:
        return layout_of(fixed, shapes(request, [head for (head,) in heads]))

    layout: Layout = yield Call(laid_out)
    return layout


def shapes(request: Request, heads: Sequence[bytes | None]) -> list[Shape]:
    """The schemas of the payloads that are wanted, in the order of their ids."""
    found: list[Shape] = []
    # A frame that is none is told with its event, when its turn has come.
    whole = sorted(head for head in heads if head and len(head) == HEADER.size and head[0] == 0)
    for head in whole:
        shape = request.wire.schema_of(framed_id(head))
        types = request.selection.types
        if not types or shape.name in types:
            found.append(shape)
    return found


def layout_of(fixed: Columns, found: Sequence[Shape]) -> Layout:
    """The columns of a topic whose payloads have these schemas."""
    payload = payload_columns(found)
    return Layout(fixed, payload, tuple(named_apart(payload, fixed)))


def batches_of(session: Session, pages: Pages, request: Request, layout: Layout) -> Iterator[Any]:
    """The events as arrays of structs, a page each."""
    course = Course(pages, request.topic, request.selection, request.after)
    schema = schema_of(layout)
    while not course.ended:
        events = session.run(course.page)
        if not events:
            continue
        check_fields(request.topic, layout, events)
        try:
            filled_page = struct_of(layout, events)
        except (ArithmeticError, AttributeError, TypeError, ValueError) as error:
            raise grown(f"an event of {request.topic}", events[0].id) from error
        yield array_of(schema, filled_page)


def check_fields(topic: str, layout: Layout, events: Sequence[StoredEvent[Any]]) -> None:
    """SchemaError for an event with a field that came after the columns were settled."""
    names = {column.name for column in layout.payload}
    for event in events:
        if not event.payload.fields.keys() <= names:
            raise grown(f"event {event.id} of {topic}", event.id)


def grown(what: str, id_: int) -> SchemaError:
    """The error for a schema that nobody had used when the columns were settled."""
    return SchemaError(
        f"{what} has fields that no event had when the reading began",
        hint=f"read again, perhaps with after={id_ - 1}",
    )


def struct_of(layout: Layout, events: Sequence[StoredEvent[Any]]) -> Filled:
    """The events as one array of structs."""
    payloads = [event.payload.fields for event in events]
    parts = [
        filled(column.type, [VALUES[column.name](column.type, event) for event in events])
        for column in layout.fixed
    ]
    parts += [
        filled(column.type, [fields.get(column.name) for fields in payloads])
        for column in layout.payload
    ]
    return Filled(len(events), 0, (None,), tuple(parts))


def key_value(type_: ArrowType, key: Key) -> Any:
    """The key as its column holds it: a number, bytes, or its text as in Kafka."""
    return key_bytes(key).decode() if type_.kind == "string" else key


VALUES: dict[str, Callable[[ArrowType, StoredEvent[Any]], Any]] = {
    "id": lambda _type, event: event.id,
    "key": lambda type_, event: key_value(type_, event.key),
    "type": lambda _type, event: event.payload.type_name,
    "timestamp": lambda _type, event: event.timestamp,
    "version": lambda _type, event: event.version,
    "metadata": lambda _type, event: event.metadata,
}


def schema_of(layout: Layout) -> Any:
    """The stream's schema as nanoarrow has it."""
    columns = {column.name: column.type for column in layout.fixed}
    columns.update(zip(layout.names, (column.type for column in layout.payload), strict=True))
    fields = {name: type_schema(type_) for name, type_ in columns.items()}
    return nanoarrow.c_schema(nanoarrow.struct(fields, nullable=False))


def type_schema(type_: ArrowType) -> Any:
    """A type as nanoarrow has it."""
    return FACTORIES[type_.kind](type_)


def struct_schema(type_: ArrowType) -> Any:
    """A struct of columns that may each be null."""
    return nanoarrow.struct({column.name: type_schema(column.type) for column in type_.children})


def map_schema(type_: ArrowType) -> Any:
    """A map from names, which are never null."""
    return nanoarrow.map_(nanoarrow.string(nullable=False), type_schema(type_.children[0].type))


FACTORIES: dict[str, Callable[[ArrowType], Any]] = {
    "null": lambda _type: nanoarrow.null(),
    "bool": lambda _type: nanoarrow.bool_(),
    "int32": lambda _type: nanoarrow.int32(),
    "int64": lambda _type: nanoarrow.int64(),
    "float": lambda _type: nanoarrow.float32(),
    "double": lambda _type: nanoarrow.float64(),
    "string": lambda _type: nanoarrow.string(),
    "binary": lambda _type: nanoarrow.binary(),
    "fixed": lambda type_: nanoarrow.fixed_size_binary(type_.size),
    "decimal": lambda type_: nanoarrow.decimal128(type_.precision, type_.scale),
    "date32": lambda _type: nanoarrow.date32(),
    "time32": lambda type_: nanoarrow.time32(type_.unit),
    "time64": lambda type_: nanoarrow.time64(type_.unit),
    "timestamp": lambda type_: nanoarrow.timestamp(type_.unit, type_.zone),
    "list": lambda type_: nanoarrow.list_(type_schema(type_.children[0].type)),
    "map": map_schema,
    "struct": struct_schema,
}


def array_of(schema: Any, part: Filled) -> Any:
    """The array of these buffers as nanoarrow has it."""
    children = [array_of(schema.child(index), child) for index, child in enumerate(part.children)]
    return nanoarrow.c_array_from_buffers(
        schema,
        part.length,
        part.buffers,
        null_count=part.null_count,
        children=children,
        move=True,
    )
