"""Shape: one node of a schema, the tree that everything else in this room is made from.

It is grown from a class (derive) or from a schema text (parse); the schema text, the scan of
hostile bytes, and the conversions from and to Python's values are all made from it.
A record that contains itself is a cycle in the tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

DEPTH_MAX: Final = 64
"""Records, arrays and maps inside each other, in a schema and in a value."""


class Missing:
    """The absence of a default, where None is one."""


MISSING: Final = Missing()


class Field(NamedTuple):
    """A field of a record."""

    name: str
    shape: Shape
    default: Any = MISSING
    """As JSON, in the manner of Avro: bytes as text, a union's value as its first branch."""
    aliases: tuple[str, ...] = ()


@dataclass(slots=True, eq=False)
class Shape:
    """A type: `kind` tells which of the other attributes mean anything.

    Only `fields` and `branches` are set later than at birth: a record may contain itself.
    """

    kind: str
    """A primitive, or record, enum, fixed, array, map, union."""
    logical: str = ""
    """A logical type that we know; unknown ones are left out, as Avro wants it."""
    name: str = ""
    """Full name of a record, enum or fixed."""
    python: type | None = None
    """What stands for it in Python where a class was read: dataclass, Enum, list or tuple."""
    precision: int = 0
    scale: int = 0
    size: int = 0
    symbols: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    items: Shape | None = None
    """Of an array, and the values of a map."""
    branches: tuple[Shape, ...] = ()
    serial: int = 0
    """Tells a union from the others of the same tree."""
    aliases: tuple[str, ...] = ()
    default: Any = MISSING
    """The symbol that an enum falls back to."""
    min_bytes: int | None = field(default=None, repr=False)
    """Remembered by schema/scan.py."""

    @property
    def item(self) -> Shape:
        """The shape inside an array or map."""
        assert self.items is not None
        return self.items

    @property
    def branch_name(self) -> str:
        """How a union tells this branch from its others: the full name, or the type."""
        return self.name or self.kind


def nodes(shape: Shape) -> Iterator[Shape]:
    """Every node of the tree, once."""
    seen: set[int] = set()
    waiting = [shape]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        waiting += [*node.branches, *(field.shape for field in node.fields)]
        waiting += [] if node.items is None else [node.items]
