"""Health: whether work flows, judged by signs of life that only flowing work can give; pure.

A connection that stands proves little. So a part of the process is ready only if something went
all the way through it a short while ago, and nothing is known to stand still.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any


class Vital:
    """One part of the process that must flow; any thread may tell of it."""

    def __init__(
        self,
        name: str,
        sign: str,
        silence_max_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sign` is what shows that it flows, as in: no heartbeat came back yet."""
        self.name = name
        self._sign = sign
        self._silence_max_s = silence_max_s
        self._clock = clock
        self._alive_s: float | None = None
        self._words = ""
        self._trouble = ""
        self._ended = False

    def alive(self) -> None:
        """Something went all the way through just now."""
        self._alive_s = self._clock()
        self._words = ""

    def say(self, words: str) -> None:
        """What it told last; it may explain a silence."""
        self._words = words

    def judge(self, trouble: str) -> None:
        """What is wrong although work flows; empty: nothing."""
        self._trouble = trouble

    def end(self) -> None:
        """Its work is done: nothing is asked of it any more."""
        self._ended = True

    def why_not(self) -> str:
        """Why it is not ready, with what it told last; empty where it is."""
        if self._ended:
            return ""
        if self._alive_s is None:
            return self._explained(f"no {self._sign} yet")
        silence_s = self._clock() - self._alive_s
        if silence_s > self._silence_max_s:
            return self._explained(f"no {self._sign} for {silence_s:.0f} s")
        return self._trouble

    def _explained(self, text: str) -> str:
        return f"{text}: {self._words}" if self._words else text


class Health:
    """All parts of a process together."""

    def __init__(self, vitals: Iterable[Vital], stopping: Callable[[], bool]) -> None:
        """A process that was asked to stop is not ready any more."""
        self.vitals = tuple(vitals)
        self._stopping = stopping

    def readiness(self) -> dict[str, Any]:
        """`ready`, and for each part whether it is, and why not."""
        stopping = self._stopping()
        parts = {vital.name: why_not(vital, stopping=stopping) for vital in self.vitals}
        return {
            "ready": not any(parts.values()),
            "parts": {
                name: {"ready": False, "why": why} if why else {"ready": True}
                for name, why in parts.items()
            },
        }


def why_not(vital: Vital, *, stopping: bool) -> str:
    """Why a part is not ready; empty where it is."""
    return "asked to stop" if stopping else vital.why_not()
