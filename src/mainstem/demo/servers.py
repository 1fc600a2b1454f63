"""The servers that the demo runs on: those that were given, or new ones, removed at the end."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mainstem.demo.narration import Screen, marked
from mainstem.demo.settings import DemoSettings
from mainstem.stack.stack import Stack, StackSettings

KEPT = Path(".mainstem")
PREFIX = "mainstem-demo-"


@dataclass(frozen=True, slots=True)
class Given:
    """Addresses from outside; a missing one asks for a new server."""

    database_url: str | None = field(repr=False)
    kafka_bootstrap: str | None


@dataclass(frozen=True, slots=True)
class Servers:
    """Two servers that answer, and a folder for the demo's log."""

    database_url: str = field(repr=False)
    kafka_bootstrap: str
    folder: Path
    fresh: bool
    """Both were made for the demo and hold nothing else."""


@contextmanager
def servers_for(given: Given, settings: DemoSettings, screen: Screen) -> Iterator[Servers]:
    """The given servers as they are, or new ones for the block; with --keep these stay.

    Raises StackError when a server does not start.
    """
    if given.database_url and given.kafka_bootstrap:
        with folder_for(settings) as folder:
            yield Servers(given.database_url, given.kafka_bootstrap, folder, fresh=False)
    elif settings.keep:
        with started(given, KEPT, settings, screen) as servers:
            yield servers
    else:
        with (
            folder_for(settings) as folder,
            started(given, folder / KEPT, settings, screen) as servers,
        ):
            yield servers


@contextmanager
def folder_for(settings: DemoSettings) -> Iterator[Path]:
    """A folder of the demo's own, gone after the block unless it is to be kept."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    try:
        yield folder
    finally:
        if not settings.keep:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def started(given: Given, home: Path, settings: DemoSettings, screen: Screen) -> Iterator[Servers]:
    """A stack in this folder; an error or Ctrl-C ends it even if it was to be kept."""
    is_new = not home.exists()
    stack = Stack(home, settings=StackSettings(given.database_url, given.kafka_bootstrap))
    try:
        with marked("Servers", screen):
            state = stack.up(screen.say)
        assert state.database_url, "a stack that is up has a database"
        assert state.kafka_bootstrap, "a stack that is up has Kafka"
        fresh = is_new and not (given.database_url or given.kafka_bootstrap)
        yield Servers(state.database_url, state.kafka_bootstrap, home, fresh=fresh)
    except BaseException:
        stack.down(wipe=not settings.keep)
        raise
    if not settings.keep:
        stack.down(wipe=True)
