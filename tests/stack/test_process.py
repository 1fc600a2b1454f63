"""A server is known again by more than its number, and never mistaken for a stranger."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from mainstem.errors import StackError
from mainstem.stack import ports
from mainstem.stack.process import Identity, Launch, birth, start


def test_a_reused_process_number_is_not_our_process() -> None:
    """Take our own number with another time of birth: that process counts as dead."""
    assert Identity(os.getpid(), birth(os.getpid()) or "").alive()
    assert not Identity(os.getpid(), "another life").alive()


def test_a_server_has_a_session_of_its_own_and_ends_when_told(tmp_path: Path) -> None:
    """Start a process that waits: Ctrl-C here would not reach it, SIGTERM does."""
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    identity = start(Launch(command, tmp_path), tmp_path / "log")

    assert os.getsid(identity.pid) == identity.pid
    assert identity.alive()

    identity.send(signal.SIGTERM)

    assert identity.ended(10)
    assert not identity.alive()


def test_a_port_that_somebody_else_took_is_named() -> None:
    """Listen on a port that a server kept: its start says which port it is."""
    with socket.create_server((ports.HOST, 0)) as stranger:
        port = stranger.getsockname()[1]

        with pytest.raises(StackError, match=rf"Kafka cannot start: port {port} .* is taken"):
            ports.demand_free("Kafka", port)


def test_chosen_ports_differ() -> None:
    """Choose with some taken: none of those comes again, and each can be bound."""
    chosen = {ports.choose(set()) for _ in range(5)}
    other = ports.choose(chosen)

    assert other not in chosen
    assert ports.free(other)
