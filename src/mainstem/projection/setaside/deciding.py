"""Deciding: what comes after an attempt that failed, as a policy says; pure."""

from __future__ import annotations

from mainstem.projection.policy import DeadLetter, Policy, Retry


def pause_s(policy: Policy, attempts: int) -> float | None:
    """Seconds until the next attempt after so many failed ones; None: there is none."""
    if not isinstance(policy, Retry) or attempts >= policy.attempts:
        return None
    # Bounded before it is raised: a large exponent has no float.
    steps = min(attempts - 1, 1_000)
    try:
        grown = policy.first_s * policy.factor**steps
    except OverflowError:
        return policy.max_s
    return min(grown, policy.max_s)


def sets_aside(policy: Policy) -> bool:
    """Whether an event that cannot be applied is set aside in the end; else its partition halts."""
    last = policy.then if isinstance(policy, Retry) else policy
    return isinstance(last, DeadLetter)
