"""Class -> Shape: reads the annotations of a dataclass, nested ones too.

Names that are not declared take the namespace of the class around them. Enum members become
symbols by their names; their values stay Python's business.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import enum
import types
import typing
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from mainstem.errors import SchemaError
from mainstem.schema.declare import AvroType, Dec, Fixed, declared_name
from mainstem.schema.grammar import checked_name, full_name, namespace_of
from mainstem.schema.shape import DEPTH_MAX, Field, Shape

PLAIN: dict[Any, tuple[str, str]] = {
    type(None): ("null", ""),
    bool: ("boolean", ""),
    int: ("long", ""),
    float: ("double", ""),
    str: ("string", ""),
    bytes: ("bytes", ""),
    UUID: ("string", "uuid"),
    datetime: ("long", "timestamp-millis"),
    date: ("int", "date"),
}
MARKED = {"int": int, "float": float, "long": datetime}
"""What a marker with this Avro type may stand on."""


class AnnotationReader:
    """Reads one class and everything that it is made of; remembers the names that it met."""

    def __init__(self) -> None:
        """Know no name yet."""
        self._names: dict[str, Shape] = {}
        self._unions = 0

    def record(self, cls: type, name: str, depth: int = 0) -> Shape:
        """The record of a dataclass under this full name."""
        known = self._known(cls, name)
        if known is not None:
            return known
        if depth > DEPTH_MAX:
            raise SchemaError(
                f"{cls.__qualname__}: more than {DEPTH_MAX} classes inside each other"
            )
        shape = self._names[name] = Shape("record", name=name, python=cls)
        hints = hints_of(cls)
        shape.fields = tuple(
            Field(
                checked_name(entry.name, f"{cls.__qualname__}: field"),
                self._field(cls, entry, hints[entry.name], name, depth),
            )
            for entry in dataclasses.fields(cls)
        )
        return shape

    def _field(
        self, cls: type, entry: dataclasses.Field[Any], hint: Any, name: str, depth: int
    ) -> Shape:
        """The shape of a field; SchemaError names the class and the field."""
        if not entry.init:
            raise SchemaError(f"{cls.__qualname__}.{entry.name}: a field with init=False")
        try:
            return self.shape(hint, namespace_of(name), depth + 1)
        except Unfit as error:
            raise SchemaError(f"{cls.__qualname__}.{entry.name}: {error}") from None

    def shape(self, hint: Any, namespace: str, depth: int) -> Shape:
        """The shape of an annotation; Unfit where Avro has no type for it."""
        hint, markers = unwrapped(hint)
        for marker in markers:
            if isinstance(marker, AvroType | Dec | Fixed):
                return self._marked(hint, marker, namespace)
        if hint in PLAIN:
            kind, logical = PLAIN[hint]
            return Shape(kind, logical)
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in {typing.Union, types.UnionType}:
            return self._union(arguments, namespace, depth)
        if origin is not None:
            return self._container(origin, arguments, namespace, depth)
        return self._class(hint, namespace, depth)

    def _marked(self, hint: Any, marker: AvroType | Dec | Fixed, namespace: str) -> Shape:
        """A type that its marker decides."""
        if isinstance(marker, Dec):
            expect(hint is Decimal, "Dec marks a Decimal")
            return Shape(
                "bytes", "decimal", precision=marker.precision, scale=marker.scale, python=Decimal
            )
        if isinstance(marker, AvroType):
            expect(hint is MARKED[marker.kind], f"an Avro {marker.kind} is not a {shown(hint)}")
            return Shape(marker.kind, marker.logical)
        expect(hint is bytes, "Fixed marks bytes")
        name = full_name(marker.name or f"Fixed{marker.size}", namespace, "Fixed")
        known = self._names.setdefault(name, Shape("fixed", name=name, size=marker.size))
        expect((known.kind, known.size) == ("fixed", marker.size), f"{name} is another type too")
        return known

    def _union(self, arguments: tuple[Any, ...], namespace: str, depth: int) -> Shape:
        """A union, null first, else in the order of the annotation."""
        self._unions += 1
        serial = self._unions
        ordered = sorted(arguments, key=lambda argument: argument is not type(None))
        branches = tuple(self.shape(argument, namespace, depth) for argument in ordered)
        names = [branch.branch_name for branch in branches]
        expect("union" not in names, "a union inside a union")
        expect(len(set(names)) == len(names), "a union whose branches Avro cannot tell apart")
        classes = [branch_class(branch) for branch in branches]
        expect(len(set(classes)) == len(classes), "a union whose branches Python cannot tell apart")
        # What a class was read from has classes to tell branches apart.
        return Shape("union", branches=branches, serial=serial, python=object)

    def _container(
        self, origin: Any, arguments: tuple[Any, ...], namespace: str, depth: int
    ) -> Shape:
        """A list, tuple, sequence or dict."""
        if origin is dict or origin is collections.abc.Mapping:
            expect(arguments[0] is str, "the keys of a map must be str")
            return Shape("map", items=self.shape(arguments[1], namespace, depth + 1), python=dict)
        if origin is tuple:
            expect(
                len(arguments) == 2 and arguments[1] is ...,  # noqa: PLR2004 - `X, ...`
                "a tuple of fixed length; use tuple[X, ...]",
            )
        else:
            expect(origin in {list, collections.abc.Sequence}, f"no Avro type for {origin}")
        python = list if origin is list else tuple
        return Shape("array", items=self.shape(arguments[0], namespace, depth + 1), python=python)

    def _class(self, hint: Any, namespace: str, depth: int) -> Shape:
        """A nested dataclass or an enum."""
        expect(hint is not Decimal, "a Decimal needs Annotated[Decimal, Dec(precision, scale)]")
        expect(isinstance(hint, type), f"no Avro type for {shown(hint)}")
        name = declared_name(hint) or full_name(hint.__name__, namespace, "class")
        if issubclass(hint, enum.Enum):
            return self._enum(hint, name)
        expect(dataclasses.is_dataclass(hint), f"no Avro type for {shown(hint)}")
        return self.record(hint, name, depth)

    def _enum(self, cls: type[enum.Enum], name: str) -> Shape:
        """An enum; its symbols are the names of its members."""
        symbols = tuple(
            checked_name(member.name, f"enum {cls.__qualname__}: member") for member in cls
        )
        expect(bool(symbols), f"enum {cls.__qualname__} has no members")
        known = self._known(cls, name)
        return known or self._names.setdefault(
            name, Shape("enum", name=name, symbols=symbols, python=cls)
        )

    def _known(self, cls: type, name: str) -> Shape | None:
        """The shape that this class got before; two classes of one name are refused."""
        known = self._names.get(name)
        if known is not None and known.python is not cls:
            raise SchemaError(f"two classes are both called {name} inside one event type")
        return known


class Unfit(Exception):
    """An annotation that has no Avro type; the class and field are still to be named."""


def expect(condition: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as a sentence
    """Unfit, with this explanation, unless the condition holds."""
    if not condition:
        raise Unfit(otherwise)


def hints_of(cls: type) -> dict[str, Any]:
    """The annotations as objects; SchemaError where one cannot be found."""
    try:
        # A class made inside a function may name itself, though its module does not know it.
        return typing.get_type_hints(cls, localns={cls.__name__: cls}, include_extras=True)
    except (NameError, TypeError, AttributeError, SyntaxError) as error:
        raise SchemaError(
            f"an annotation of {cls.__qualname__} cannot be read: {error}",
            hint="define the classes that it names at the top level of a module",
        ) from error


def unwrapped(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """The plain type behind Annotated, NewType and `type` aliases, and all markers on the way."""
    markers: tuple[Any, ...] = ()
    while True:
        if typing.get_origin(hint) is typing.Annotated:
            for marker in hint.__metadata__:
                # Int32, Float32 and Micros are annotated types, and may be used as markers too.
                is_alias = typing.get_origin(marker) is typing.Annotated
                markers += marker.__metadata__ if is_alias else (marker,)
            hint = hint.__origin__
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif type(hint).__name__ == "TypeAliasType":
            hint = hint.__value__
        else:
            return hint, markers


def branch_class(shape: Shape) -> Any:
    """The Python type by which a value finds its branch of a union."""
    if shape.kind == "array":
        return list
    plain = {described: cls for cls, described in PLAIN.items()}
    fallback = {"int": int, "float": float, "long": datetime, "fixed": bytes}
    return shape.python or plain.get((shape.kind, shape.logical)) or fallback[shape.kind]


def shown(hint: Any) -> str:
    """The annotation for a message."""
    return hint.__qualname__ if isinstance(hint, type) else str(hint)
