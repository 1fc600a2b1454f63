"""Strikes: kills, zombies, members that join and leave, and servers that die, drawn from dice."""

from __future__ import annotations

import random
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mainstem.projection.points import Point
from mainstem.stack.stack import Stack
from tests.faults.projections.arena import Arena
from tests.faults.projections.member import SESSION_S, Member

SEATS = ("a", "b", "c")
"""Static members: one that is started again has its partitions back without a rebalance."""
KINDS = ("psycopg", "psycopg", "asyncpg")
AIMED_S = 2.5
"""By then a member that strikes itself has come to its step, if it ever will."""
CLOCK_S = (0.05, 0.6)
WAKE_S = (0.1, 1.0)
AFTERLIFE_S = 1.0
LONG_S = (SESSION_S + 0.5, SESSION_S + 2.0)
"""Stopped for longer than its session: its partitions go to others."""
SERVER_EVERY = 40
POINTS = (Point.OFFSETS, Point.OFFSETS, Point.HANDLED, Point.HANDLED, Point.COMMITTED)


@dataclass(slots=True)
class Figures:
    """What happened in a storm."""

    kills: int = 0
    zombies: int = 0
    server_kills: int = 0
    rebalances: int = 0
    cas_failures: int = 0
    bitten: int = 0
    """Kills of a member while a transaction of its was open."""
    fenced: int = 0
    """Members that ended because another one had taken their seat, as zombies should."""
    refused: int = 0
    """Members that gave up for any other reason."""


class Strikes:
    """One storm's hand: it starts members and strikes them, until there were enough kills."""

    def __init__(
        self, arena: Arena, dice: random.Random, stack: Stack | None, *, bug: str | None
    ) -> None:
        """`stack`: servers that may be killed."""
        self.figures = Figures()
        self._arena = arena
        self._dice = dice
        self._stack = stack
        self._bug = bug
        self._seated: dict[str, Member] = {}
        self._guests: list[Member] = []
        self._waiting = threading.Event()

    def run(self, kills: int) -> Figures:
        """Strike until there were so many kills; what happened."""
        for seat in SEATS:
            self._seat(seat)
        server_at = SERVER_EVERY // 2
        while self.figures.kills < kills:
            self._strike()
            if self._stack is not None and self.figures.kills >= server_at:
                server_at += SERVER_EVERY
                self._kill_server(self._stack)
        return self.figures

    def count(self) -> None:
        """Add up what all members told, in the end."""
        members = self._arena.members
        self.figures.cas_failures = sum(member.cas_failures for member in members)
        self.figures.rebalances = sum(member.rebalances for member in members)
        self.figures.fenced = sum(member.has("fenced") for member in members)
        self.figures.refused = sum(member.has("refused") for member in members)

    def _strike(self) -> None:
        """One thing that happens."""
        chosen: Callable[[], None] = self._dice.choices(
            (self._kill, self._wake_beside_another, self._outlive_session, self._join, self._leave),
            (75, 16, 1, 4, 4),
        )[0]
        chosen()

    def _kill(self) -> None:
        """Kill a seated member by the clock, or let it strike itself; seat another one."""
        seat = self._dice.choice(SEATS)
        member = self._seated[seat]
        if member.orders.point is Point.REVOKED:
            member.send(signal.SIGTERM)
        if member.orders.point is not None:
            member.heard("bite", AIMED_S)
        else:
            self._pause(CLOCK_S)
        self._finish_off(member)
        self._seat(seat)

    def _wake_beside_another(self) -> None:
        """Stop a member, start another one in its seat, and let the zombie go on beside it."""
        seat = self._dice.choice(SEATS)
        zombie = self._seated[seat]
        if zombie.orders.signal is signal.SIGSTOP:
            zombie.heard("bite", AIMED_S)
        zombie.send(signal.SIGSTOP)
        self.figures.zombies += 1
        self._seat(seat)
        self._pause(WAKE_S)
        zombie.send(signal.SIGCONT)
        self._pause((AFTERLIFE_S, AFTERLIFE_S))
        self._finish_off(zombie)

    def _outlive_session(self) -> None:
        """Stop a guest until its partitions are others', and let it go on."""
        guest = self._arena.start(bug=self._bug)
        guest.heard("status", AIMED_S)
        self._pause(CLOCK_S)
        guest.send(signal.SIGSTOP)
        self.figures.zombies += 1
        self._pause(LONG_S)
        guest.send(signal.SIGCONT)
        self._pause((AFTERLIFE_S, AFTERLIFE_S))
        self._guests.append(guest)

    def _join(self) -> None:
        """One more member, of no fixed seat: partitions are shared out anew."""
        if len(self._guests) < len(SEATS):
            self._guests.append(self._arena.start(bug=self._bug, lanes=2))
            self._pause(CLOCK_S)

    def _leave(self) -> None:
        """A guest leaves as it should, or dies, and is missed after its session."""
        if self._guests:
            guest = self._guests.pop(0)
            if self._dice.random() < 0.7:
                guest.send(signal.SIGTERM)
                if guest.ended(10.0) is not None:
                    return
            self._finish_off(guest)

    def _kill_server(self, stack: Stack) -> None:
        """A server dies, and is back after a while."""
        server = self._dice.choice(("postgres", "kafka"))
        stack.kill(server)
        self.figures.server_kills += 1
        self._pause((0.1, 1.5))
        stack.start(server)

    def _finish_off(self, member: Member) -> None:
        """SIGKILL, and what it struck."""
        if member.has("fenced") or member.has("refused"):
            member.ended()
        if member.over:
            return
        member.kill()
        self.figures.kills += 1
        self.figures.bitten += member.bitten

    def _seat(self, seat: str) -> None:
        """Start a member in a seat, by the clock or aimed."""
        number = SEATS.index(seat)
        self._seated[seat] = self._arena.start(
            instance=f"{self._arena.topic}-{seat}", kind=KINDS[number], bug=self._bug, **self._aim()
        )

    def _aim(self) -> dict[str, Any]:
        """Where a member is struck by itself; nothing for one that is struck by the clock."""
        draw = self._dice.random()
        if draw < 0.2:
            return {}
        if draw < 0.3:
            return {"point": self._dice.choice((Point.ASSIGNED, Point.REVOKED))}
        how = signal.SIGSTOP if draw < 0.4 else signal.SIGKILL
        return {
            "point": self._dice.choice(POINTS),
            "occurrence": self._dice.randrange(1, 8),
            "signal": how,
        }

    def _pause(self, between_s: tuple[float, float]) -> None:
        self._waiting.wait(self._dice.uniform(*between_s))
