"""The loop that every driver runs a plan by: one for threads, one for asyncio.

A driver brings `perform`, which does one step and answers it, or raises an error of ours; that
error is thrown into the plan, which may go another way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

from mainstem.postgres.plan import Call, Plan, Scope
from mainstem.postgres.statements import Statement

T = TypeVar("T")


class Lent(Protocol):
    """What a caller lent by `within=`, for threads."""

    def run(self, make_plan: Callable[[Scope], Plan[T]]) -> T:
        """Run the plan in the caller's transaction, which is neither begun nor ended."""
        ...


class AsyncLent(Protocol):
    """What a caller lent by `within=`, for asyncio."""

    async def run(self, make_plan: Callable[[Scope], Plan[T]]) -> T:
        """Run the plan in the caller's transaction, which is neither begun nor ended."""
        ...


def drive(plan: Plan[T], perform: Callable[[Statement], Any]) -> T:
    """Run the plan to its end; what it returns is the result."""
    try:
        step = next(plan)
        while True:
            try:
                answer = step.function() if isinstance(step, Call) else perform(step)
            except Exception as error:  # noqa: BLE001  # The plan raises what it cannot use.
                step = plan.throw(error)
            else:
                step = plan.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        plan.close()


async def drive_async(plan: Plan[T], perform: Callable[[Statement], Awaitable[Any]]) -> T:
    """As `drive`, for asyncio; calls that may wait or compute for long go to a thread."""
    try:
        step = next(plan)
        while True:
            try:
                if isinstance(step, Call):
                    answer = await asyncio.to_thread(step.function)
                else:
                    answer = await perform(step)
            except Exception as error:  # noqa: BLE001  # The plan raises what it cannot use.
                step = plan.throw(error)
            else:
                step = plan.send(answer)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        plan.close()
