"""The HTTP server, by real requests."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from mainstem.errors import ConfigurationError
from mainstem.telemetry.health import Health, Vital
from mainstem.telemetry.server import TelemetryServer, pages

TIMEOUT_S = 5.0
HERE = "127.0.0.1"


@pytest.fixture
def vital() -> Vital:
    """A part that nothing was heard of yet."""
    return Vital("part", "word", 60.0)


@pytest.fixture
def server(vital: Vital) -> Iterator[TelemetryServer]:
    """A server of one part, with a text in the place of metrics."""
    health = Health([vital], lambda: False)
    with TelemetryServer(HERE, 0, pages(health, lambda accept: (b"figures", accept))) as server:
        yield server


def asked(
    server: TelemetryServer, path: str, method: str = "GET", accept: str = "text/plain"
) -> tuple[int, str, bytes]:
    """Status, content type and body of one answer."""
    connection = HTTPConnection(HERE, server.port, timeout=TIMEOUT_S)
    try:
        connection.request(method, path, headers={"Accept": accept})
        answer = connection.getresponse()
        return answer.status, answer.headers["Content-Type"], answer.read()
    finally:
        connection.close()


def test_readiness_follows_the_part(server: TelemetryServer, vital: Vital) -> None:
    """503 with the reason before the first sign of life, 200 after it."""
    before = asked(server, "/health/ready")
    vital.alive()
    after = asked(server, "/health/ready")

    assert before[:2] == (503, "application/json")
    assert json.loads(before[2])["parts"]["part"]["why"] == "no word yet"
    assert (after[0], json.loads(after[2])["ready"]) == (200, True)


def test_a_process_that_is_not_ready_lives(server: TelemetryServer) -> None:
    """Who is not ready is not restarted for it."""
    assert asked(server, "/health/live")[0] == 200


def test_metrics_are_given_in_the_form_that_is_asked_for(server: TelemetryServer) -> None:
    """The Accept header reaches the one who writes them; a query is nobody's concern."""
    assert asked(server, "/metrics?x=1", accept="text/x") == (200, "text/x", b"figures")


def test_head_tells_without_a_body(server: TelemetryServer) -> None:
    """Monitors that only ask whether a page is there."""
    assert asked(server, "/health/live", "HEAD") == (200, "application/json", b"")


def test_any_other_path_is_told_which_ones_there_are(server: TelemetryServer) -> None:
    """404, with the pages."""
    status, _type, body = asked(server, "/")

    assert status == 404
    assert json.loads(body)["pages"] == ["/health/live", "/health/ready", "/metrics"]


def test_a_client_that_says_nothing_holds_up_nobody(server: TelemetryServer) -> None:
    """One connection is open and silent, another is answered."""
    with socket.create_connection((HERE, server.port), TIMEOUT_S):
        status = asked(server, "/health/live")[0]

    assert status == 200


def test_a_port_that_is_taken_is_named(server: TelemetryServer) -> None:
    """The error has the address and the option."""
    with pytest.raises(ConfigurationError, match=f"{HERE}:{server.port}") as caught:
        TelemetryServer(HERE, server.port, {})

    assert "--metrics-port" in caught.value.hint


def test_closing_twice_does_no_harm(server: TelemetryServer) -> None:
    """The fixture closes it once more; nobody listens afterwards."""
    server.close()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HERE, server.port), TIMEOUT_S)
