"""What an event store must bring to be tortured: a small protocol, and how it is found.

A store is named `module:factory`. The factory is called as `factory(database_url, run)`, where
`run` is a name that no other run has: first once, alone, to create what is missing; then for
each connection, and in the follower's process. What it returns is a context manager; threads
share it if there are more `--writers` than `--connections`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from types import TracebackType
from typing import NamedTuple, Protocol, Self, TypeAlias, runtime_checkable
from uuid import UUID

from mainstem.errors import ConfigurationError


class Conflict(Exception):
    """The key was not at the expected version, and nothing was saved."""


class Followed(NamedTuple):
    """An event as a follower gives it."""

    cursor: str
    """`follow(cursor)` goes on behind this event. It holds no white space."""
    key: UUID
    version: int
    token: str


@runtime_checkable
class TorturedStore(Protocol):
    """An event store that numbers the events of each key: 1, 2, 3 and so on.

    Any other error than Conflict means that nobody knows whether the event was saved.
    """

    def append(self, key: UUID, expected_version: int, token: str) -> int:
        """Save the token as the key's next event if its version is as expected (0: no event).

        Returns the event's version. Raises Conflict, at which nothing may have been saved.
        """

    def read(self, key: UUID) -> Sequence[tuple[int, str]]:
        """All events of the key that are committed, version and token, by version."""

    def __enter__(self) -> Self:
        """The store itself."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the store."""


@runtime_checkable
class Hesitating(Protocol):
    """A store that can save inside a longer transaction."""

    def hesitate(
        self, key: UUID, expected_version: int, token: str, pause_s: float, *, commits: bool
    ) -> int:
        """Append in a transaction, wait, then commit it or roll it back; as `append` otherwise."""


@runtime_checkable
class Followable(Protocol):
    """A store whose events can be followed live."""

    def follow(self, after: str | None) -> Iterator[Followed]:
        """Every event behind the cursor, live and for ever.

        None: everything that commits from now on; it may be more, from the run's beginning.
        """


@runtime_checkable
class Ordered(Protocol):
    """A store that can tell the truth about the order of commits, by other means than `follow`."""

    def order(self) -> Sequence[str]:
        """The tokens of all committed events of the run, in commit order."""


Factory: TypeAlias = Callable[[str, str], TorturedStore]


def factory_named(name: str) -> Factory:
    """The factory `module:name`; ConfigurationError where there is none."""
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(
            f"there is no store {name!r}: {error}", hint="name it as package.module:factory"
        ) from error
    made: Factory = found
    return made
