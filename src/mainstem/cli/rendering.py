"""Stored events as text for people and as JSON objects; text, and nothing is printed here."""

from __future__ import annotations

import base64
import dataclasses
import enum
import json
import math
from collections.abc import Mapping
from datetime import date, time
from typing import Any

from mainstem.event import GenericPayload, StoredEvent, format_lsn

KEY_CHARACTERS_MAX = 8
"""Longer keys are cut in text: four characters and an ellipsis tell them apart well enough."""
KEY_HEAD = 4


def as_line(event: StoredEvent[Any]) -> str:
    """`21:04:11.412 #1 OrderPlaced 6f1c… [3]@0 {"order_id":"6f1c…"}`, on one line."""
    time_of_day = (
        event.timestamp.strftime("%H:%M:%S.") + f"{event.timestamp.microsecond // 1000:03}"
    )
    name = type_name(event.payload).rpartition(".")[2]
    parts = [time_of_day, f"#{event.id}", name, shortened(printable(key_text(event)))]
    if event.offset is not None:
        parts.append(f"[{event.partition}]@{event.offset}")
    return " ".join([*parts, compact(plain(fields(event.payload)))])


def as_object(event: StoredEvent[Any]) -> dict[str, Any]:
    """Every field of the event, as JSON can carry it."""
    position = event.position
    return {
        "topic": event.topic,
        "id": event.id,
        "key": text_or_base64(event.key) if isinstance(event.key, bytes) else plain(event.key),
        "type": type_name(event.payload),
        "payload": plain(fields(event.payload)),
        "metadata": {name: text_or_base64(value) for name, value in event.metadata.items()},
        "timestamp": event.timestamp.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "lsn": None if position is None else format_lsn(position.lsn),
        "ordinal": None if position is None else position.ordinal,
        "partition": event.partition,
        "offset": event.offset,
    }


def plain(value: Any) -> Any:
    """The value as JSON can carry it: numbers beyond JSON's, times and ids as text."""
    match value:
        case enum.Enum():
            return plain(value.value)
        case float() if not math.isfinite(value):
            return str(value)
        case None | bool() | int() | float() | str():
            return value
        case bytes():
            return base64.b64encode(value).decode()
        case date() | time():
            return value.isoformat()
    return plain_composite(value)


def plain_composite(value: Any) -> Any:
    """`plain` of what holds other values; text of anything unknown."""
    match value:
        case Mapping():
            return {str(name): plain(entry) for name, entry in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(entry) for entry in value]
    record = isinstance(value, GenericPayload) or dataclasses.is_dataclass(value)
    return plain(fields(value)) if record else str(value)


def fields(payload: Any) -> dict[str, Any]:
    """The payload's fields by name."""
    if isinstance(payload, GenericPayload):
        return payload.fields
    return {field.name: getattr(payload, field.name) for field in dataclasses.fields(payload)}


def type_name(payload: Any) -> str:
    """The Avro full name where the payload tells it, else the class's."""
    return payload.type_name if isinstance(payload, GenericPayload) else type(payload).__name__


def key_text(event: StoredEvent[Any]) -> str:
    """The key as text; bytes that are no UTF-8 in hexadecimal."""
    if not isinstance(event.key, bytes):
        return str(event.key)
    try:
        return event.key.decode()
    except UnicodeDecodeError:
        return event.key.hex()


def text_or_base64(value: bytes) -> str | dict[str, str]:
    """UTF-8 as text, anything else as an object that says so."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(value).decode()}


def shortened(text: str) -> str:
    """The text, cut where it is long."""
    return text if len(text) <= KEY_CHARACTERS_MAX else text[:KEY_HEAD] + "…"


def printable(text: str) -> str:
    """The text without control characters, which could command the terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def compact(value: Any) -> str:
    """JSON without spaces, with every control character escaped."""
    return printable(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
