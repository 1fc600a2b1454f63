"""What is set aside or stands still is tried again, or given up, beside a projector that runs."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import psycopg
import pytest

from mainstem.cli.main import exit_code
from mainstem.errors import ConfigurationError, Refusal
from mainstem.projection.policy import DeadLetter, Stop
from mainstem.projection.setaside.repairing import Chosen, Repair
from tests.projection.setaside.clinic import Clinic, until

POISON = 13
RETIRE = "UPDATE _mainstem.projections SET state = 'retired'"
ADVANCE = 'UPDATE _mainstem.projection_offsets SET "offset" = "offset" + 1 WHERE "partition" = 0'
SET_BACK = 'UPDATE _mainstem.projection_offsets SET "offset" = -1, lsn = NULL, ordinal = NULL'


@pytest.fixture
def ill(clinic: Clinic) -> Clinic:
    """Two letters of one key and one of another are set aside, and one event is applied."""
    clinic.publish((1, POISON), (1, 2), (2, POISON), (3, 4))
    clinic.run_once(clinic.definition(DeadLetter(), poison={POISON}))
    assert [state for _, state, _ in clinic.letters()] == ["waiting", "behind", "waiting"]
    return clinic


@pytest.mark.stack
def test_retry_applies_each_key_in_its_order(ill: Clinic) -> None:
    """The cause is mended: everything is applied once, and nothing is left."""
    retried = ill.retry(ill.definition(DeadLetter()))

    assert [(each.applied, each.failed_at) for each in retried] == [(2, None), (1, None)]
    assert ill.values() == [4, POISON, 2, POISON]
    assert ill.letters() == []


@pytest.mark.stack
def test_a_key_that_fails_again_stops_and_others_go_on(ill: Clinic) -> None:
    """The cause is not mended: attempts are counted, and nothing overtakes."""
    retried = ill.retry(ill.definition(DeadLetter(), poison={POISON}))

    assert [(each.applied, each.failed_at) for each in retried] == [(0, 0), (0, 2)]
    assert ill.letters() == [(0, "waiting", 2), (1, "behind", 0), (2, "waiting", 2)]
    assert ill.values() == [4]


@pytest.mark.stack
def test_only_what_is_chosen_is_tried(ill: Clinic) -> None:
    """The other partition holds nothing: everything stays."""
    assert ill.retry(ill.definition(DeadLetter()), Chosen(ill.topic, 1)) == []
    assert len(ill.letters()) == 3


@pytest.mark.stack
def test_a_discarded_letter_stays_and_lets_those_behind_it_go(ill: Clinic) -> None:
    """It is never applied, and its row says so; the one behind it is applied by a retry."""
    assert ill.discard(0) == "dead letter"
    assert ill.discard(2) == "dead letter"

    ill.retry(ill.definition(DeadLetter(), poison={POISON}))

    assert ill.letters() == [(0, "discarded", 1), (2, "discarded", 1)]
    assert ill.values() == [4, 2]


@pytest.mark.stack
def test_retry_frees_the_key_for_a_projector_that_runs(ill: Clinic) -> None:
    """While a projector runs, events of the key come before, amid and after the retry."""
    definition = ill.definition(DeadLetter())
    with ill.running(definition):
        ill.publish((1, 5))
        until(lambda: len(ill.letters()) == 4, "the event behind")
        ill.retry(definition)
        ill.publish((1, 6))
        until(lambda: 6 in ill.values(), "the event after the retry")

    ones = [
        value
        for (value,) in ill.ask("SELECT value FROM diary WHERE key::text LIKE '%01' ORDER BY place")
    ]
    assert ones == [POISON, 2, 5, 6]
    assert ill.letters() == []


@pytest.mark.stack
def test_a_projector_waits_for_a_retry_of_its_partition(ill: Clinic) -> None:
    """While the handler of a retry works, the offset of its partition is locked."""
    seen: list[bool] = []

    def locked() -> bool:
        with psycopg.connect(ill.database_url, autocommit=True) as other:
            other.execute("SET lock_timeout = '50ms'")
            try:
                other.execute(ADVANCE)
            except psycopg.errors.LockNotAvailable:
                return True
        return False

    class Watch(set[int]):
        """Looks whether the offset can be moved, whenever it is asked."""

        def __contains__(self, value: object) -> bool:
            """Nothing is poison."""
            seen.append(locked())
            return False

    ill.retry(ill.definition(DeadLetter(), poison=Watch()))

    assert seen == [True, True, True]
    assert not locked()


@pytest.mark.stack
def test_letters_of_a_retired_version_are_not_applied(ill: Clinic) -> None:
    """Its tables are another version's now, which may have applied the events already."""
    ill.connection.execute(RETIRE)
    definition = ill.definition(DeadLetter())

    repair = Repair(definition, ill.database_url, ill.registry)
    with closing(repair), pytest.raises(Refusal) as refused:
        list(repair.retry(Chosen()))

    assert refused.value.name == "projection-retired"
    assert ill.values() == [4]


@pytest.mark.stack
def test_a_halted_partition_goes_on_after_a_retry_without_a_restart(clinic: Clinic) -> None:
    """The cause is mended while the projector stands still: retry lets it look again."""
    poison = {POISON}
    clinic.publish((1, 1), (2, POISON), (3, 3))
    definition = clinic.definition(Stop(), poison=poison)
    with clinic.running(definition):
        until(lambda: clinic.halts() == [(1, 1)], "the halt")
        poison.clear()
        clinic.retry(definition)
        until(lambda: clinic.values() == [1, POISON, 3], "the rest")

    assert clinic.halts() == []


@pytest.mark.stack
def test_a_halted_event_that_is_discarded_is_passed_and_kept(clinic: Clinic) -> None:
    """The projector that stands still goes on behind it; the row says what was given up."""
    clinic.publish((1, 1), (2, POISON), (2, 3))
    definition = clinic.definition(Stop(), poison={POISON})
    with clinic.running(definition):
        until(lambda: clinic.halts() == [(1, 1)], "the halt")
        assert clinic.discard(1) == "halted event"
        until(lambda: clinic.values() == [1, 3], "the event behind it")

    assert (clinic.halts(), clinic.letters()) == ([], [(1, "discarded", 1)])


@pytest.mark.stack
def test_discarding_passes_over_no_other_event(clinic: Clinic) -> None:
    """The offset was set back by hand: an event before the halted one would be skipped."""
    clinic.publish((1, 1), (2, POISON))
    clinic.run_once(clinic.definition(Stop(), poison={POISON}))
    clinic.connection.execute(SET_BACK)

    with pytest.raises(ConfigurationError, match="comes before @1"):
        clinic.discard(1)

    assert (clinic.halts(), clinic.letters()) == ([(1, 1)], [])


@pytest.mark.stack
@pytest.mark.parametrize("offset", [0, 3, 99])
def test_only_what_waits_can_be_discarded(clinic: Clinic, offset: int) -> None:
    """An event that was applied, a marker and the future are refused, and nothing is written."""
    clinic.publish((1, 1), (2, 2), (3, POISON))
    clinic.run_once(clinic.definition(Stop(), poison={POISON}))

    with pytest.raises(ConfigurationError, match="is set aside or halted at"):
        clinic.discard(offset)

    assert clinic.letters() == []


@pytest.mark.stack
def test_what_was_set_aside_or_given_up_stays_so_when_it_is_read_again(ill: Clinic) -> None:
    """Offsets were set back by hand, as if nothing had been read: no process ends by that."""
    ill.discard(0)
    ill.discard(1)
    ill.connection.execute(SET_BACK)

    ill.run_once(ill.definition(DeadLetter(), poison={POISON}))

    assert ill.letters() == [(0, "discarded", 2), (1, "discarded", 0), (2, "waiting", 1)]


@pytest.mark.stack
def test_the_command_lists_letters_without_their_content(
    ill: Clinic, capsys: pytest.CaptureFixture[str]
) -> None:
    """Sizes and states are told; neither payload, key, nor the text of the error."""
    capsys.readouterr()
    command = ["projection", "dead-letters", "--json", "--database-url", ill.database_url]

    assert exit_code(command) == 0
    told: list[dict[str, Any]] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["offset"], each["state"]) for each in told] == [
        (0, "waiting"),
        (1, "behind"),
        (2, "waiting"),
    ]
    assert told[0].keys().isdisjoint({"key", "data", "metadata", "error"})
