"""Read your writes as Django middleware: derive from it, and say what to wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, ClassVar

from django.db.backends.base.base import NO_DB_ALIAS
from django.db.backends.signals import connection_created
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from mainstem.contrib.django import settings
from mainstem.contrib.django.database import conninfo
from mainstem.contrib.django.store import event_store
from mainstem.contrib.read_your_writes import (
    COOKIE_AGE_MAX_S,
    STALE,
    STALE_HEADER,
    UNAVAILABLE_STATUS,
    UNAVAILABLE_TEXT,
    Passage,
    Written,
    may_have_saved,
    remember,
    remembering,
)
from mainstem.errors import ConfigurationError, MainstemError
from mainstem.kafka.settings import KafkaSettings
from mainstem.projection.definition import Projection
from mainstem.projection.waiting import ProjectionWaiter

__all__ = ["ReadYourWrites", "remember"]


class ReadYourWrites:
    """Whoever wrote sees it in `projections` with their next request.

    As `mainstem.contrib.asgi.ReadYourWrites`, for the database that MAINSTEM names: the token is
    taken after the view, so its blocks of `transaction.atomic`, that of ATOMIC_REQUESTS too, are
    committed. Browsers carry it in a cookie, programs in the header.
    """

    projections: ClassVar[tuple[type[Projection] | Projection, ...]] = ()
    kafka: ClassVar[str | KafkaSettings] = ""
    """The address of Kafka, as of `mainstem project`."""
    line: ClassVar[str] = "main"
    passage: ClassVar[Passage] = Passage(cookie="mainstem_token")

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Serve by this; ConfigurationError where the class does not say what to wait for."""
        if not self.projections or not self.kafka:
            raise ConfigurationError(
                f"{type(self).__name__} says no projections, or no Kafka",
                hint="derive from ReadYourWrites, set `projections` and `kafka`, and name your"
                " class in MIDDLEWARE",
            )
        self._get_response = get_response
        self._lock = threading.Lock()
        self._waiter: ProjectionWaiter | None = None
        connection_created.connect(self._make_way)

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Serve a request."""
        stale = not self._caught_up(request)
        if stale and self.passage.refuses_stale:
            response: HttpResponseBase = HttpResponse(
                UNAVAILABLE_TEXT, status=UNAVAILABLE_STATUS, content_type="text/plain"
            )
            response["Retry-After"] = "1"
        else:
            with remembering() as written:
                response = self._get_response(request)
            stale = not self._told(request.method or "", response, written) or stale
        if stale:
            response[STALE_HEADER] = STALE
        return response

    def _caught_up(self, request: HttpRequest) -> bool:
        """Wait for the token that the request carries; False where that was in vain."""
        cookies = request.headers.get("Cookie")
        token = self.passage.token_in(request.headers.get(self.passage.header), cookies)
        if token is None:
            return True
        try:
            self._opened().wait_for(token, timeout=self.passage.timeout_s)
        except MainstemError:
            return False
        return True

    def _told(self, method: str, response: HttpResponseBase, written: Written) -> bool:
        """Let the response carry a token where it needs one; False where none could be taken."""
        token = written.token
        if token is None and may_have_saved(method, response.status_code):
            try:
                token = event_store().token()
            except MainstemError:
                return False
        if token is not None:
            response[self.passage.header] = str(token)
            if self.passage.cookie is not None:
                response.set_cookie(
                    self.passage.cookie,
                    str(token),
                    max_age=COOKIE_AGE_MAX_S,
                    httponly=True,
                    samesite="Lax",
                )
        return True

    def _opened(self) -> ProjectionWaiter:
        """The waiter of this process; it connects when somebody waits."""
        with self._lock:
            if self._waiter is None:
                address = conninfo(settings.current().database)
                self._waiter = ProjectionWaiter(
                    self.projections, address, self.kafka, line=self.line
                )
            return self._waiter

    def _make_way(self, *, connection: Any, **_: object) -> None:
        """Leave the database where Django is about to drop it: as tests end."""
        if connection.alias == NO_DB_ALIAS:
            with self._lock:
                waiter, self._waiter = self._waiter, None
            if waiter is not None:
                waiter.close()
