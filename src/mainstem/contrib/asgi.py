"""Read your writes as ASGI middleware: for FastAPI, Starlette and whatever else speaks ASGI."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, Protocol, TypeAlias

from mainstem.contrib.read_your_writes import (
    HEADER,
    STALE,
    STALE_HEADER,
    TIMEOUT_S,
    UNAVAILABLE_STATUS,
    UNAVAILABLE_TEXT,
    Passage,
    Written,
    may_have_saved,
    remember,
    remembering,
)
from mainstem.errors import MainstemError
from mainstem.postgres.tokens import Token

__all__ = ["ReadYourWrites", "remember"]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]

ENCODING: Final = "latin-1"
"""Of headers, as HTTP has it."""


class TakesTokens(Protocol):
    """What the middleware needs of a store: an AsyncPostgresEventStore."""

    async def token(self) -> Token:
        """A place behind everything that was committed."""


class Waits(Protocol):
    """What the middleware needs of a waiter: an AsyncProjectionWaiter."""

    async def wait_for(self, token: Token, *, timeout: float) -> None:
        """Return once the token is reached; a MainstemError where it is not."""


class ReadYourWrites:
    """Whoever wrote sees it in the projections with their next request.

    An answer to a request that is no GET, HEAD, OPTIONS or TRACE and did not fail carries a token
    in its header; a handler may `remember` one of its own. A request that carries a token waits
    until the projections are past it. Where they are not within `timeout_s`, or cannot be asked,
    the request is served all the same and its answer says `Mainstem-Stale: 1`; with
    `refuses_stale` the answer is 503 instead. `cookie` names a cookie for browsers, besides.

    The token is taken as the answer begins: what a handler saves has to be committed by then.
    """

    def __init__(  # noqa: PLR0913  # Options of a middleware are given by name, in one call.
        self,
        app: App,
        store: TakesTokens,
        waiter: Waits,
        *,
        header: str = HEADER,
        cookie: str | None = None,
        timeout_s: float = TIMEOUT_S,
        refuses_stale: bool = False,
    ) -> None:
        """Serve this application; store and waiter are opened and closed by who made them."""
        self._app = app
        self._store = store
        self._waiter = waiter
        self._passage = Passage(
            header=header, cookie=cookie, timeout_s=timeout_s, refuses_stale=refuses_stale
        )

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a request; what is no HTTP passes by."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        stale = not await self._caught_up(scope)
        if stale and self._passage.refuses_stale:
            await unavailable(send)
            return
        with remembering() as written:
            await self._app(scope, receive, self._telling(scope["method"], written, send, stale))

    async def _caught_up(self, scope: Message) -> bool:
        """Wait for the token that the request carries; False where that was in vain."""
        header = header_of(scope, self._passage.header)
        token = self._passage.token_in(header, header_of(scope, "cookie"))
        if token is None:
            return True
        try:
            await self._waiter.wait_for(token, timeout=self._passage.timeout_s)
        except MainstemError:
            return False
        return True

    def _telling(self, method: str, written: Written, send: Send, stale: bool) -> Send:  # noqa: FBT001  # One of four that are always given.
        """What sends the answer, with the headers that belong to it."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                fresh = await self._remembered(method, message["status"], written)
                message = {**message, "headers": [*message.get("headers", ())]}
                message["headers"] += self._headers(written.token)
                if stale or not fresh:
                    message["headers"].append(pair(STALE_HEADER, STALE))
            await send(message)

        return sending

    async def _remembered(self, method: str, status: int, written: Written) -> bool:
        """Take a token where the answer needs one; False where that failed.

        The write is done all the same, so the answer must not fail with it.
        """
        if written.token is None and may_have_saved(method, status):
            try:
                written.token = await self._store.token()
            except MainstemError:
                return False
        return True

    def _headers(self, token: Token | None) -> list[tuple[bytes, bytes]]:
        """The headers that carry the token."""
        if token is None:
            return []
        cookie = self._passage.cookie_of(token)
        headers = [pair(self._passage.header, str(token))]
        return [*headers, pair("Set-Cookie", cookie)] if cookie else headers


async def unavailable(send: Send) -> None:
    """Answer that the projections are late."""
    body = UNAVAILABLE_TEXT.encode()
    headers = [
        pair("Content-Type", "text/plain; charset=utf-8"),
        pair("Content-Length", str(len(body))),
        pair("Retry-After", "1"),
        pair(STALE_HEADER, STALE),
    ]
    await send({"type": "http.response.start", "status": UNAVAILABLE_STATUS, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def header_of(scope: Message, name: str) -> str | None:
    """The value of a request's header, several of them joined as HTTP allows for cookies."""
    wanted = name.lower().encode(ENCODING)
    values = [value.decode(ENCODING) for key, value in scope["headers"] if key.lower() == wanted]
    return "; ".join(values) or None


def pair(name: str, value: str) -> tuple[bytes, bytes]:
    """A header as ASGI has it: names in lower case."""
    return name.lower().encode(ENCODING), value.encode(ENCODING)
