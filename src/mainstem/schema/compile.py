"""(class) -> encode, (writer's schema, class) -> decode: the codec, made once and used per event.

encode: value -> lower (checks, branches by class) -> driver writes.
decode: bytes -> scan (bounds) -> driver reads by the writer's schema -> lift (resolution, classes).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from mainstem.errors import DecodeError, MainstemError, SchemaError, ValueOutOfRange
from mainstem.event import GenericPayload
from mainstem.schema import driver
from mainstem.schema.derive import shape_of
from mainstem.schema.lift import Lift, lifter
from mainstem.schema.lower import lowerer
from mainstem.schema.parse import parse_schema
from mainstem.schema.scan import scanner
from mainstem.schema.shape import Shape

A = TypeVar("A")
B = TypeVar("B")


def encoder(cls: type) -> Callable[[Any], bytes]:
    """Encodes instances of a declared class; UndeclaredPayload and SchemaError.

    What it returns raises ValueOutOfRange and NaiveDatetime, and nothing else, on any instance.
    """
    return shape_encoder(shape_of(cls))


def decoder(writer_schema: str, cls: type | None) -> Callable[[bytes], Any]:
    """Decodes what was written with the schema, into instances of `cls` or a GenericPayload.

    Raises SchemaError for a text that is no schema of a record, and DecodeError where `cls` cannot
    be read from it. What it returns raises DecodeError, and nothing else, on any bytes.
    """
    writer = parse_schema(writer_schema)
    if writer.kind != "record":
        raise SchemaError(f"the schema of an event must be a record, not {writer.kind}")
    if cls is not None:
        return shape_decoder(writer, lifter(writer, shape_of(cls)))
    decode, name = shape_decoder(writer, lifter(writer, writer)), writer.name
    return lambda data: GenericPayload(name, decode(data))


def shape_encoder(shape: Shape) -> Callable[[Any], bytes]:
    """Encodes values of a shape; where that was parsed from a text, a record is a dict."""
    lower, write = lowerer(shape), foreign(lambda: driver.writer(shape))

    def encode(value: Any) -> bytes:
        try:
            return write(lower(value))
        except MainstemError:
            raise
        except Exception as error:
            raise ValueOutOfRange(
                f"a value of {shape.name} cannot be encoded: {type(error).__name__}"
            ) from error

    return encode


def shape_decoder(writer: Shape, lift: Lift) -> Callable[[bytes], Any]:
    """Decodes values of a shape."""
    scan, read = scanner(writer), foreign(lambda: driver.reader(writer))

    def decode(data: bytes) -> Any:
        scan(data)
        try:
            return lift(read(data))
        except DecodeError:
            raise
        except Exception as error:
            raise DecodeError(
                f"{len(data)} bytes are no {writer.name}: {type(error).__name__}"
            ) from error

    return decode


def foreign(make: Callable[[], Callable[[A], B]]) -> Callable[[A], B]:
    """What the driver makes of a schema; its refusal becomes a SchemaError."""
    try:
        return make()
    except Exception as error:
        raise SchemaError(f"the Avro driver refuses the schema: {type(error).__name__}") from error
