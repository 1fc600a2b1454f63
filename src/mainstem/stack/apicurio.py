"""Apicurio Registry: a real Confluent-compatible schema registry, for whoever wants one."""

from __future__ import annotations

import http.client
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from mainstem.stack.artifacts import Artifact, Say, cache, unpacked
from mainstem.stack.java import java
from mainstem.stack.ports import HOST
from mainstem.stack.postgresql import SUPERUSER, PostgreSQL
from mainstem.stack.process import Launch

VERSION = "3.3.3"
JAVA_OLDEST = 21
REQUEST_TIMEOUT_S = 5.0
DATABASE = "registry"
PATH = "/apis/ccompat/v7"
ARCHIVE = Artifact(
    "8bc6751c76d963734224b01d5e7f84ccb3cb61c87d3bd77c36c35f10a5cbed63",
    "io.apicurio",
    "apicurio-registry-app",
    VERSION,
    "tar.gz",
    "all",
)
OK = 200
JVM = ["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData"]
# On a cold server the request after the first 404 was sometimes left unanswered.
WARM_UP = ("/associations/x", "/schemas/ids/1", "/subjects/none/versions")

SETTINGS = {
    "QUARKUS_HTTP_HOST": HOST,
    "QUARKUS_MANAGEMENT_HOST": HOST,
    # As Confluent's; without it everything is compatible.
    "APICURIO_RULES_GLOBAL_COMPATIBILITY": "BACKWARD",
    "APICURIO_DATASOURCE_JDBC_INITIAL_SIZE": "1",
    "APICURIO_DATASOURCE_JDBC_MIN_SIZE": "1",
}


@dataclass(frozen=True)
class Apicurio:
    """A registry that keeps schemas in our PostgreSQL; without one, in memory."""

    home: Path
    port: int
    management_port: int
    say: Say
    postgres: PostgreSQL | None = None
    name: str = field(default="registry", init=False)

    @property
    def title(self) -> str:
        """Its name and version."""
        return f"Apicurio {VERSION}"

    @property
    def address(self) -> str:
        """Where clients find Confluent's API."""
        return f"http://{HOST}:{self.port}{PATH}"

    @cached_property
    def software(self) -> Path:
        """Its unpacked distribution."""
        return unpacked(ARCHIVE, cache() / f"apicurio-{VERSION}", "Registry", self.say)

    def prepare(self) -> None:
        """Fetch it, and create its database, each the first time."""
        self.home.mkdir(parents=True, exist_ok=True)
        assert self.software.is_dir()
        made = self.home / "made"
        if self.postgres and not made.exists():
            self.postgres.create_database(DATABASE)
            made.touch()

    def launch(self) -> Launch:
        """How to start it."""
        jar = str(self.software / "quarkus-run.jar")
        command = [java(JAVA_OLDEST), *JVM, "-jar", jar]
        ports = {
            "QUARKUS_HTTP_PORT": str(self.port),
            "QUARKUS_MANAGEMENT_PORT": str(self.management_port),
        }
        return Launch(command, self.home, {**SETTINGS, **ports, **self._storage()})

    def _storage(self) -> dict[str, str]:
        """Where it keeps schemas."""
        if self.postgres is None:
            return {}
        return {
            "APICURIO_STORAGE_KIND": "sql",
            "APICURIO_STORAGE_SQL_KIND": "postgresql",
            "APICURIO_DATASOURCE_URL": f"jdbc:postgresql://{HOST}:{self.postgres.port}/{DATABASE}",
            "APICURIO_DATASOURCE_USERNAME": SUPERUSER,
            # PostgreSQL trusts this machine; the driver wants one all the same.
            "APICURIO_DATASOURCE_PASSWORD": "none",
        }

    def answers(self) -> bool:
        """Whether it lists its subjects."""
        try:
            return self._get("/subjects") == OK
        except (OSError, http.client.HTTPException):
            return False

    def settle(self) -> None:
        """Ask once for what is not there."""
        for path in WARM_UP:
            with suppress(OSError, http.client.HTTPException):
                self._get(path)

    def _get(self, path: str) -> int:
        """The status of a GET request."""
        connection = http.client.HTTPConnection(HOST, self.port, timeout=REQUEST_TIMEOUT_S)
        try:
            connection.request("GET", PATH + path)
            return connection.getresponse().status
        finally:
            connection.close()
