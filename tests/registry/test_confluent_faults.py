"""Registries that misbehave: each becomes an error of ours, in time, without the password."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib import request

import pytest

from mainstem.errors import ConfigurationError, RegistryRejected, SchemaNotFound, ServerUnavailable
from mainstem.registry.confluent import RESPONSE_BYTES_MAX, ConfluentRegistry, SameHost

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server(ThreadingHTTPServer):
    """A web server that answers as a test tells it."""

    daemon_threads = True
    answer: Answer
    released: threading.Event


class Handler(BaseHTTPRequestHandler):
    """Gives every request to the test's answer."""

    server: Server

    def do_GET(self) -> None:
        """Answer."""
        self.server.answer(self)

    def do_POST(self) -> None:
        """Read what was sent, and answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.answer(self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Stay silent."""


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on a free port; whoever waits for `released` goes on at the end."""
    with Server(("127.0.0.1", 0), Handler) as made:
        made.released = threading.Event()
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.released.set()
        made.shutdown()
        thread.join()


def client(server: Server, credentials: str = "", timeout_s: float = 5.0) -> ConfluentRegistry:
    """A registry that asks this server."""
    url = f"http://{credentials}127.0.0.1:{server.server_port}/api"
    return ConfluentRegistry(url, timeout_s=timeout_s)


def answering(status: int, body: bytes, **headers: str) -> Answer:
    """Always this answer."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (200, b"<html>", ServerUnavailable),
        (200, b"[]", ServerUnavailable),
        (200, b"{}", ServerUnavailable),
        (200, b'{"schema": null}', ServerUnavailable),
        (200, b'{"schema": 1}', ServerUnavailable),
        (200, b"[" * 100_000, ServerUnavailable),
        (200, b"\xff", ServerUnavailable),
        (200, b" " * (RESPONSE_BYTES_MAX + 1), RegistryRejected),
        (401, b'{"error_code": 401, "message": "Unauthorized"}', RegistryRejected),
        (404, b"Not Found", RegistryRejected),
        (404, b'{"error_code": [], "message": "Schema not found"}', RegistryRejected),
        (404, b'{"error_code": 40403, "message": "Schema not found"}', SchemaNotFound),
        (422, b'{"error_code": 42201, "message": "Invalid schema"}', RegistryRejected),
        (429, b"", ServerUnavailable),
        (500, b'{"error_code": 50001, "message": "Store down"}', ServerUnavailable),
        (503, b"", ServerUnavailable),
    ],
)
def test_a_bad_answer_is_an_error_of_ours(
    server: Server, status: int, body: bytes, error: type[Exception]
) -> None:
    """Answer so, and ask for a schema."""
    server.answer = answering(status, body)

    with pytest.raises(error):
        client(server).by_id(1)


def test_a_server_that_never_answers_is_given_up(server: Server) -> None:
    """Accept the request and stay silent, as Apicurio was seen to do."""

    def wait(_handler: BaseHTTPRequestHandler) -> None:
        server.released.wait(30)

    server.answer = wait

    with pytest.raises(ServerUnavailable, match="did not answer"):
        client(server, timeout_s=0.2).by_id(1)


@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_that_stops_halfway_is_given_up(server: Server, status: int) -> None:
    """Send the head and a part of the body, then stay silent."""

    def half(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", "100")
        handler.end_headers()
        handler.wfile.write(b"{")
        server.released.wait(30)

    server.answer = half

    with pytest.raises(ServerUnavailable, match="did not answer"):
        client(server, timeout_s=0.2).by_id(1)


@pytest.mark.parametrize("answer", ['{"id": null}', '{"id": "a"}', "7"])
def test_an_id_that_is_no_number_is_an_error_of_ours(server: Server, answer: str) -> None:
    """Answer a registration so."""
    server.answer = answering(200, answer.encode())

    with pytest.raises(ServerUnavailable, match="'id'"):
        client(server).register("com.example.R", '"int"')


def test_a_redirect_to_nonsense_is_an_error_of_ours(server: Server) -> None:
    """Redirect to what is no URL."""
    server.answer = answering(302, b"", Location="http://[")

    with pytest.raises(ServerUnavailable, match="did not answer"):
        client(server).by_id(1)


def test_a_redirect_out_of_tls_is_not_followed() -> None:
    """Hand the handler one from https to http of the same host: the password would go in clear."""
    asked = request.Request("https://registry.invalid/a")

    with pytest.raises(RegistryRejected, match="protocol"):
        SameHost().redirect_request(asked, None, 302, "", {}, "http://registry.invalid/a")


def test_a_redirect_to_another_host_is_not_followed(server: Server) -> None:
    """Redirect to a name: credentials must not go there."""
    server.answer = answering(302, b"", Location="http://elsewhere.invalid/api")

    with pytest.raises(RegistryRejected, match="another host"):
        client(server, "user:secret@").by_id(1)


def test_a_redirect_within_the_host_is_followed(server: Server) -> None:
    """Redirect once to another path."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        if handler.path.startswith("/moved"):
            answering(200, b'{"schema": "\\"int\\""}')(handler)
        else:
            answering(302, b"", Location="/moved")(handler)

    server.answer = answer

    assert client(server).by_id(1) == '"int"'


def test_credentials_are_sent_and_never_shown(server: Server) -> None:
    """Refuse with 403; the server saw the header, the message shows no password."""
    seen: list[str | None] = []

    def answer(handler: BaseHTTPRequestHandler) -> None:
        seen.append(handler.headers["Authorization"])
        answering(403, b"{}")(handler)

    server.answer = answer

    with pytest.raises(RegistryRejected) as caught:
        client(server, "user:s%40cret@").by_id(1)

    assert seen == ["Basic dXNlcjpzQGNyZXQ="]
    assert "cret" not in str(caught.value)


def test_a_server_away_is_unavailable() -> None:
    """Ask where nobody listens."""
    with pytest.raises(ServerUnavailable) as caught:
        ConfluentRegistry("http://user:secret@127.0.0.1:1/api").by_id(1)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "registry:8081",
        "file:///etc/passwd",
        "http://",
        "ftp://x",
        "http://a..b/",
        "http://host:port/",
        "http://host:0/",
        "http://host/größe",
    ],
)
def test_a_url_that_cannot_be_is_refused(url: str) -> None:
    """Build with it; nothing is sent."""
    with pytest.raises(ConfigurationError, match="http"):
        ConfluentRegistry(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@[::1/",
        "http://user:sec/secret@host/",
        "http://user:12/secret@host/",
        "http://user:12#secret@host/",
        "http://user:12?secret@host/",
        "http://user:secret@\u2100/",
    ],
)
def test_a_password_that_breaks_the_url_is_not_shown(url: str) -> None:
    """Use passwords that hold what parts a URL; no message and no traceback quotes them."""
    with pytest.raises(ConfigurationError) as caught:
        ConfluentRegistry(url)

    shown = "".join(traceback.format_exception(caught.value))
    assert "secret" not in f"{shown} {caught.value.hint}"
    assert "secret" not in repr(ConfluentRegistry("http://user:secret@host/"))
