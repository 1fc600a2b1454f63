"""Scenarios of deciders: what passes, what fails, and what a failure shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from mainstem.testing import Decider, given


@dataclass(frozen=True)
class Opened:
    """An account began."""

    owner: str


@dataclass(frozen=True)
class Deposited:
    """Money came."""

    amount: int


@dataclass(frozen=True)
class Deposit:
    """Put money in."""

    amount: int


class NotOpen(Exception):
    """There is no such account."""


def decide(command: Deposit, balance: int | None) -> Iterator[Opened | Deposited]:
    """Deposit into an account that is open; nothing is nothing."""
    if balance is None:
        raise NotOpen(f"cannot deposit {command.amount}")
    if command.amount:
        yield Deposited(command.amount)


def evolve(balance: int | None, payload: Opened | Deposited) -> int | None:
    """The balance; None for an account that is not open."""
    return (balance or 0) + payload.amount if isinstance(payload, Deposited) else 0


ACCOUNT: Decider[Deposit, int | None, Opened | Deposited] = Decider(decide, evolve, None)


def test_what_follows_is_compared() -> None:
    """Tell stories that are true, one going on where the other ended."""
    story = given(ACCOUNT, Opened("ada")).when(Deposit(30)).then(Deposited(30))

    assert story.payloads == (Opened("ada"), Deposited(30))
    story.when(Deposit(0)).then_nothing().when(Deposit(1)).then_state(31)
    given(ACCOUNT).when(Deposit(1)).then_raises(NotOpen, match="deposit 1")
    given(ACCOUNT).when(Deposit(1)).then_raises((KeyError, NotOpen))


def test_other_events_fail_with_their_difference() -> None:
    """Expect another amount: the message shows the scenario, and both in the manner of a diff."""
    with pytest.raises(AssertionError) as failure:
        given(ACCOUNT, Opened("ada")).when(Deposit(30)).then(Deposited(31))

    assert str(failure.value).splitlines() == [
        "other events",
        "given",
        "  Opened(owner='ada')",
        "when",
        "  Deposit(amount=30)",
        "then",
        "  - expected, + decided",
        "  - Deposited(amount=31)",
        "  + Deposited(amount=30)",
    ]


@pytest.mark.parametrize(
    ("expected", "missing"),
    [((), 0), ((Deposited(30), Deposited(30)), 1), ((Opened("ada"),), 1)],
)
def test_events_too_many_or_too_few_fail(
    expected: tuple[Opened | Deposited, ...], missing: int
) -> None:
    """Expect nothing, an event twice, and one of another class."""
    outcome = given(ACCOUNT, Opened("ada")).when(Deposit(30))

    with pytest.raises(AssertionError, match="other events") as failure:
        outcome.then(*expected)

    assert len(re.findall(r"^  - \w+\(", str(failure.value), re.MULTILINE)) == missing


def test_payloads_of_two_classes_are_never_equal() -> None:
    """Expect 1 where True is decided, which Python takes for equal."""
    truth = Decider[str, int, object](lambda _command, _state: [True], lambda state, _: state, 0)

    with pytest.raises(AssertionError):
        given(truth).when("go").then(1)


def test_an_error_where_events_are_expected_fails_and_is_kept() -> None:
    """Expect events, no events and a state of a command that is refused."""
    outcome = given(ACCOUNT).when(Deposit(1))

    with pytest.raises(AssertionError, match="an error instead of events") as failure:
        outcome.then(Deposited(1))
    with pytest.raises(AssertionError, match="an error instead of events"):
        outcome.then_nothing()
    with pytest.raises(AssertionError, match="an error instead of a state"):
        outcome.then_state(1)

    assert isinstance(failure.value.__cause__, NotOpen)
    assert "NotOpen('cannot deposit 1')" in str(failure.value)


def test_a_refusal_that_does_not_come_as_expected_fails() -> None:
    """Expect an error that does not come, another class of it, and another text."""
    opened, closed = given(ACCOUNT, Opened("ada")), given(ACCOUNT)

    with pytest.raises(AssertionError, match="events instead of an error"):
        opened.when(Deposit(1)).then_raises(NotOpen)
    with pytest.raises(AssertionError, match="another error"):
        closed.when(Deposit(1)).then_raises(KeyError)
    with pytest.raises(AssertionError, match="no text like 'withdraw'"):
        closed.when(Deposit(1)).then_raises(NotOpen, match="withdraw")


def test_another_state_fails() -> None:
    """Expect a balance that is not there."""
    with pytest.raises(AssertionError, match=r"- 32\n *\+ 31"):
        given(ACCOUNT, Opened("ada"), Deposited(1)).when(Deposit(30)).then_state(32)
