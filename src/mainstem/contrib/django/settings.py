"""`MAINSTEM` in Django's settings, as a frozen value that was checked when it was read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from django.conf import settings
from django.utils.module_loading import import_string

from mainstem.errors import ConfigurationError

NAME: Final = "MAINSTEM"


@dataclass(frozen=True, slots=True)
class DjangoSettings:
    """Where the events of this Django project go, and what they look like."""

    database: str = "default"
    """The alias in DATABASES."""
    schema_registry_url: str | None = None
    """A Confluent-compatible registry; without it schemas stand in tables of the database."""
    types: tuple[type, ...] = ()
    """Classes that events are read back as."""


@cache
def current() -> DjangoSettings:
    """The settings as they are now; ConfigurationError for what cannot be right.

    Tests that override MAINSTEM see the new value: `reset` is called by Django's signal.
    """
    given = getattr(settings, NAME, {})
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{NAME} must be a dict, not {type(given).__name__}")
    known = {"DATABASE": text, "SCHEMA_REGISTRY_URL": optional_text, "TYPES": classes}
    unknown = sorted(str(key) for key in given.keys() - known.keys())
    if unknown:
        raise ConfigurationError(
            f"{NAME} has no {', '.join(unknown)}", hint=f"it knows {', '.join(known)}"
        )
    values: dict[str, Any] = {key.lower(): known[key](key, given[key]) for key in given}
    return DjangoSettings(**values)


def reset(*, setting: str, **_: object) -> None:
    """Forget the settings where the one that was changed is ours."""
    if setting == NAME:
        current.cache_clear()


def text(key: str, value: Any) -> str:
    """The value, if it says something."""
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"{NAME}[{key!r}] must be a string that is not empty")
    return value


def optional_text(key: str, value: Any) -> str | None:
    """The value, or None for one that says nothing."""
    return text(key, value) if value else None


def classes(key: str, value: Any) -> tuple[type, ...]:
    """The classes themselves, which may be given as dotted paths."""
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"{NAME}[{key!r}] must be a list of classes or dotted paths")
    return tuple(resolved(key, entry) for entry in value)


def resolved(key: str, entry: Any) -> type:
    """The class that this entry of the list means."""
    try:
        found = import_string(entry) if isinstance(entry, str) else entry
    except ImportError as error:
        raise ConfigurationError(f"{NAME}[{key!r}]: {error}") from error
    if not isinstance(found, type):
        raise ConfigurationError(f"{NAME}[{key!r}]: {entry!r} is no class")
    return found
