"""Parts: what a store is made of, from what its opener said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from mainstem.errors import ConfigurationError
from mainstem.postgres.reading.pages import Beside, Page
from mainstem.postgres.reading.selection import Selection
from mainstem.postgres.reading.statements import Bounds
from mainstem.registry.postgres import PostgresRegistry
from mainstem.registry.registry import CachingRegistry, Registry
from mainstem.terms import ANY, NO_TERMS, AppendCondition, ExpectedVersion, Terms
from mainstem.wire import Wire


class Parts(NamedTuple):
    """What both faces of a store work with."""

    wire: Wire
    dsn: str
    release: Callable[[], None]
    """Ends what was made for this store."""
    archive: Archived | None = None


class Archived(NamedTuple):
    """An archive, as far as a store cares."""

    beside: Beside
    """Adds its rows to the pages of a table."""
    holds: Callable[[str], bool]
    """Whether it has rows of the topic."""

    def refuse(self, topic: str, what: str) -> None:
        """ConfigurationError if the topic has archived rows, which `what` would miss."""
        if self.holds(topic):
            raise ConfigurationError(
                f"{what} does not reach into the archive, and months of {topic} are there",
                hint="use read_all, or a store that is opened without archive= to leave them out",
            )


def chosen(registry: Registry | None, dsn: str) -> tuple[Registry, Callable[[], None]]:
    """The registry to use, and how to release it: a given one belongs to its giver."""
    if registry is not None:
        return registry, nothing
    own = CachingRegistry(PostgresRegistry(dsn))
    return own, own.close


def nothing() -> None:
    """Leave a registry alone that somebody else opened."""


def archived(folder: Path, release: Callable[[], None]) -> tuple[Archived, Callable[[], None]]:
    """The archive in this folder, and what ends it with the rest."""
    from mainstem.postgres.archive.reading import Archive, Asked, files_of  # noqa: PLC0415  # Optional.

    archive = Archive(folder)

    def holds(topic: str) -> bool:
        return bool(files_of(folder, topic))

    def beside(page: Page, topic: str, selection: Selection, bounds: Bounds) -> Page:
        if selection.key is not None:
            parts.refuse(topic, "reading by key")
            return page
        asked = Asked(bounds.after, bounds.rows_max, selection.since, selection.until)
        return Page(*archive.beside(page.rows, topic, asked, table_ended=page.ended))

    def end() -> None:
        archive.close()
        release()

    parts = Archived(beside, holds)
    return parts, end


def terms_of(
    expected_version: ExpectedVersion,
    event_ids: tuple[UUID, ...] | None,
    append_condition: AppendCondition | None,
) -> Terms:
    """The terms of a save; the same object for the usual one, which has none."""
    if expected_version is ANY and event_ids is None and append_condition is None:
        return NO_TERMS
    return Terms(
        expected_version=expected_version, event_ids=event_ids, append_condition=append_condition
    )


def one_id(event_id: UUID | None) -> tuple[UUID, ...] | None:
    """The id of the one event, if it has one."""
    return None if event_id is None else (event_id,)


def many_ids(event_ids: Iterable[UUID] | None) -> tuple[UUID, ...] | None:
    """The ids of the events, if they have any."""
    return None if event_ids is None else tuple(event_ids)
