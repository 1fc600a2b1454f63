"""Apache Kafka as one process: broker and controller, with settings for a small machine."""

from __future__ import annotations

import base64
import shutil
import uuid
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mainstem.stack import handshake
from mainstem.stack.artifacts import Say, cache, complete, kafka_artifacts
from mainstem.stack.java import java
from mainstem.stack.ports import HOST
from mainstem.stack.process import Launch
from mainstem.stack.server import carry_out

VERSION = "4.3.1"
JAVA_OLDEST = 17
FORMAT_TIMEOUT_S = 60.0
JVM = [
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
]
MEMORY = ["-Xms128m", "-Xmx512m"]

# A broker that died uncleanly may not come back before its old session has timed out.
SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller}
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=1
num.io.threads=2
"""

LOGGING = """\
appender.console.type=Console
appender.console.name=console
appender.console.layout.type=PatternLayout
appender.console.layout.pattern=%d{ISO8601} %p %m (%c{1})%n
rootLogger.level=WARN
rootLogger.appenderRef.console.ref=console
"""


def title() -> str:
    """`Kafka 4.3.1`."""
    return f"Kafka {VERSION}"


@dataclass(frozen=True)
class Kafka:
    """A Kafka with its data below `home`."""

    home: Path
    port: int
    controller_port: int
    say: Say
    name: str = field(default="kafka", init=False)
    title: str = field(default_factory=title, init=False)

    @property
    def address(self) -> str:
        """Where clients find it."""
        return f"{HOST}:{self.port}"

    @property
    def data(self) -> Path:
        """Where its logs of records are."""
        return self.home / "data"

    @cached_property
    def jars(self) -> Path:
        """The folder of its jars, complete and verified."""
        folder = cache() / f"kafka-{VERSION}"
        complete(folder, kafka_artifacts(), "Kafka jars", self.say)
        return folder

    def prepare(self) -> None:
        """Fetch the jars and format the data directory, each the first time; write settings."""
        self.home.mkdir(parents=True, exist_ok=True)
        places = {"host": HOST, "port": self.port, "controller": self.controller_port}
        settings = SETTINGS.format(**places, data=self.data)
        self._settings.write_text(settings, encoding="utf-8")
        self._logging.write_text(LOGGING, encoding="utf-8")
        formatted = self.home / "made"
        if not formatted.exists():
            shutil.rmtree(self.data, ignore_errors=True)
            options = ["format", "--standalone", "-t", cluster_id(), "-c", str(self._settings)]
            launch = self._java("kafka.tools.StorageTool", *options)
            carry_out(self.title, launch, FORMAT_TIMEOUT_S)
            formatted.touch()

    def launch(self) -> Launch:
        """How to start it."""
        return self._java("kafka.Kafka", str(self._settings))

    def answers(self) -> bool:
        """Whether it answers requests, not only connections."""
        return handshake.answers(HOST, self.port)

    def settle(self) -> None:
        """Load both coordinators now, or the first transaction would wait a second for them."""
        handshake.load_coordinators(HOST, self.port)

    def _java(self, *arguments: str) -> Launch:
        """A Java process on our class path."""
        logging = f"-Dlog4j2.configurationFile={self._logging}"
        options = [*MEMORY, *JVM, logging, "-cp", f"{self.jars}/*"]
        return Launch([java(JAVA_OLDEST), *options, *arguments], self.home)

    @property
    def _settings(self) -> Path:
        """Kafka's settings file."""
        return self.home / "server.properties"

    @property
    def _logging(self) -> Path:
        """Log4j's settings file."""
        return self.home / "log4j2.properties"


def cluster_id() -> str:
    """A new cluster's id: 16 bytes in URL-safe base64, as Kafka writes them.

    One that begins with a hyphen would be taken for an option (one in 64 does).
    """
    while True:
        drawn = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not drawn.startswith("-"):
            return drawn
