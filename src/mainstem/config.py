"""Settings from `mainstem.toml`: read once, checked when read, handed on as a frozen value."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mainstem.errors import ConfigurationError

FILE_NAME = "mainstem.toml"
FILE_BYTES_MAX = 1 << 20
ADDRESSES = ("database_url", "kafka_bootstrap", "schema_registry_url")
"""Keys at the top of the file: the servers that every command shares."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a settings file says; an absent file says nothing.

    Addresses may hold passwords, so they never show in this value's repr.
    """

    addresses: Mapping[str, str] = field(default_factory=dict, repr=False)
    commands: Mapping[str, Mapping[str, object]] = field(default_factory=dict, repr=False)
    """Options of each command by its name, as `[replicate]` or `[topic.create]` holds them."""


def load(path: Path, commands: Iterable[str]) -> Settings:
    """The settings in this file; ConfigurationError for a key that no setting has."""
    content = read(path)
    known = [*ADDRESSES, *commands]
    addresses: dict[str, str] = {}
    sections: dict[str, Mapping[str, object]] = {}
    for key, value in content.items():
        if key not in known:
            raise unknown_key(key, known)
        if key in ADDRESSES and isinstance(value, str):
            addresses[key] = value
        elif key not in ADDRESSES and isinstance(value, dict):
            sections[key] = value
        else:
            expected = "a string" if key in ADDRESSES else f"a section, [{key}]"
            raise ConfigurationError(f"{key} in {FILE_NAME} must be {expected}")
    return Settings(addresses, sections)


def read(path: Path) -> dict[str, object]:
    """The parsed TOML of the file; nothing where there is no file."""
    try:
        with path.open("rb") as file:
            text = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    if len(text) > FILE_BYTES_MAX:
        raise ConfigurationError(f"{path} is larger than {FILE_BYTES_MAX} bytes")
    try:
        return tomllib.loads(text.decode())
    except ValueError as error:
        raise ConfigurationError(f"{path} is no valid TOML: {error}") from error


def unknown_key(key: str, known: Iterable[str], section: str = "") -> ConfigurationError:
    """The error for a key that nothing reads, with the nearest one that something does."""
    where = f"[{section}] of {FILE_NAME}" if section else FILE_NAME
    names = sorted(known)
    near = difflib.get_close_matches(key, names, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known here: {', '.join(names)}"
    return ConfigurationError(f"unknown key {key} in {where}", hint=hint)
