"""What the driver read by the writer's schema -> Python's values of the reader's.

Resolution follows the Avro specification ("Schema Resolution"): fields are matched by name or
alias, missing ones take the reader's default, numbers are promoted, enums fall back to their
default. It is worked out once per pair of schemas, so a changed schema costs nothing per event.
Different logical types (another scale, millis for micros) are refused: the checkers of Java and
Confluent let them pass, and readers get wrong numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, TypeAlias

from mainstem.errors import DecodeError, SchemaError
from mainstem.schema.defaults import plain_default
from mainstem.schema.driver import INSIDE, branch_tag
from mainstem.schema.lifting import as_it_is, lifting
from mainstem.schema.shape import MISSING, Field, Shape

Lift: TypeAlias = Callable[[Any], Any]

SINGLE = struct.Struct("<f")


def single(value: float) -> float:
    """The number as single precision holds it, as Java reads it."""
    rounded: float = SINGLE.unpack(SINGLE.pack(value))[0]
    return rounded


PROMOTIONS: dict[tuple[str, str], Lift] = {
    ("int", "long"): as_it_is,
    ("int", "float"): single,
    ("int", "double"): float,
    ("long", "float"): single,
    ("long", "double"): float,
    ("float", "double"): as_it_is,
    ("string", "bytes"): str.encode,
    ("bytes", "string"): bytes.decode,
}
"""(writer's type, reader's type) -> the conversion."""


class Unresolvable(Exception):
    """The reader's schema cannot read what the writer's wrote."""


def lifter(writer: Shape, reader: Shape) -> Lift:
    """The conversion from the writer's plain values; DecodeError where the schemas do not meet."""
    try:
        return Lifts().of(writer, reader)
    except Unresolvable as error:
        raise DecodeError(f"{reader.branch_name} cannot be read from its writer: {error}") from None


class Lifts:
    """Makes the conversions of one pair of trees; cycles are no matter."""

    def __init__(self) -> None:
        """Know no pair yet."""
        self._records: dict[tuple[int, int], Lift] = {}
        self._made: dict[str, Callable[[Shape, Shape], Lift]] = {
            "record": self._record,
            "array": self._array,
            "map": self._map,
            "enum": self._enum,
        }

    def of(self, writer: Shape, reader: Shape) -> Lift:
        """The conversion; Unresolvable."""
        if writer.kind == "union":
            return self._from_union(writer, reader)
        if reader.kind == "union":
            return self._into_union(writer, reader)
        if not matches(writer, reader):
            raise Unresolvable(f"{described(writer)} is not {described(reader)}")
        if writer.kind in self._made:
            return self._made[writer.kind](writer, reader)
        return self._scalar(writer, reader)

    def _scalar(self, writer: Shape, reader: Shape) -> Lift:
        """One value, promoted where the reader's type is wider."""
        if writer.kind == reader.kind:
            return lifting(reader)
        promote, lift = PROMOTIONS[writer.kind, reader.kind], lifting(reader)
        return promote if lift is as_it_is else lambda value: lift(promote(value))

    def _from_union(self, writer: Shape, reader: Shape) -> Lift:
        """Each of the writer's branches by itself; a branch that is no match fails when met."""
        lifts: dict[str, Lift] = {}
        for index, branch in enumerate(writer.branches):
            try:
                lifts[branch_tag(writer, index)] = self.of(branch, reader)
            except Unresolvable as error:
                lifts[branch_tag(writer, index)] = failing(str(error))
        null = lifts.get("null", failing("null is no branch of the union"))

        def lift_union(value: Any) -> Any:
            if value is None:
                return null(None)
            tag, inside = value
            return lifts[tag](inside[INSIDE])

        return lift_union

    def _into_union(self, writer: Shape, reader: Shape) -> Lift:
        """The reader's first branch of the same type, else the first that it can be read as."""
        ordered = sorted(reader.branches, key=lambda branch: not same(writer, branch))
        for branch in ordered:
            try:
                return self.of(writer, branch)
            except Unresolvable:
                continue
        raise Unresolvable(f"{described(writer)} is no branch of the union")

    def _record(self, writer: Shape, reader: Shape) -> Lift:
        """The reader's class (a dict where it has none), field by field."""
        key = (id(writer), id(reader))
        if key in self._records:
            return self._records[key]
        read: list[tuple[str, str, Lift]] = []
        made: list[tuple[str, Callable[[], Any]]] = []
        build = reader.python or dict

        def lift_record(value: dict[str, Any]) -> Any:
            fields = {name: lift(value[written]) for written, name, lift in read}
            for name, make in made:
                fields[name] = make()
            return build(**fields)

        self._records[key] = lift_record
        written = {field.name: field for field in writer.fields}
        for field in reader.fields:
            source = next((written[name] for name in names_of(field) if name in written), None)
            if source is None:
                made.append((field.name, self._default(field, reader)))
            else:
                read.append((source.name, field.name, self._field(source, field, reader)))
        return lift_record

    def _field(self, source: Field, field: Field, record: Shape) -> Lift:
        """The conversion of a field; what is wrong with it is told with its name."""
        try:
            return self.of(source.shape, field.shape)
        except Unresolvable as error:
            raise Unresolvable(f"field {field.name} of {record.name}: {error}") from None

    def _default(self, field: Field, record: Shape) -> Callable[[], Any]:
        """Makes the value of a field that the writer did not know."""
        if field.default is MISSING:
            raise Unresolvable(
                f"field {field.name} of {record.name} was not written and has no default"
            )
        try:
            plain = plain_default(field.shape, field.default)
        except SchemaError as error:
            raise Unresolvable(f"the default of field {field.name}: {error}") from None
        lift = self.of(field.shape, field.shape)
        # Made anew each time: a list must not be shared between events.
        return lambda: lift(plain)

    def _array(self, writer: Shape, reader: Shape) -> Lift:
        """A list or tuple, as the reader's annotation has it."""
        lift = self.of(writer.item, reader.item)
        if reader.python is tuple:
            return lambda items: tuple([lift(item) for item in items])
        return lambda items: [lift(item) for item in items]

    def _map(self, writer: Shape, reader: Shape) -> Lift:
        """A dict."""
        lift = self.of(writer.item, reader.item)
        return lambda items: {key: lift(item) for key, item in items.items()}

    def _enum(self, writer: Shape, reader: Shape) -> Lift:
        """A member by its name, the symbol itself where there is no class."""
        cls: Any = reader.python
        members: dict[str, Any] = {
            symbol: cls[symbol] if cls else symbol for symbol in reader.symbols
        }
        if reader.default is not MISSING:
            for symbol in writer.symbols:
                members.setdefault(symbol, members[reader.default])

        def lift(symbol: str) -> Any:
            if symbol not in members:
                raise DecodeError(f"a symbol that {reader.name} does not have")
            return members[symbol]

        return lift


def matches(writer: Shape, reader: Shape) -> bool:
    """Whether the reader's type can take the writer's, looking no deeper than names."""
    if writer.kind != reader.kind:
        return (writer.kind, reader.kind) in PROMOTIONS and writer.logical != "decimal"
    if writer.logical != reader.logical and writer.logical and reader.logical:
        return False
    if writer.logical == "decimal" and reader.logical and writer.scale != reader.scale:
        return False
    if writer.kind == "fixed" and writer.size != reader.size:
        return False
    return not writer.name or same_name(writer, reader)


def same(writer: Shape, reader: Shape) -> bool:
    """Whether a branch is just the writer's type, not one that it could be promoted to."""
    return (writer.kind, writer.logical, writer.name) == (reader.kind, reader.logical, reader.name)


def same_name(writer: Shape, reader: Shape) -> bool:
    """Whether the names are equal, without their namespaces too, or one is an alias."""
    simple = writer.name.rpartition(".")[2]
    return simple == reader.name.rpartition(".")[2] or writer.name in reader.aliases


def names_of(field: Field) -> tuple[str, ...]:
    """The names under which a field may have been written, its own first."""
    return (field.name, *field.aliases)


def failing(message: str) -> Lift:
    """A conversion that always refuses."""

    def lift(_value: Any) -> Any:
        raise DecodeError(f"a branch of a union cannot be read: {message}")

    return lift


def described(shape: Shape) -> str:
    """The type for a message."""
    if shape.logical == "decimal":
        return f"decimal({shape.precision}, {shape.scale})"
    return shape.logical or shape.branch_name
