"""Three requests of Kafka's protocol by hand: does it answer, and are its coordinators loaded.

The stack needs no Kafka client of its own for that, and starts none.
"""

from __future__ import annotations

import socket
import struct
import time
from typing import NamedTuple

TIMEOUT_S = 5.0
COORDINATORS_TIMEOUT_S = 20.0
POLL_S = 0.05
ANSWER_BYTES_MAX = 1_000_000


class Api(NamedTuple):
    """A request's key and version."""

    key: int
    version: int


API_VERSIONS = Api(18, 0)
FIND_COORDINATOR = Api(10, 1)
GROUP, TRANSACTION = 0, 1


def answers(host: str, port: int) -> bool:
    """Whether a broker answers with its API versions."""
    try:
        answer = ask(host, port, API_VERSIONS, b"")
    except OSError:
        return False
    return error_at(answer, 4) == 0


def load_coordinators(host: str, port: int) -> None:
    """Let the broker create the topics of transactions and groups; bounded, and no failure."""
    deadline_s = time.monotonic() + COORDINATORS_TIMEOUT_S
    for kind in (TRANSACTION, GROUP):
        while not coordinator_loaded(host, port, kind) and time.monotonic() < deadline_s:
            time.sleep(POLL_S)


def coordinator_loaded(host: str, port: int, kind: int) -> bool:
    """Whether the broker names a coordinator of this kind."""
    name = b"mainstem"
    body = struct.pack(f">h{len(name)}sb", len(name), name, kind)
    try:
        # Correlation and throttle time stand before the error.
        return error_at(ask(host, port, FIND_COORDINATOR, body), 8) == 0
    except OSError:
        return False


def ask(host: str, port: int, api: Api, body: bytes) -> bytes:
    """Send one request on a connection of its own; the whole answer."""
    nameless = -1
    request = struct.pack(">hhih", api.key, api.version, 1, nameless) + body
    with socket.create_connection((host, port), TIMEOUT_S) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        (size,) = struct.unpack(">i", exactly(connection, 4))
        if not 0 < size <= ANSWER_BYTES_MAX:
            raise OSError(f"an answer of {size} bytes is none of Kafka's")
        return exactly(connection, size)


def exactly(connection: socket.socket, size: int) -> bytes:
    """So many bytes; OSError if the connection ends before."""
    data = bytearray()
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise OSError(f"the connection ended after {len(data)} of {size} bytes")
        data += part
    return bytes(data)


def error_at(answer: bytes, offset: int) -> int:
    """The error code at this offset; an answer too short for one is an error."""
    if len(answer) < offset + 2:
        return -1
    (code,) = struct.unpack_from(">h", answer, offset)
    return int(code)
