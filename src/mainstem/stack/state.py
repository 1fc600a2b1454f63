"""What is known of a stack between two commands: one file in its folder, and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from mainstem.errors import StackError
from mainstem.stack.process import Identity

FILE_NAME = "stack.json"


@dataclass(frozen=True, slots=True)
class Started:
    """A server that was started here; without `start_s` it never came to answer."""

    title: str
    address: str
    identity: Identity
    start_s: float | None = None

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Self:
        """From its form in the file."""
        identity = Identity(**value["identity"])
        return cls(value["title"], value["address"], identity, value["start_s"])


@dataclass(frozen=True, slots=True)
class StackState:
    """Ports and places that stay, servers that run, and servers that were given from outside."""

    ports: Mapping[str, int] = field(default_factory=dict)
    postgres_home: str = ""
    servers: Mapping[str, Started] = field(default_factory=dict)
    given: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def database_url(self) -> str | None:
        """Address of PostgreSQL."""
        return self._address("postgres")

    @property
    def kafka_bootstrap(self) -> str | None:
        """Address of Kafka."""
        return self._address("kafka")

    @property
    def registry_url(self) -> str | None:
        """Address of the registry, where one runs."""
        return self._address("registry")

    @property
    def pids(self) -> dict[str, int]:
        """The process of each server that was started here."""
        return {name: server.identity.pid for name, server in self.servers.items()}

    @property
    def dead(self) -> list[str]:
        """Servers that were started and do not run any more, or never came to answer."""
        return [
            name
            for name, server in self.servers.items()
            if server.start_s is None or not server.identity.alive()
        ]

    @property
    def runs(self) -> bool:
        """Whether everything that `up` promised is there."""
        return bool(self.servers or self.given) and not self.dead

    def _address(self, name: str) -> str | None:
        """A given address, else that of our own server."""
        own = self.servers.get(name)
        return self.given.get(name) or (own.address if own else None)

    def with_server(self, name: str, server: Started) -> StackState:
        """The state with one server more, or anew."""
        return replace(self, servers={**self.servers, name: server})


def running(directory: Path) -> StackState | None:
    """The stack of this folder, if all of it runs."""
    state = load(directory)
    return state if state.runs else None


def load(directory: Path) -> StackState:
    """What the folder says; an empty state where there is no file."""
    path = directory / FILE_NAME
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        servers = {name: Started.of(server) for name, server in value.pop("servers").items()}
        return StackState(**value, servers=servers)
    except FileNotFoundError:
        return StackState()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StackError(
            f"{path} cannot be read: {type(error).__name__}",
            hint=f"end the servers that still run, then remove {directory}",
        ) from error


def save(directory: Path, state: StackState) -> None:
    """Write the file in one step, readable by its owner only: addresses may hold passwords."""
    path = directory / FILE_NAME
    half = path.with_suffix(".new")
    half.unlink(missing_ok=True)
    with os.fdopen(os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        json.dump(asdict(state), file, indent=2)
    half.replace(path)
