"""Pauses between attempts keep within what the policy says, for any policy."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mainstem.projection.policy import DeadLetter, Retry, Stop
from mainstem.projection.setaside.deciding import pause_s, sets_aside

ENDS = st.sampled_from([Stop(), DeadLetter()])
RETRIES = st.builds(
    Retry,
    attempts=st.integers(1, 10_000),
    first_s=st.floats(0.001, 1.0),
    factor=st.floats(1.0, 1e6),
    max_s=st.floats(1.0, 1e6),
    then=ENDS,
)


@given(ENDS, st.integers(1, 10_000))
def test_without_retry_the_first_failure_is_the_last(policy: Stop | DeadLetter, tries: int) -> None:
    """Neither policy tries again, however often it failed."""
    assert pause_s(policy, tries) is None
    assert sets_aside(policy) == isinstance(policy, DeadLetter)


@given(RETRIES)
def test_there_are_as_many_attempts_as_the_policy_says(policy: Retry) -> None:
    """A pause follows each failed attempt but the last; then it does as `then` says."""
    assert pause_s(policy, policy.attempts) is None
    assert policy.attempts == 1 or pause_s(policy, policy.attempts - 1) is not None
    assert sets_aside(policy) == sets_aside(policy.then)


@given(RETRIES, st.integers(1, 10_000))
def test_pauses_grow_up_to_the_bound_and_never_beyond(policy: Retry, tries: int) -> None:
    """Any factor, after any number of attempts: even where the power has no float."""
    pause, following = pause_s(policy, tries), pause_s(policy, tries + 1)

    assert pause is None or policy.first_s <= pause <= policy.max_s
    assert following is None or (pause is not None and pause <= following)
