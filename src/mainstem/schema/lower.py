"""Python's value -> plain dicts, lists and tuples that the driver writes, checked on the way.

A branch of a union is chosen by the class of the value, never by its shape: two records with the
same fields stay what they are. The driver is told the branch by its tag (schema/driver.py).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, TypeAlias

from mainstem.errors import NaiveDatetime, ValueOutOfRange
from mainstem.schema.annotations import branch_class
from mainstem.schema.driver import INSIDE, branch_tag
from mainstem.schema.lowering import NaiveMoment, Unfit, lowering
from mainstem.schema.scan import min_bytes
from mainstem.schema.shape import DEPTH_MAX, Shape
from mainstem.schema.walks import EMPTY_ITEMS_MAX

Lower: TypeAlias = Callable[[Any, int], Any]
"""(value, depth left) -> the driver's value."""


def lowerer(shape: Shape) -> Callable[[Any], Any]:
    """The conversion for values of this shape; ValueOutOfRange and NaiveDatetime."""
    lower = Lowers().of(shape)

    def convert(value: Any) -> Any:
        try:
            return lower(value, DEPTH_MAX)
        except Unfit as error:
            raise refused(str(error), error) from None

    return convert


def refused(message: str, error: Unfit) -> ValueOutOfRange | NaiveDatetime:
    """The public error for a value that does not fit."""
    return NaiveDatetime(message) if isinstance(error, NaiveMoment) else ValueOutOfRange(message)


class Lowers:
    """Makes the conversions of one tree; a record's is made once, so cycles are no matter."""

    def __init__(self) -> None:
        """Know no record yet."""
        self._records: dict[int, Lower] = {}
        self._made: dict[str, Callable[[Shape], Lower]] = {
            "record": self._record,
            "array": self._array,
            "map": self._map,
            "union": self._union,
            "enum": lower_enum,
        }

    def of(self, shape: Shape) -> Lower:
        """The conversion of a value of this shape."""
        if shape.kind in self._made:
            return self._made[shape.kind](shape)
        convert = lowering(shape)
        return lambda value, _depth: convert(value)

    def _record(self, shape: Shape) -> Lower:
        """A dataclass, or a dict where the tree was parsed from a text."""
        if id(shape) in self._records:
            return self._records[id(shape)]
        fields: list[tuple[str, Lower]] = []
        name, cls = shape.name, shape.python or dict
        get: Callable[[Any, str], Any] = getattr if shape.python else dict.__getitem__

        def lower_record(value: Any, depth: int) -> dict[str, Any]:
            if not isinstance(value, cls):
                raise Unfit(f"{type(value).__name__} where {cls.__name__} belongs")
            deeper(depth)
            lowered = {}
            for field, lower in fields:
                try:
                    lowered[field] = lower(get(value, field), depth - 1)
                except Unfit as error:
                    raise refused(f"field {field} of {name}: {error}", error) from None
            return lowered

        self._records[id(shape)] = lower_record
        fields.extend((field.name, self.of(field.shape)) for field in shape.fields)
        return lower_record

    def _array(self, shape: Shape) -> Lower:
        """A list or tuple."""
        lower = self.of(shape.item)
        is_empty_item = min_bytes(shape.item) == 0

        def lower_array(value: Any, depth: int) -> list[Any]:
            if not isinstance(value, Sequence) or isinstance(value, str | bytes):
                raise Unfit(f"{type(value).__name__} where a list or tuple belongs")
            if is_empty_item and len(value) > EMPTY_ITEMS_MAX:
                raise Unfit(f"more than {EMPTY_ITEMS_MAX} items without content")
            deeper(depth)
            return [lower(item, depth - 1) for item in value]

        return lower_array

    def _map(self, shape: Shape) -> Lower:
        """A mapping whose keys are texts."""
        lower, lower_key = self.of(shape.item), lowering(Shape("string"))

        def lower_map(value: Any, depth: int) -> dict[str, Any]:
            if not isinstance(value, Mapping):
                raise Unfit(f"{type(value).__name__} where dict belongs")
            deeper(depth)
            return {lower_key(key): lower(item, depth - 1) for key, item in value.items()}

        return lower_map

    def _union(self, shape: Shape) -> Lower:
        """The branch whose class the value has."""
        branches = [
            (branch_tag(shape, index), self.of(branch))
            for index, branch in enumerate(shape.branches)
        ]
        by_name = {branch.branch_name: branches[i] for i, branch in enumerate(shape.branches)}
        null = by_name.get("null")
        choose = by_class(shape, branches) if shape.python else by_branch_name(by_name)

        def lower_union(value: Any, depth: int) -> Any:
            if value is None and null is not None:
                return "null", None
            (tag, lower), value = choose(value)
            return tag, {INSIDE: lower(value, depth)}

        return lower_union


Branch: TypeAlias = tuple[str, Lower]


def by_class(shape: Shape, branches: list[Branch]) -> Callable[[Any], tuple[Branch, Any]]:
    """Finds the branch by the value's class, or by the nearest class that it comes from."""
    classes = {branch_class(branch): branches[i] for i, branch in enumerate(shape.branches)}
    if list in classes:
        classes[tuple] = classes[list]
    if float in classes:
        classes.setdefault(int, classes[float])

    def choose(value: Any) -> tuple[Branch, Any]:
        for cls in type(value).__mro__:
            # bool comes from int, and datetime from date; neither means the other.
            if cls in classes and (cls is type(value) or cls not in {int, date}):
                return classes[cls], value
        raise Unfit(f"{type(value).__name__} is no branch of the union")

    return choose


def by_branch_name(branches: dict[str, Branch]) -> Callable[[Any], tuple[Branch, Any]]:
    """Takes (name of the branch, value), as there are no classes."""

    def choose(value: Any) -> tuple[Branch, Any]:
        if not isinstance(value, tuple) or value[0] not in branches:
            raise Unfit("a union without classes takes (name of the branch, value)")
        return branches[value[0]], value[1]

    return choose


def lower_enum(shape: Shape) -> Lower:
    """The name of a member; the symbol itself where the tree was parsed from a text."""
    cls, symbols = shape.python, frozenset(shape.symbols)

    def lower(value: Any, _depth: int) -> str:
        if cls is not None and isinstance(value, cls):
            assert isinstance(value, enum.Enum)
            return value.name
        if cls is None and value in symbols:
            return str(value)
        raise Unfit(f"{type(value).__name__} is no symbol of {shape.name}")

    return lower


def deeper(depth: int) -> None:
    """Unfit where a value has too many levels."""
    if depth == 0:
        raise Unfit(f"a value of more than {DEPTH_MAX} levels")
