"""Avro's grammar of names; every name is checked before anything else is done with it.

Source: Avro specification, "Names".
"""

from __future__ import annotations

import re

from mainstem.errors import SchemaError

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NAME_CHARACTERS_MAX = 512
SHOWN_CHARACTERS_MAX = 60

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})


def checked_name(name: object, what: str) -> str:
    """The name itself; SchemaError unless it is letters, digits and underscores."""
    if not isinstance(name, str) or len(name) > NAME_CHARACTERS_MAX or not NAME.fullmatch(name):
        raise SchemaError(
            f"{what} {shown(name)} is not an Avro name",
            hint="use ASCII letters, digits and underscores, not starting with a digit",
        )
    return name


def checked_namespace(namespace: object, what: str) -> str:
    """The namespace itself; SchemaError unless it is names joined by dots."""
    parts = namespace.split(".") if isinstance(namespace, str) else [namespace]
    for part in parts:
        checked_name(part, f"{what} namespace {shown(namespace)}: part")
    return str(namespace)


def full_name(name: object, namespace: str, what: str) -> str:
    """`namespace.name`, or the name as it is where it holds dots of its own."""
    if isinstance(name, str) and "." in name:
        return checked_namespace(name, what)
    simple = checked_name(name, what)
    return f"{namespace}.{simple}" if namespace else simple


def namespace_of(name: str) -> str:
    """What stands before the last dot of a full name."""
    return name.rpartition(".")[0]


def shown(name: object) -> str:
    """The name for a message, cut to a bearable length."""
    text = repr(name)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else text[:SHOWN_CHARACTERS_MAX] + "…"
