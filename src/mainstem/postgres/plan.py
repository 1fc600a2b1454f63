"""Plans: what to do with a database, decided by pure generators and done by a driver.

A plan yields steps and receives each step's answer; what it returns is the result.
So sync and async share every decision, and a driver is only a loop.
If a step fails, the driver throws our own error into the plan, which may then go another way.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, NamedTuple, TypeAlias, TypeVar

from mainstem.postgres.statements import Statement

T = TypeVar("T")


class Call(NamedTuple):
    """A step that may wait for a registry or compute for long: an event loop must not do it."""

    function: Callable[[], Any]


Step: TypeAlias = Statement | Call

Plan: TypeAlias = Generator[Step, Any, T]


def asking(statement: Statement) -> Plan[Any]:
    """A plan of one statement; its answer."""
    return (yield statement)


class Scope(NamedTuple):
    """The connection that a plan runs on, as far as plans care."""

    database: tuple[bytes, bytes, bytes]
    """Host, port and name: two databases have tables of their own."""
    own: bool
    """Whether the connection is ours, so that we begin and commit; else the caller does."""
