"""Each policy does about a poison event what it says, and about no other event anything."""

from __future__ import annotations

import pytest

from mainstem.projection.policy import DeadLetter, Policy, Retry, Stop
from tests.projection.setaside.clinic import Clinic, Diary, Singly, Together, until

POISON = 13
GROUP = "diary.v1"


@pytest.mark.stack
@pytest.mark.parametrize("cls", [Singly, Together])
def test_a_dead_letter_is_set_aside_and_the_rest_applied(clinic: Clinic, cls: type[Diary]) -> None:
    """Poison amid a batch of other keys: each other event is applied once and in its order."""
    clinic.publish((1, 1), (2, 2), (3, POISON), (4, 4), (3, 5), (1, 6))
    definition = clinic.definition(DeadLetter(), poison={POISON}, cls=cls)

    clinic.run_once(definition)

    assert clinic.values() == [1, 2, 4, 6]
    assert clinic.letters() == [(2, "waiting", 1), (4, "behind", 0)]
    assert clinic.ask("SELECT error_type, error FROM _mainstem.dead_letters LIMIT 1") == [
        ("tests.projection.setaside.clinic.IllError", f"cannot stand {POISON}?")
    ]


@pytest.mark.stack
def test_a_key_stays_behind_its_dead_letter_in_later_batches(clinic: Clinic) -> None:
    """The very first event that a projector meets is poison: nothing of its key may overtake."""
    definition = clinic.definition(DeadLetter(), poison={POISON})
    with clinic.running(definition):
        clinic.publish((1, POISON))
        until(lambda: len(clinic.letters()) == 1, "the dead letter")
        clinic.publish((1, 2), (2, 3))
        until(lambda: clinic.values() != [], "the event of the other key")

    assert clinic.values() == [3]
    assert [state for _, state, _ in clinic.letters()] == ["waiting", "behind"]


@pytest.mark.stack
@pytest.mark.parametrize("cls", [Singly, Together])
def test_stop_halts_before_the_event_and_goes_on_nowhere(clinic: Clinic, cls: type[Diary]) -> None:
    """What comes before it is applied; a restart tries it once more, and counts that."""
    clinic.publish((1, 1), (2, POISON), (3, 3))
    definition = clinic.definition(Stop(), poison={POISON}, cls=cls)

    clinic.run_once(definition)
    first = clinic.halts()
    projector = clinic.run_once(definition)

    assert clinic.values() == [1]
    assert (first, clinic.halts()) == ([(1, 1)], [(1, 2)])
    assert [place.partition for place in projector.halted] == [0]
    assert clinic.letters() == []


@pytest.mark.stack
def test_a_restart_with_a_halted_partition_tries_its_event_once(clinic: Clinic) -> None:
    """A crash loop would try for ever: count the attempts of a process that stays up."""
    clinic.publish((1, POISON), (2, 2))
    clinic.run_once(clinic.definition(Stop(), poison={POISON}))
    definition = clinic.definition(Stop(), poison={POISON})
    attempts = definition.projection.attempts  # type: ignore[attr-defined]  # It is a Diary.

    with clinic.running(definition):
        until(lambda: clinic.halts() == [(0, 2)], "the second attempt")
        clinic.publish((3, 3))

    # In a batch with the event behind it, and then alone.
    assert attempts in ([POISON], [POISON, POISON])
    assert clinic.values() == []


@pytest.mark.stack
def test_an_event_that_succeeds_the_third_time_is_applied_in_its_place(clinic: Clinic) -> None:
    """Retry blocks what comes behind the event, and leaves nothing behind when it succeeds."""
    clinic.publish((1, 1), (2, POISON), (3, 3))

    class Weak(Singly):
        """Stands poison the third time."""

        def check(self, value: int) -> None:
            """Raise for poison twice."""
            if len(self.attempts) < 3:
                super().check(value)

    definition = clinic.definition(Retry(first_s=0.01), poison={POISON}, cls=Weak)
    clinic.run_once(definition)

    assert clinic.values() == [1, POISON, 3]
    assert (clinic.halts(), clinic.letters()) == ([], [])


@pytest.mark.stack
@pytest.mark.parametrize("then", [Stop(), DeadLetter()])
def test_retry_ends_as_it_says(clinic: Clinic, then: Stop | DeadLetter) -> None:
    """After so many attempts the event is set aside, or its partition halts."""
    clinic.publish((1, POISON), (2, 2))
    policy: Policy = Retry(attempts=3, first_s=0.01, then=then)

    clinic.run_once(clinic.definition(policy, poison={POISON}))

    if isinstance(then, Stop):
        assert (clinic.values(), clinic.halts()) == ([], [(0, 3)])
    else:
        assert (clinic.values(), clinic.letters()) == ([2], [(0, "waiting", 3)])


@pytest.mark.stack
@pytest.mark.parametrize("policy", [Stop(), DeadLetter()])
def test_bytes_that_are_no_event_end_no_process(clinic: Clinic, policy: Policy) -> None:
    """Neither key, frame nor headers can be read, and there are more headers than may be."""
    headers = [(f"h{number}", b"x") for number in range(1_100)]
    headers += [("id", b"9" * 5_000), ("lsn", b"\xff"), ("ordinal", b"-1")]
    clinic.publish_raw(b"\xff\x00no uuid", b"\x07no frame", headers)
    clinic.publish((2, 2))

    clinic.run_once(clinic.definition(policy))

    if isinstance(policy, Stop):
        assert (clinic.values(), clinic.halts()) == ([], [(0, 1)])
    else:
        assert (clinic.values(), clinic.letters()) == ([2], [(0, "waiting", 1)])
        assert clinic.ask("SELECT key, data FROM _mainstem.dead_letters") == [
            (b"\xff\x00no uuid", b"\x07no frame")
        ]
