"""A TCP proxy in front of PostgreSQL that cuts a connection at a chosen moment of a statement."""

from __future__ import annotations

import contextlib
import enum
import socket
import threading
from collections.abc import Callable
from typing import Self

from psycopg.conninfo import conninfo_to_dict, make_conninfo


class Cut(enum.Enum):
    """Where the next statement that holds the marked bytes loses its connection."""

    BEFORE = "before"
    """Before the server gets it: it is never carried out."""
    AFTER = "after"
    """After the server has carried it out, before the client gets the answer."""


class Proxy:
    """Forwards to the database of an address until it is told to cut."""

    def __init__(self, dsn: str) -> None:
        """Listen on a free port."""
        parts = conninfo_to_dict(dsn)
        self._server = (str(parts["host"]), int(str(parts["port"])))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.dsn = make_conninfo(
            dsn, host="127.0.0.1", port=self._listener.getsockname()[1], sslmode="disable"
        )
        self._cut: Cut | None = None
        self._mark = b""
        self._sockets: list[socket.socket] = []
        self.cuts = 0

    def cut(self, cut: Cut, mark: bytes) -> None:
        """Cut the connection over which the next message with these bytes goes, once."""
        self._cut, self._mark = cut, mark

    def __enter__(self) -> Self:
        """Begin to accept."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Close everything."""
        for end in [self._listener, *self._sockets]:
            close(end)

    def _accept(self) -> None:
        """Pair each client with a connection of its own to the server."""
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            self._sockets += [client, server]
            pair = Pair(client, server)
            for pump in (self._up, self._down):
                threading.Thread(target=pump, args=(pair,), daemon=True).start()

    def _up(self, pair: Pair) -> None:
        """Client to server."""

        def forward(data: bytes) -> bool:
            if self._cut is not None and self._mark in data:
                cut, self._cut = self._cut, None
                self.cuts += 1
                if cut is Cut.BEFORE:
                    return False
                pair.deaf = True
            pair.server.sendall(data)
            return True

        pair.pump(pair.client, forward)

    def _down(self, pair: Pair) -> None:
        """Server to client; its first answer to a marked statement ends the connection."""

        def forward(data: bytes) -> bool:
            if pair.deaf:
                return False
            pair.client.sendall(data)
            return True

        pair.pump(pair.server, forward)


class Pair:
    """The two ends of one connection."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        """Both are open."""
        self.client, self.server = client, server
        self.deaf = False

    def pump(self, source: socket.socket, forward: Callable[[bytes], bool]) -> None:
        """Forward what comes until it ends or is cut; then both ends are closed."""
        try:
            while (data := source.recv(1 << 20)) and forward(data):
                pass
        except OSError:
            pass
        close(self.client)
        close(self.server)


def close(end: socket.socket) -> None:
    """Close at once, whoever is waiting on it."""
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
