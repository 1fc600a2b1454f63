"""Statements about the table of a StreamProjection: one row for each stream."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from mainstem.errors import ConfigurationError
from mainstem.postgres import naming
from mainstem.postgres.statements import Statement
from mainstem.projection.streams.columns import StateColumn

KEY_TYPES: Final[dict[type, str]] = {
    UUID: "uuid",
    str: "text",
    int: "bigint",
    Decimal: "numeric",
    bool: "boolean",
    bytes: "bytea",
}


class StateTable:
    """What is said to the table of one StreamProjection, by a name without a schema."""

    def __init__(self, table: str, key_type: type, columns: Sequence[StateColumn]) -> None:
        """Make the texts once; InvalidName and ConfigurationError."""
        if key_type not in KEY_TYPES:
            raise ConfigurationError(f"a key of type {key_type.__name__} has no column")
        self._name = naming.identifier(table)
        self._key = KEY_TYPES[key_type]
        self._columns = tuple(columns)
        self._names = [naming.identifier(column.name, "column") for column in columns]

    @property
    def ddl(self) -> str:
        """Creates the table where it is not there."""
        columns = "".join(
            f",\n    {name} {column.type_name}{'' if column.optional else ' NOT NULL'}"
            for name, column in zip(self._names, self._columns, strict=True)
        )
        key = f"key {self._key} PRIMARY KEY"
        return f"CREATE TABLE IF NOT EXISTS {self._name} (\n    {key}{columns}\n)"

    def rows(self, keys: Sequence[Any]) -> Statement:
        """Key and columns of the states of these streams, which nobody else changes meanwhile."""
        return Statement(
            f"SELECT key{self._list} FROM {self._name} WHERE key = ANY ($1::{self._key}[])"
            " ORDER BY key FOR UPDATE",
            (list(keys),),
        )

    def add(self, rows: Sequence[tuple[Any, ...]]) -> Statement:
        """Insert states of streams that had none; a row for each that nobody else has added."""
        types = [self._key, *(column.type_name for column in self._columns)]
        arrays = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(types, 1))
        return Statement(
            f"INSERT INTO {self._name} (key{self._list})"
            f" SELECT * FROM unnest({arrays}) ON CONFLICT (key) DO NOTHING RETURNING key",
            tuple(list(column) for column in zip(*rows, strict=True)),
        )

    def put(self, rows: Sequence[tuple[Any, ...]]) -> Statement:
        """Replace states that are there; each row is a key and its columns."""
        types = [self._key, *(column.type_name for column in self._columns)]
        arrays = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(types, 1))
        replaced = ", ".join(f"{name} = excluded.{name}" for name in self._names)
        return Statement(
            f"INSERT INTO {self._name} (key{self._list})"
            f" SELECT * FROM unnest({arrays})"
            f" ON CONFLICT (key) DO UPDATE SET {replaced}",
            tuple(list(column) for column in zip(*rows, strict=True)),
            answers=False,
        )

    def drop(self, keys: Sequence[Any]) -> Statement:
        """Delete the states of streams that have none any more."""
        return Statement(
            f"DELETE FROM {self._name} WHERE key = ANY ($1::{self._key}[])",
            (list(keys),),
            answers=False,
        )

    @property
    def _list(self) -> str:
        return "".join(f", {name}" for name in self._names)
