"""Ports of our own: chosen once among those that nothing takes by accident, then kept."""

from __future__ import annotations

import secrets
import socket
import time

from mainstem.errors import StackError

HOST = "127.0.0.1"
# Below the range from which systems hand out ports for outgoing connections.
FIRST, LAST = 20_000, 32_000
TRIES_MAX = 200
# A process that was just killed may hold its port a moment longer.
GRACE_S = 2.0
POLL_S = 0.05


def free(port: int) -> bool:
    """Whether a server may listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def choose(taken: set[int]) -> int:
    """A free port that is not among those chosen already."""
    for _ in range(TRIES_MAX):
        port = FIRST + secrets.randbelow(LAST - FIRST)
        if port not in taken and free(port):
            return port
    raise StackError(
        f"no free port found between {FIRST} and {LAST} in {TRIES_MAX} tries",
        hint="stop servers that are not needed, then try again",
    )


def demand_free(name: str, port: int) -> None:
    """StackError if somebody else listens on the port that a server of ours kept."""
    deadline_s = time.monotonic() + GRACE_S
    while not free(port):
        if time.monotonic() < deadline_s:
            time.sleep(POLL_S)
            continue
        raise StackError(
            f"{name} cannot start: port {port} on {HOST} is taken by another process",
            hint="stop that process; or mainstem down --wipe, which forgets data and ports",
        )
