"""A registry behind Confluent's REST API: Confluent's, Apicurio's (/apis/ccompat/v7) and others.

Only what an event store needs of it, on the standard library. Every request has a time limit: a
registry that accepts a connection and never answers was seen; without a limit one waits for ever.
"""

from __future__ import annotations

import base64
import http.client
import json
from typing import Any
from urllib import error, parse, request

from mainstem.errors import ConfigurationError, RegistryRejected, SchemaNotFound, ServerUnavailable
from mainstem.registry.registry import RegisteredSchema

CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
RESPONSE_BYTES_MAX = 1_048_576
NOT_FOUND, CONFLICT, UNPROCESSABLE, SERVER_ERRORS = 404, 409, 422, 500
NO_SCHEMA_CODES = frozenset({40401, 40402, 40403})
"""No such subject, version, or schema; any other 404 means that the address is wrong."""


class ConfluentRegistry:
    """Keeps schemas in a registry that speaks Confluent's REST API.

    Credentials in the URL are sent as HTTP Basic and never shown.
    """

    def __init__(self, url: str, *, timeout_s: float = 10.0) -> None:
        """Check the URL; nothing is sent before the first call."""
        parts = parse.urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigurationError(
                "the schema registry's URL must begin with http:// or https://"
            )
        host = parts.netloc.rpartition("@")[2]
        self._url = f"{parts.scheme}://{host}{parts.path}".rstrip("/")
        self._headers = {"Accept": CONTENT_TYPE, "Content-Type": CONTENT_TYPE}
        if parts.username is not None:
            user, password = parse.unquote(parts.username), parse.unquote(parts.password or "")
            token = base64.b64encode(f"{user}:{password}".encode()).decode()
            self._headers["Authorization"] = f"Basic {token}"
        self._timeout_s = timeout_s
        self._opener = request.build_opener(SameHost)

    def register(self, subject: str, schema_text: str) -> int:
        """As Registry.register."""
        answer = self._call(f"/subjects/{quoted(subject)}/versions", {"schema": schema_text})
        return int(self._field(answer, "id"))

    def by_id(self, schema_id: int) -> str:
        """As Registry.by_id."""
        answer = self._call(f"/schemas/ids/{schema_id}")
        if answer is None:
            raise SchemaNotFound(f"the registry at {self._url} has no schema with id {schema_id}")
        return str(self._field(answer, "schema"))

    def lookup(self, subject: str, schema_text: str) -> int | None:
        """As Registry.lookup."""
        answer = self._call(f"/subjects/{quoted(subject)}", {"schema": schema_text})
        return None if answer is None else int(self._field(answer, "id"))

    def latest(self, subject: str) -> RegisteredSchema | None:
        """As Registry.latest."""
        answer = self._call(f"/subjects/{quoted(subject)}/versions/latest")
        if answer is None:
            return None
        version, schema_id, text = (
            self._field(answer, name) for name in ("version", "id", "schema")
        )
        return RegisteredSchema(subject, int(version), int(schema_id), str(text))

    def close(self) -> None:
        """Nothing is held between calls."""

    def _call(self, path: str, body: dict[str, str] | None = None) -> Any:
        """The answer's JSON; None where the registry knows no such thing."""
        data = None if body is None else json.dumps(body).encode()
        asked = request.Request(self._url + path, data, self._headers)  # noqa: S310 - http(s), checked
        try:
            with self._opener.open(asked, timeout=self._timeout_s) as answer:
                return self._json(answer.read(RESPONSE_BYTES_MAX + 1))
        except error.HTTPError as failed:
            with failed:
                return self._refused(failed.code, failed.read(RESPONSE_BYTES_MAX), path)
        except (OSError, http.client.HTTPException) as failed:
            raise ServerUnavailable(
                f"the schema registry at {self._url} did not answer: {type(failed).__name__}"
            ) from failed

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

    def _field(self, answer: Any, name: str) -> Any:
        """A field of the answer."""
        if not isinstance(answer, dict) or name not in answer:
            raise ServerUnavailable(f"the registry at {self._url} answered without {name!r}")
        return answer[name]

    def _refused(self, status: int, data: bytes, path: str) -> None:
        """Our error for an answer that is no success; returns where nothing was found."""
        try:
            answer = json.loads(data)
            code, message = answer["error_code"], str(answer["message"])[:500]
        except (ValueError, KeyError, TypeError, RecursionError):
            code, message = status, "no explanation"
        if status == NOT_FOUND and code in NO_SCHEMA_CODES:
            return
        said = f"the schema registry answered {status} ({code}) to {path}: {message}"
        if status >= SERVER_ERRORS:
            raise ServerUnavailable(said)
        if status in {CONFLICT, UNPROCESSABLE}:
            raise RegistryRejected(said, hint="make the schema compatible with its last version")
        raise RegistryRejected(said, hint="check the registry's URL and credentials")


class SameHost(request.HTTPRedirectHandler):
    """Follows redirects within the host: credentials and schemas go nowhere else."""

    def redirect_request(self, req: request.Request, *details: Any) -> request.Request | None:
        """The next request, or an error for another host; the new URL is the last detail."""
        if parse.urlsplit(details[-1]).netloc != parse.urlsplit(req.full_url).netloc:
            raise RegistryRejected(
                "the schema registry redirects to another host; this is not followed"
            )
        return super().redirect_request(req, *details)


def quoted(subject: str) -> str:
    """The subject as one step of a path."""
    return parse.quote(subject, safe="")
