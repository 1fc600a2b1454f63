"""Given these events, when this command comes, then those events follow, or an error; pure.

A decider is two functions and a state: `decide` turns a command into new events, `evolve` turns
an event into the next state. Neither reads a clock nor a database, so a test needs nothing either.

    given(account, Opened(owner="Ada")).when(Deposit(30)).then(Deposited(amount=30))
"""

from __future__ import annotations

import difflib
import pprint
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

S = TypeVar("S")
C = TypeVar("C")
E = TypeVar("E")

WIDTH_COLUMNS = 60
"""Narrow, so that a payload of a few fields shows each on a line of its own."""


# Without slots: with them `Decider[Command, State, Event](…)` fails in Python 3.11.
@dataclass(frozen=True)
class Decider(Generic[C, S, E]):
    """What decides about one stream: commands `C` on a state `S` give event payloads `E`."""

    decide: Callable[[C, S], Iterable[E]]
    """(command, state) -> the new payloads; it raises what it refuses the command with."""
    evolve: Callable[[S, E], S]
    """(state, payload) -> the next state."""
    initial: S
    """The state of a stream without events."""

    def state(self, payloads: Iterable[E]) -> S:
        """The state after these payloads."""
        state = self.initial
        for payload in payloads:
            state = self.evolve(state, payload)
        return state


@dataclass(frozen=True, slots=True)
class Given(Generic[C, S, E]):
    """A stream with its history."""

    decider: Decider[C, S, E]
    payloads: tuple[E, ...]

    def when(self, command: C) -> Outcome[C, S, E]:
        """What the decider makes of the command; what it raises is kept for `then_raises`."""
        state = self.decider.state(self.payloads)
        try:
            return Outcome(self, command, tuple(self.decider.decide(command, state)))
        except Exception as error:  # noqa: BLE001 - judged by `then` and `then_raises`
            return Outcome(self, command, (), error)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[C, S, E]):
    """What came of a command: payloads, or an error."""

    history: Given[C, S, E]
    command: C
    payloads: tuple[E, ...]
    error: Exception | None = None

    def then(self, *payloads: E) -> Given[C, S, E]:
        """Exactly these payloads follow, in this order; AssertionError with the difference.

        Answers the stream with them, on which the story may go on.
        """
        __tracebackhide__ = True
        if self.error is not None:
            raise AssertionError(self._told("an error instead of events")) from self.error
        if not same(self.payloads, payloads):
            raise AssertionError(self._told("other events", difference(payloads, self.payloads)))
        return Given(self.history.decider, self.history.payloads + payloads)

    def then_nothing(self) -> Given[C, S, E]:
        """No event follows: the command was carried out before, or changes nothing."""
        __tracebackhide__ = True
        return self.then()

    def then_raises(
        self, kind: type[Exception] | tuple[type[Exception], ...], *, match: str | None = None
    ) -> Given[C, S, E]:
        """The command is refused by an error of this kind, whose text `match` is found in.

        `match` is a regular expression. Answers the stream as it was.
        """
        __tracebackhide__ = True
        if self.error is None:
            raise AssertionError(self._told("events instead of an error", shown(self.payloads)))
        if not isinstance(self.error, kind):
            raise AssertionError(self._told("another error")) from self.error  # noqa: TRY004  # What test runners count as a failure.
        if match is not None and re.search(match, str(self.error)) is None:
            raise AssertionError(self._told(f"no text like {match!r}")) from self.error
        return self.history

    def then_state(self, state: S) -> Given[C, S, E]:
        """The stream is in this state afterwards, whatever the events are."""
        __tracebackhide__ = True
        if self.error is not None:
            raise AssertionError(self._told("an error instead of a state")) from self.error
        after = Given(self.history.decider, self.history.payloads + self.payloads)
        found = after.decider.state(after.payloads)
        if found != state:
            raise AssertionError(self._told("another state", difference([state], [found])))
        return after

    def _told(self, what: str, more: str = "") -> str:
        """The scenario in words, with what is wrong about it."""
        parts = [
            f"{what}\ngiven\n{indented(shown(self.history.payloads))}",
            f"when\n{indented(pprint.pformat(self.command, width=WIDTH_COLUMNS))}",
            f"then\n{indented(more)}" if more else "",
            f"raised\n{indented(repr(self.error))}" if self.error is not None else "",
        ]
        return "\n".join(part for part in parts if part)


def given(decider: Decider[C, S, E], *payloads: E) -> Given[C, S, E]:
    """A stream whose events so far have these payloads."""
    return Given(decider, payloads)


def same(found: tuple[Any, ...], wanted: tuple[Any, ...]) -> bool:
    """Whether they are equal one by one, in class too: 1 and True are two payloads."""
    return len(found) == len(wanted) and all(
        type(one) is type(other) and one == other for one, other in zip(found, wanted, strict=True)
    )


def difference(wanted: Iterable[object], found: Iterable[object]) -> str:
    """Lines that are missing with a minus, lines that are too many with a plus."""
    lines = difflib.ndiff(shown(wanted).splitlines(), shown(found).splitlines())
    kept = [line.rstrip() for line in lines if not line.startswith("?")]
    return "\n".join(["- expected, + decided", *kept])


def shown(payloads: Iterable[object]) -> str:
    """Each payload on lines of its own."""
    texts = [pprint.pformat(payload, width=WIDTH_COLUMNS) for payload in payloads]
    return "\n".join(texts) or "(nothing)"


def indented(text: str) -> str:
    """The text, two columns to the right."""
    return "\n".join(f"  {line}" for line in text.splitlines())
