"""A registry behind Confluent's REST API: Confluent's, Apicurio's (/apis/ccompat/v7) and others.

Only what an event store needs of it, on the standard library. Every request has a time limit: a
registry that accepts a connection and never answers was seen; without a limit one waits for ever.
"""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any, TypeVar
from urllib import error, parse, request

from mainstem.errors import ConfigurationError, RegistryRejected, SchemaNotFound, ServerUnavailable
from mainstem.registry.registry import RegisteredSchema

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
RESPONSE_BYTES_MAX = 1_048_576
EXPLANATION_LETTERS_MAX = 500
URL_FORM = "must be of the form http://host:port/path, or https"
REDIRECTS, NOT_FOUND, CONFLICT, UNPROCESSABLE, SERVER_ERRORS = 300, 404, 409, 422, 500
BUSY = frozenset({408, 425, 429})
"""The same request may succeed later."""
NO_SCHEMA_CODES = frozenset({40401, 40402, 40403})
"""No such subject, version, or schema; any other 404 means that the address is wrong."""

T = TypeVar("T")


class ConfluentRegistry:
    """Keeps schemas in a registry that speaks Confluent's REST API.

    Credentials in the URL are sent as HTTP Basic and never shown.
    """

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        """Check the URL; nothing is sent before the first call."""
        self._url, credentials = address(url)
        self._headers = {"Accept": CONTENT_TYPE, "Content-Type": CONTENT_TYPE}
        if credentials is not None:
            token = base64.b64encode(credentials.encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"
        self._timeout_s = timeout_s
        self._opener = request.build_opener(SameHost)

    def register(self, subject: str, schema_text: str) -> int:
        """As Registry.register."""
        answer = self._call(f"/subjects/{quoted(subject)}/versions", {"schema": schema_text})
        return self._field(answer, "id", int)

    def by_id(self, schema_id: int) -> str:
        """As Registry.by_id."""
        answer = self._call(f"/schemas/ids/{schema_id}")
        if answer is None:
            raise SchemaNotFound(f"the registry at {self._url} has no schema with id {schema_id}")
        return self._field(answer, "schema", str)

    def lookup(self, subject: str, schema_text: str) -> int | None:
        """As Registry.lookup."""
        answer = self._call(f"/subjects/{quoted(subject)}", {"schema": schema_text})
        return None if answer is None else self._field(answer, "id", int)

    def latest(self, subject: str) -> RegisteredSchema | None:
        """As Registry.latest."""
        answer = self._call(f"/subjects/{quoted(subject)}/versions/latest")
        if answer is None:
            return None
        return RegisteredSchema(
            subject,
            self._field(answer, "version", int),
            self._field(answer, "id", int),
            self._field(answer, "schema", str),
        )

    def close(self) -> None:
        """Nothing is held between calls."""

    def _call(self, path: str, body: dict[str, str] | None = None) -> Any:
        """The answer's JSON; None where the registry knows no such thing."""
        data = None if body is None else json.dumps(body).encode()
        asked = request.Request(self._url + path, data, self._headers)  # noqa: S310 - http(s), checked
        try:
            status, answer = self._exchange(asked)
        except (OSError, http.client.HTTPException, ValueError) as failed:
            # A ValueError comes of an answer that urllib cannot parse, as a redirect to nonsense.
            raise ServerUnavailable(
                f"the schema registry at {self._url} did not answer: {type(failed).__name__}"
            ) from failed
        return self._json(answer) if status < REDIRECTS else self._refused(status, answer, path)

    def _exchange(self, asked: request.Request) -> tuple[int, bytes]:
        """Status and body of the answer, of a refusal too."""
        try:
            answer = self._opener.open(asked, timeout=self._timeout_s)
        except error.HTTPError as refusal:
            answer = refusal
        with answer:
            return answer.status, answer.read(RESPONSE_BYTES_MAX + 1)

    def _json(self, data: bytes) -> Any:
        """The parsed answer."""
        if len(data) > RESPONSE_BYTES_MAX:
            raise RegistryRejected(
                f"the schema registry's answer is larger than {RESPONSE_BYTES_MAX} bytes"
            )
        try:
            return json.loads(data)
        except (ValueError, RecursionError) as failed:
            raise ServerUnavailable(
                f"what answers at {self._url} is no schema registry: its answer is not JSON"
            ) from failed

    def _field(self, answer: Any, name: str, kind: type[T]) -> T:
        """A field of the answer, of the kind that it must be."""
        value = answer.get(name) if isinstance(answer, dict) else None
        if not isinstance(value, kind):
            raise ServerUnavailable(
                f"the registry at {self._url} answered without a right {name!r}"
            )
        return value

    def _refused(self, status: int, data: bytes, path: str) -> None:
        """Our error for an answer that is no success; returns where nothing was found."""
        code, message = explanation(status, data)
        if status == NOT_FOUND and code in NO_SCHEMA_CODES:
            return
        said = f"the schema registry answered {status} ({code}) to {path}: {message}"
        if status >= SERVER_ERRORS or status in BUSY:
            raise ServerUnavailable(said)
        if status in {CONFLICT, UNPROCESSABLE}:
            raise RegistryRejected(said, hint="make the schema compatible with its last version")
        raise RegistryRejected(said, hint="check the registry's URL and credentials")


class SameHost(request.HTTPRedirectHandler):
    """Follows redirects within the host: credentials and schemas go nowhere else, nor in clear."""

    def redirect_request(self, req: request.Request, *details: Any) -> request.Request | None:
        """The next request, or an error for another host; the new URL is the last detail."""
        if parse.urlsplit(details[-1])[:2] != parse.urlsplit(req.full_url)[:2]:
            raise RegistryRejected(
                "the schema registry redirects to another host or protocol; this is not followed",
                hint="give the URL that it redirects to",
            )
        return super().redirect_request(req, *details)


def quoted(subject: str) -> str:
    """The subject as one step of a path."""
    return parse.quote(subject, safe="")


def address(url: str) -> tuple[str, str | None]:
    """The URL without its credentials, and these as `user:password`; ConfigurationError.

    No message quotes the URL: in one that is wrong nobody can tell which part is the password.
    """
    try:
        parts = parse.urlsplit(url)
        host = (parts.hostname or "").encode("idna")
        readable = parts.path.isascii() and parts.port != 0
    except ValueError:
        # Not chained, for urllib quotes the URL.
        raise ConfigurationError(f"the schema registry's URL {URL_FORM}") from None
    if parts.scheme not in {"http", "https"} or not host or not readable:
        raise ConfigurationError(f"the schema registry's URL {URL_FORM}")
    if "@" in parts.path + parts.query + parts.fragment:
        raise ConfigurationError(
            f"the schema registry's URL {URL_FORM}, without an @ after the host",
            hint="write / ? # @ in a user name or password as %2F %3F %23 %40",
        )
    plain = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}".rstrip("/")
    if parts.username is None:
        return plain, None
    return plain, f"{parse.unquote(parts.username)}:{parse.unquote(parts.password or '')}"


def explanation(status: int, data: bytes) -> tuple[int, str]:
    """The error code and the message in an answer, as far as it has them; on one line."""
    try:
        answer = json.loads(data)
    except (ValueError, RecursionError):
        answer = None
    code = answer.get("error_code") if isinstance(answer, dict) else None
    if not isinstance(code, int):
        return status, "no explanation"
    return code, " ".join(str(answer.get("message")).split())[:EXPLANATION_LETTERS_MAX]
