"""The HTTP server of metrics and health: three pages, read only, in threads of its own."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from typing import Any, Final, NamedTuple, Self, TypeAlias

from mainstem.errors import ConfigurationError
from mainstem.telemetry.health import Health

METRICS: Final = "/metrics"
LIVE: Final = "/health/live"
READY: Final = "/health/ready"
CLIENT_TIMEOUT_S: Final = 5.0
"""A client that is silent for so long is cut off."""
NOTICE_S: Final = 0.05
"""How soon the server notices that it is to end."""


class Answer(NamedTuple):
    """What a page says."""

    status: HTTPStatus
    content_type: str
    body: bytes


Page: TypeAlias = Callable[[str], Answer]
"""The answer to a request that accepts these content types."""


class TelemetryServer:
    """Answers until it is closed; ConfigurationError where the address cannot be had."""

    def __init__(self, host: str, port: int, pages: Mapping[str, Page]) -> None:
        """Listen, and answer from now on; port 0 takes a free one."""
        try:
            self._server = Listener((host, port), dict(pages))
        except OSError as error:
            raise ConfigurationError(
                f"metrics cannot be served at {host}:{port}: {error.strerror or error}",
                hint="give --metrics-port or --metrics-host another one",
            ) from error
        self.port = int(self._server.server_address[1])
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{self.port}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(NOTICE_S,), name="telemetry", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        """The server itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Stop listening; twice is fine."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Listener(ThreadingHTTPServer):
    """The socket, and a thread for each request; a slow client holds up nobody else."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], pages: Mapping[str, Page]) -> None:
        """Listen there."""
        self.pages = pages
        self.address_family = AF_INET6 if ":" in address[0] else AF_INET
        super().__init__(address, Request)

    def server_bind(self) -> None:
        """Bind without asking a name server what the host is called, as the library would."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = "mainstem", int(self.server_address[1])

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nobody's concern."""


class Request(BaseHTTPRequestHandler):
    """One request."""

    server: Listener
    timeout = CLIENT_TIMEOUT_S
    server_version = "mainstem"
    sys_version = ""

    def do_GET(self) -> None:
        """Answer with the page."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer without the page's body."""
        self._answer(with_body=False)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # The library's name.
        """Say nothing: a scrape every few seconds is no news."""

    def _answer(self, *, with_body: bool) -> None:
        page = self.server.pages.get(self.path.partition("?")[0])
        answer = page(self.headers.get("Accept", "")) if page else nothing_here(self.server.pages)
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if with_body:
            self.wfile.write(answer.body)


def pages(health: Health, metrics: Callable[[str], tuple[bytes, str]]) -> dict[str, Page]:
    """The three pages: figures, whether the process answers, and whether work flows."""

    def figures(accept: str) -> Answer:
        body, content_type = metrics(accept)
        return Answer(HTTPStatus.OK, content_type, body)

    def live(_accept: str) -> Answer:
        return in_json(HTTPStatus.OK, {"live": True})

    def ready(_accept: str) -> Answer:
        found = health.readiness()
        status = HTTPStatus.OK if found["ready"] else HTTPStatus.SERVICE_UNAVAILABLE
        return in_json(status, found)

    return {METRICS: figures, LIVE: live, READY: ready}


def nothing_here(known: Mapping[str, Page]) -> Answer:
    """The answer for any other path."""
    return in_json(HTTPStatus.NOT_FOUND, {"pages": sorted(known)})


def in_json(status: HTTPStatus, value: Mapping[str, Any]) -> Answer:
    """A JSON object on one line."""
    body = json.dumps(value, ensure_ascii=False) + "\n"
    return Answer(status, "application/json", body.encode())
