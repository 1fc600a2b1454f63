"""The stack: PostgreSQL and Kafka, and a registry if wanted, up and down together."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mainstem.errors import ConfigurationError
from mainstem.stack import places
from mainstem.stack.apicurio import Apicurio
from mainstem.stack.artifacts import Say
from mainstem.stack.kafka import Kafka
from mainstem.stack.postgresql import PostgreSQL
from mainstem.stack.server import Server
from mainstem.stack.state import StackState, Started, load, save
from mainstem.stack.together import end, start_all, stop_all

GIVEN_BY = {"postgres": "DATABASE_URL", "kafka": "KAFKA_BOOTSTRAP"}
"""The variable that gives a server from outside."""


def silent(text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class StackSettings:
    """Which servers are given from outside, and how careful ours are.

    `fsync=False` is for tests: a killed server loses nothing, a machine without power would.
    """

    database_url: str | None = field(default=None, repr=False)
    kafka_bootstrap: str | None = None
    fsync: bool = True

    @classmethod
    def of_environment(cls, *, fsync: bool = True) -> StackSettings:
        """DATABASE_URL and KAFKA_BOOTSTRAP are used instead of servers of our own."""
        database_url, kafka = (os.environ.get(name) or None for name in GIVEN_BY.values())
        return cls(database_url, kafka, fsync)

    @property
    def given(self) -> dict[str, str]:
        """Address by server."""
        both = {"postgres": self.database_url, "kafka": self.kafka_bootstrap}
        return {name: address for name, address in both.items() if address}


class Stack:
    """The servers of one folder (`.mainstem`), which holds their data, logs and state."""

    def __init__(
        self, directory: Path, *, registry: bool = False, settings: StackSettings | None = None
    ) -> None:
        """Do nothing yet."""
        self.directory = directory.absolute()
        self._registry = registry
        self._settings = settings or StackSettings()
        self._saving = threading.Lock()

    @property
    def state(self) -> StackState:
        """What the folder knows now."""
        return load(self.directory)

    def up(self, progress: Say = silent) -> StackState:
        """Start what is wanted and does not run; StackError with the reason if one fails.

        `progress` is told one line for each server as it answers, and about downloads.
        """
        with places.locked(self.directory):
            known = replace(self.state, given=self._settings.given)
            if home := places.outside(state := places.settled(self.directory, known)):
                progress(f"   PostgreSQL's data: {home}, for its user cannot reach this folder")
            save(self.directory, state)
            for line in already(state):
                progress(line)
            names = [name for name in self._wanted() if not runs(state, name)]
            # One that was started but never seen to answer is not to be trusted.
            stop_all(
                {name: state.servers[name].identity for name in names if name in state.servers}
            )
            # The registry keeps its schemas in PostgreSQL.
            self._start([name for name in names if name != "registry"], progress)
            self._start([name for name in names if name == "registry"], progress)
            return self.state

    def down(self, *, wipe: bool = False) -> list[str]:
        """Stop what was started here, within a bound; titles of what ran. `wipe` removes data."""
        if not self.directory.exists():
            return []
        with places.locked(self.directory):
            state = self.state
            stopped = [started.title for started in state.servers.values()]
            stop_all({name: started.identity for name, started in state.servers.items()})
            save(self.directory, replace(state, servers={}, given={}))
            if wipe:
                places.wipe(self.directory, state)
            return stopped

    def kill(self, name: str) -> None:
        """SIGKILL a server with all its processes, as a crash would; its data stay."""
        started = self._started(name)
        end(name, started.identity)
        if name == "postgres":
            self._postgres(self.state).end_leftovers()

    def start(self, name: str) -> None:
        """Start a killed server again, on the same port and data."""
        self._started(name)
        with places.locked(self.directory):
            if not runs(self.state, name):
                self._start([name], silent)

    def log(self, name: str) -> Path:
        """Where a server's output goes; anew at each start."""
        return self.directory / "logs" / f"{name}.log"

    def _started(self, name: str) -> Started:
        """A server that was started here."""
        try:
            return self.state.servers[name]
        except KeyError:
            raise ConfigurationError(
                f"{name} was not started in {self.directory}", hint="mainstem status shows what was"
            ) from None

    def _wanted(self) -> list[str]:
        """Servers that shall be our own."""
        names = ["postgres", "kafka"] + ["registry"] * self._registry
        return [name for name in names if name not in self._settings.given]

    def _start(self, names: Sequence[str], progress: Say) -> None:
        """Start servers side by side and keep what was started."""
        if names:
            servers = [self._server(name, progress) for name in names]
            start_all(servers, self.log("any").parent, progress, self._keep)

    def _keep(self, name: str, started: Started) -> None:
        """Remember a server."""
        with self._saving:
            save(self.directory, self.state.with_server(name, started))

    def _server(self, name: str, progress: Say) -> Server:
        """A server by name."""
        state = self.state
        if name == "postgres":
            return self._postgres(state)
        home, port = self.directory / name, state.ports[name]
        if name == "kafka":
            return Kafka(home, port, state.ports["controller"], progress)
        own = self._postgres(state) if "postgres" not in state.given else None
        return Apicurio(home, port, state.ports["management"], progress, own)

    def _postgres(self, state: StackState) -> PostgreSQL:
        """Our PostgreSQL."""
        home, port = Path(state.postgres_home), state.ports["postgres"]
        return PostgreSQL(home, port, fsync=self._settings.fsync)


def already(state: StackState) -> list[str]:
    """A line for each server that need not be started."""
    given = [f"   {GIVEN_BY[name]} is set: that server is used" for name in state.given]
    return given + [
        f"   {server.title:<17} {server.address:<44} runs already"
        for name, server in state.servers.items()
        if runs(state, name)
    ]


def runs(state: StackState, name: str) -> bool:
    """Whether a server that was started here still runs."""
    return name in state.servers and name not in state.dead
