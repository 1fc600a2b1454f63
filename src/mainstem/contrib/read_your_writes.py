"""Read your writes over HTTP: how a token travels with answers and requests; no framework.

The answer to a request that saved events carries a token. The client sends it with its later
requests, and those wait until the projections are past it. A header suits programs; a cookie suits
browsers, which follow a redirect after a form without asking any program.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Final

from mainstem.errors import ConfigurationError, DecodeError
from mainstem.postgres.tokens import Token

HEADER: Final = "Mainstem-Token"
STALE_HEADER: Final = "Mainstem-Stale"
"""The answer may be older than the client's own writes, or its token could not be taken."""
STALE: Final = "1"
TIMEOUT_S: Final = 2.0
COOKIE_AGE_MAX_S: Final = 60
"""A projection that is later than this is no matter of one client any more."""
SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
FAILED_STATUS_MIN: Final = 400
UNAVAILABLE_STATUS: Final = 503
UNAVAILABLE_TEXT: Final = "What you wrote is not visible here yet; try again in a moment.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """How tokens travel, and what becomes of a request that waited in vain."""

    header: str = HEADER
    cookie: str | None = None
    """Name of a cookie that carries the token besides."""
    timeout_s: float = TIMEOUT_S
    refuses_stale: bool = False
    """Answer 503 where the projections are late, instead of an answer that is marked as stale."""

    def __post_init__(self) -> None:
        """Refuse a time that nobody could wait."""
        if self.timeout_s < 0:
            raise ConfigurationError(f"timeout_s must not be negative, it is {self.timeout_s}")

    def token_in(self, header: str | None, cookies: str | None) -> Token | None:
        """The newest token that a request carries. What is none is of no concern: ignored."""
        texts = [header] if header else []
        if self.cookie and cookies:
            texts += cookie_values(cookies, self.cookie)
        return max((token for text in texts if (token := parsed(text))), default=None)

    def cookie_of(self, token: Token) -> str | None:
        """The value of a Set-Cookie header for the token, if it travels in a cookie."""
        if self.cookie is None:
            return None
        return f"{self.cookie}={token}; Max-Age={COOKIE_AGE_MAX_S}; Path=/; HttpOnly; SameSite=Lax"


class Written:
    """What one request saved, as far as somebody remembered it."""

    __slots__ = ("token",)

    def __init__(self) -> None:
        """Nothing yet."""
        self.token: Token | None = None


WRITTEN: ContextVar[Written | None] = ContextVar("mainstem.written", default=None)
"""Of the request at hand: one object for all tasks and threads that serve it."""


def remember(token: Token) -> None:
    """Let the answer to the request at hand carry the token, or a newer one if there is one.

    For handlers that save events in a GET, or that take a token in any case. Outside of a request
    that a middleware of ours sees, nothing happens.
    """
    written = WRITTEN.get()
    if written is not None and (written.token is None or written.token < token):
        written.token = token


@contextmanager
def remembering() -> Iterator[Written]:
    """A request, for the block: `remember` reaches what this gives."""
    written = Written()
    before = WRITTEN.set(written)
    try:
        yield written
    finally:
        WRITTEN.reset(before)


def may_have_saved(method: str, status: int) -> bool:
    """Whether the answer needs a token, though no handler remembered one."""
    return method not in SAFE_METHODS and status < FAILED_STATUS_MIN


def parsed(text: str) -> Token | None:
    """The token, or None for a text that is none."""
    try:
        return Token.parse(text.strip())
    except DecodeError:
        return None


def cookie_values(header: str, name: str) -> list[str]:
    """The value of the cookie; none for a header that cannot be read."""
    try:
        morsel = SimpleCookie(header).get(name)
    except CookieError:
        return []
    return [morsel.value] if morsel else []
