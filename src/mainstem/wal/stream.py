"""The replication connection: receive payloads, confirm LSNs; no decisions.

psycopg 3 has no replication API, but lets START_REPLICATION through and gives access to libpq,
which brings TLS, SCRAM and service files. One thread owns the connection at a time: the
replicator's own, and, while that one waits for Kafka, a feedback thread to which it is lent.
"""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple, Self

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mainstem.errors import ConfigurationError, ServerUnavailable
from mainstem.event import parse_lsn
from mainstem.refusals import refusal
from mainstem.wal import statements
from mainstem.wal.protocol import status_update

BACKLOG_MESSAGES = 20
"""More messages than these since the last wait mean a backlog."""
BACKLOG_NAP_S = 0.001
"""Lets the walsender get ahead: without it both sides wake each other for each message."""
RECEIVE_MESSAGES_MAX = 2000
RECEIVE_BYTES_MAX = 4_000_000
ACTIVE_SLOT = "55006"
"""SQLSTATE object_in_use: another connection reads the slot."""


class SystemIdentity(NamedTuple):
    """Which server this is, and where its WAL is."""

    system_id: int
    timeline: int
    flushed_lsn: int
    database: str


class SlotBusy(ServerUnavailable):
    """Another connection reads the slot."""


class ReplicationStream:
    """One slot's stream of changes.

    Every method raises ServerUnavailable when the connection breaks, and none can be used after it.
    """

    def __init__(self, dsn: str, *, sender_timeout_s: float, connect_timeout_s: int = 10) -> None:
        """Connect; the server frees the slot when it hears nothing for `sender_timeout_s`."""
        address = parsed(dsn, sender_timeout_s)
        with connection_errors():
            self._connection = psycopg.connect(
                address,
                replication="database",
                autocommit=True,
                connect_timeout=connect_timeout_s,
                client_encoding="utf8",
                application_name="mainstem",
                options=f"-c wal_sender_timeout={int(sender_timeout_s * 1000)}",
            )
        self._libpq = self._connection.pgconn
        self._poll = select.poll()
        self._poll.register(self._libpq.socket, select.POLLIN)
        self._since_wait = 0
        self._confirmed_lsn = 0
        self._sender_timeout_s = sender_timeout_s
        self._status_at_s = 0.0
        self._owner = threading.Lock()
        self._owner.acquire()
        self._closed = threading.Event()
        self._feedback = threading.Thread(target=self._feed_back, name="feedback", daemon=True)

    @property
    def backend_pid(self) -> int:
        """Process id of the walsender on the server."""
        return self._libpq.backend_pid

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """The connection, which takes plain SQL as well until `start`."""
        return self._connection

    def identify(self) -> SystemIdentity:
        """Ask the server which one it is."""
        result = self._command(statements.IDENTIFY_SYSTEM)
        system_id, timeline, lsn, database = (
            (result.get_value(0, column) or b"").decode() for column in range(4)
        )
        return SystemIdentity(int(system_id), int(timeline), parse_lsn(lsn), database)

    def timeline_history(self, timeline: int) -> str:
        """The server's history file of a timeline: one line for each branch point."""
        result = self._command(statements.timeline_history(timeline))
        return (result.get_value(0, 1) or b"").decode()

    def start(self, slot: str, publication: str) -> Self:
        """Begin to stream; SlotBusy while another connection reads the slot."""
        with connection_errors():
            result = self._libpq.exec_(statements.start_replication(slot, publication))
        if result.status != pq.ExecStatus.COPY_BOTH:
            busy = result.error_field(pq.DiagnosticField.SQLSTATE) == ACTIVE_SLOT.encode()
            raise (SlotBusy if busy else ServerUnavailable)(self._why(result))
        self._libpq.nonblocking = 1
        self._feedback.start()
        return self

    def receive(self, timeout_s: float) -> list[bytes]:
        """The payloads that are there, within bounds; empty when none came in `timeout_s`."""
        with connection_errors():
            payloads = self._available()
            if not payloads and self._since_wait > BACKLOG_MESSAGES:
                time.sleep(BACKLOG_NAP_S)
                self._since_wait = 0
                payloads = self._available()
            if not payloads:
                self._since_wait = 0
                if timeout_s > 0 and self._poll.poll(timeout_s * 1000):
                    payloads = self._available()
        self._since_wait += len(payloads)
        self.keep_alive()
        return payloads

    def confirm(self, flushed_lsn: int) -> None:
        """Tell the server that everything that committed below `flushed_lsn` may go."""
        self._confirmed_lsn = max(self._confirmed_lsn, flushed_lsn)
        self._report()

    def answer(self) -> None:
        """Answer a keepalive that asks for it, confirming nothing new."""
        self._report()

    def keep_alive(self) -> None:
        """Report often enough that the server never takes us for dead."""
        started = self._feedback.is_alive()
        if started and time.monotonic() - self._status_at_s > self._sender_timeout_s / 4:
            self._report()

    @contextmanager
    def lent(self) -> Iterator[None]:
        """While the caller waits for something else, answer the server for it."""
        self._owner.release()
        try:
            yield
        finally:
            self._owner.acquire()

    def close(self) -> None:
        """Leave the slot free at once; safe to call twice."""
        if not self._closed.is_set():
            self._closed.set()
            with suppress(RuntimeError):
                # Free already where a signal came between lending and taking back.
                self._owner.release()
            if self._feedback.is_alive():
                self._feedback.join()
            self._connection.close()

    def __enter__(self) -> Self:
        """Itself; leaving closes the connection."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def _available(self) -> list[bytes]:
        """What libpq has, or can read without waiting."""
        payloads: list[bytes] = []
        size = 0
        get = self._libpq.get_copy_data
        while len(payloads) < RECEIVE_MESSAGES_MAX and size < RECEIVE_BYTES_MAX:
            count, data = get(1)
            if count == 0:
                # libpq takes about 16 kB a time, so ask once more before calling the socket dry.
                self._libpq.consume_input()
                count, data = get(1)
                if count == 0:
                    break
            if count < 0:
                raise ServerUnavailable(self._why(self._libpq.get_result()))
            payloads.append(bytes(data))
            size += count
        return payloads

    def _report(self) -> None:
        """Send the confirmed LSN."""
        with connection_errors():
            self._libpq.put_copy_data(status_update(self._confirmed_lsn, time.time()))
            self._libpq.flush()
        self._status_at_s = time.monotonic()

    def _feed_back(self) -> None:
        """Report at a quarter of the server's patience, whenever the connection is lent."""
        while not self._closed.wait(self._sender_timeout_s / 4):
            if self._owner.acquire(blocking=False):
                try:
                    self.keep_alive()
                except ServerUnavailable:
                    # The owner meets the broken connection itself and reports it.
                    return
                finally:
                    self._owner.release()

    def _command(self, command: bytes) -> pq.abc.PGresult:
        """Run one command of the replication protocol."""
        with connection_errors():
            result = self._libpq.exec_(command)
        if result.status != pq.ExecStatus.TUPLES_OK:
            raise ServerUnavailable(self._why(result))
        return result

    def _why(self, result: pq.abc.PGresult | None) -> str:
        """What the server said, or that it said nothing."""
        said = (result.error_message if result else b"") or self._libpq.error_message
        text = said.decode("utf8", "replace").strip()
        return f"the replication connection failed: {text or 'closed by the server'}"


@contextmanager
def connection_errors() -> Iterator[None]:
    """Map psycopg's errors on this connection to ours."""
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        raise refusal("replication-privilege", f"the server said: {told(error)}") from error
    except psycopg.Error as error:
        raise ServerUnavailable(f"the replication connection failed: {told(error)}") from error


def parsed(dsn: str, patience_s: float) -> str:
    """The address as libpq's text, with a bound on how long a silent server is waited for.

    ConfigurationError where it cannot be an address: libpq's own message would show parts of the
    password, so nothing of it is passed on.
    """
    try:
        fields = conninfo_to_dict(dsn)
    except psycopg.Error:
        fields = None
    if fields is None or "@" in str(fields.get("host") or ""):
        raise ConfigurationError(
            "the database address cannot be read",
            hint="postgresql://user:password@host:port/database; encode special characters as %XX",
        )
    alive: dict[str, str | int | None] = {
        "tcp_user_timeout": int(patience_s * 1000),
        "keepalives_idle": max(1, int(patience_s / 2)),
        "keepalives_interval": max(1, int(patience_s / 6)),
        "keepalives_count": 3,
    }
    return make_conninfo("", **(alive | fields))


def told(error: Exception) -> str:
    """What the driver said, on one line."""
    return " ".join(str(error).split())
