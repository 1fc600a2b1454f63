"""Types of deciders and their scenarios; nothing here is ever run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_type

from mainstem.testing import Decider, given


@dataclass(frozen=True)
class Deposit:
    """A command."""

    amount: int


@dataclass(frozen=True)
class Deposited:
    """A payload."""

    amount: int


def decide(command: Deposit, _balance: int) -> Iterable[Deposited]:
    """Deposit it."""
    return [Deposited(command.amount)]


def evolve(balance: int, payload: Deposited) -> int:
    """The next balance."""
    return balance + payload.amount


ACCOUNT = Decider(decide, evolve, 0)

assert_type(ACCOUNT, Decider[Deposit, int, Deposited])
assert_type(ACCOUNT.state([Deposited(1)]), int)
given(ACCOUNT, Deposited(1)).when(Deposit(2)).then(Deposited(2)).when(Deposit(1)).then_state(4)
given(ACCOUNT).when(Deposit(2)).then_raises(ValueError, match="2")
given(ACCOUNT, Deposit(1))  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
given(ACCOUNT).when(Deposited(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
given(ACCOUNT).when(Deposit(1)).then(Deposit(1))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
given(ACCOUNT).when(Deposit(1)).then_state("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
given(ACCOUNT).when(Deposit(1)).then_raises("ValueError")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Decider(decide, evolve, "0")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
