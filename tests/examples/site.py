"""The shop of examples/shop as its README runs it: its servers and processes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mainstem.stack.guard import guarded
from mainstem.stack.stack import Stack, StackSettings
from tests.examples import SHOP

STOP_TIMEOUT_S = 10.0
SAID_MAX = 800
BINARIES = Path(sys.executable).parent


@dataclass
class Site:
    """The processes of the shop, each with its output in a file."""

    folder: Path
    database_url: str
    kafka_bootstrap: str
    listener: socket.socket
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """Where the application is."""
        return f"http://127.0.0.1:{self.listener.getsockname()[1]}"

    @property
    def variables(self) -> dict[str, str]:
        """The environment, with nothing of Mainstem but the addresses of this site."""
        kept = {name: text for name, text in os.environ.items() if not name.startswith("MAINSTEM_")}
        servers = {"DATABASE_URL": self.database_url, "KAFKA_BOOTSTRAP": self.kafka_bootstrap}
        return {**kept, **servers, "PYTHONUNBUFFERED": "1"}

    def create(self) -> None:
        """Create what topics share, and the topic."""
        for arguments in (["init"], ["topic", "create", "order_events"]):
            command = [str(BINARIES / "mainstem"), *arguments]
            subprocess.run(command, env=self.variables, cwd=SHOP, check=True, capture_output=True)

    def replicate(self) -> None:
        """Start the replicator."""
        self._start("replicator", str(BINARIES / "mainstem"), "replicate")

    def project(self) -> None:
        """Start the projector; it has a name, so a restarted one waits for no time-out."""
        place = ("projections:RevenueByCountry", "--instance", "shop")
        self._start("projector", str(BINARIES / "mainstem"), "project", *place)

    def stream(self) -> None:
        """Start the stream that counts by the minute."""
        place = ("pace:pace", "--instance", "shop", "--commit-interval-s", "0.2")
        state = ("--state-dir", str(self.folder / "state"))
        self._start("stream", str(BINARIES / "mainstem"), "stream", "run", *place, *state)

    def serve(self) -> None:
        """Start the application on the socket that listens already: whoever comes early waits."""
        descriptor = self.listener.fileno()
        command = ("-m", "uvicorn", "--factory", "main:create_app", "--fd", str(descriptor))
        self._start("application", sys.executable, *command, descriptors=(descriptor,))

    def kill(self, name: str) -> None:
        """SIGKILL, as the kernel does it when memory runs out."""
        process = self.running.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(STOP_TIMEOUT_S)

    def said(self) -> str:
        """The last lines of every process, for whoever waits in vain."""
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{log.stem}: {log.read_text()[-SAID_MAX:]}" for log in logs)

    def _start(self, name: str, *command: str, descriptors: tuple[int, ...] = ()) -> None:
        """Run a command in the folder of the example."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command,
                cwd=SHOP,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=descriptors,
            )

    def end(self) -> None:
        """Kill whatever runs."""
        for name in list(self.running):
            self.kill(name)


@contextmanager
def open_shop(folder: Path) -> Iterator[Site]:
    """The shop, all of it, for the block, on servers of its own and ports that were free."""
    stack = Stack(folder / ".mainstem", settings=StackSettings(fsync=False))
    with guarded(stack.directory), socket.create_server(("127.0.0.1", 0)) as listener:
        try:
            state = stack.up()
            site = Site(folder, str(state.database_url), str(state.kafka_bootstrap), listener)
            try:
                site.create()
                site.serve()
                site.replicate()
                site.project()
                site.stream()
                yield site
            finally:
                site.end()
        finally:
            stack.down(wipe=True)
