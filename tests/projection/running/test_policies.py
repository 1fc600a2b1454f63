"""What becomes of events that cannot be applied, and how they are mended."""

from __future__ import annotations

from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as some

from mainstem import StoredEvent
from mainstem.errors import ConfigurationError
from mainstem.projection.policy import DeadLetter, Policy, Retry, Stop
from mainstem.projection.setaside.deciding import pause_s, sets_aside
from mainstem.projection.setaside.repairing import Chosen, Repair, discard
from tests.projection.running import journal
from tests.projection.running.journal import PsycopgJournal
from tests.projection.running.scene import Scene, Sold, until

RETRIES = some.builds(
    Retry,
    attempts=some.integers(1, 2000),
    first_s=some.floats(0.001, 1),
    factor=some.floats(1, 10),
    max_s=some.floats(1, 100),
)


@pytest.fixture
def mended(monkeypatch: pytest.MonkeyPatch) -> object:
    """Call it to mend the handlers."""
    return lambda: monkeypatch.setattr(journal, "checked", lambda event: (event.id, "mended"))


@given(RETRIES, some.integers(1, 3000))
def test_pauses_grow_to_their_bound_and_end(policy: Retry, attempts: int) -> None:
    """A pause is within its bounds, never shorter than the one before, and there is a last one."""
    pause = pause_s(policy, attempts)

    assert (pause is None) == (attempts >= policy.attempts)
    if pause is not None:
        assert policy.first_s <= pause <= policy.max_s
        assert attempts == 1 or pause >= (pause_s(policy, attempts - 1) or 0)


@pytest.mark.parametrize(
    ("policy", "aside"),
    [(Stop(), False), (DeadLetter(), True), (Retry(), False), (Retry(then=DeadLetter()), True)],
)
def test_the_policy_says_what_comes_last(policy: Policy, *, aside: bool) -> None:
    """Look at each policy."""
    assert sets_aside(policy) is aside


def test_pauses_that_cannot_grow_are_refused() -> None:
    """No attempts, and a factor that shrinks."""
    with pytest.raises(ConfigurationError):
        Retry(attempts=0)
    with pytest.raises(ConfigurationError):
        Retry(factor=0.5)


def test_a_retry_that_succeeds_leaves_no_trace(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The handler fails twice and succeeds the third time."""
    failures = iter([True, True, False])

    def flaky(event: StoredEvent[Sold]) -> tuple[int, str]:
        if event.payload.bad and next(failures):
            raise journal.Poisoned
        return event.id, "sold"

    monkeypatch.setattr(journal, "checked", flaky)
    definition = scene.define(PsycopgJournal, Retry(attempts=4, first_s=0.01))
    scene.publish([Sold(number=0, bad=True)])
    scene.drain(definition)

    assert scene.rows("SELECT id FROM journal") == [(1,)]
    assert scene.rows("SELECT 1 FROM _mainstem.projection_halts") == []


def test_bytes_that_are_no_event_are_treated_as_one_that_fails(scene: Scene) -> None:
    """They become a dead letter, with what they were."""
    definition = scene.define(PsycopgJournal, DeadLetter())
    scene.publish_rubbish(0)
    scene.publish([Sold(number=1)], partition=0)
    scene.drain(definition)

    assert scene.rows("SELECT id FROM journal") == [(1,)]
    assert scene.rows("SELECT key, data, event_id FROM _mainstem.dead_letters") == [
        (b"k", b"rubbish", None)
    ]


def test_a_halt_tells_no_payload_and_one_attempt_is_made_at_each_start(scene: Scene) -> None:
    """The note of the halt names place and class; attempts add up over three starts."""
    definition = scene.define(PsycopgJournal)
    scene.publish([Sold(number=0, bad=True)])
    for _ in range(3):
        scene.drain(definition)

    assert scene.one("SELECT attempts FROM _mainstem.projection_halts") == 3
    assert "secret" not in " ".join(scene.told.notes)
    assert all("Poisoned" in note for note in scene.told.notes)


def test_a_running_projector_goes_on_when_its_halt_is_cleared(scene: Scene, mended: object) -> None:
    """The cause is mended, `resume` clears the halt, and nobody starts anything anew."""
    definition = scene.define(PsycopgJournal)
    scene.publish([Sold(number=n, bad=n == 1) for n in range(4)], partition=0)
    with (
        scene.running(definition) as projector,
        closing(Repair(definition, scene.dsn, scene.registry)) as repair,
    ):
        until(lambda: projector.halted)
        mended()  # type: ignore[operator]  # It is the fixture's function.
        resumed = repair.resume(Chosen())
        until(lambda: len(scene.rows("SELECT 1 FROM journal")) == 4)

    assert resumed == [(scene.topic, 0)]
    assert scene.rows("SELECT id FROM journal ORDER BY place") == [(1,), (2,), (3,), (4,)]
    assert scene.rows("SELECT 1 FROM _mainstem.projection_halts") == []


def test_letters_are_applied_in_the_order_of_their_key(scene: Scene, mended: object) -> None:
    """Three events of a key are set aside; a retry that fails changes nothing, the next does."""
    definition = scene.define(PsycopgJournal, DeadLetter())
    scene.publish([Sold(number=n, bad=n == 0) for n in range(11)], partition=0)
    scene.drain(definition)
    with closing(Repair(definition, scene.dsn, scene.registry)) as repair:
        failed = list(repair.retry(Chosen()))
        attempts = scene.rows('SELECT attempts FROM _mainstem.dead_letters ORDER BY "offset"')
        mended()  # type: ignore[operator]  # As above.
        applied = list(repair.retry(Chosen(scene.topic, 0)))

    assert [(each.applied, each.failed_at) for each in failed] == [(0, 0)]
    assert attempts == [(2,), (0,), (0,)]
    assert [(each.applied, each.failed_at) for each in applied] == [(3, None)]
    ids = [row[0] for row in scene.rows("SELECT id FROM journal ORDER BY place")]
    assert ids[-3:] == [1, 6, 11]
    assert sorted(ids) == list(range(1, 12))


def test_a_freed_key_is_applied_at_once_again(scene: Scene, mended: object) -> None:
    """Beside a running projector, letters are retried; the next event of the key goes through."""
    definition = scene.define(PsycopgJournal, DeadLetter())
    with scene.running(definition):
        scene.publish([Sold(number=n, bad=n == 0) for n in range(6)], partition=0)
        until(lambda: len(scene.rows("SELECT 1 FROM _mainstem.dead_letters")) == 2)
        mended()  # type: ignore[operator]  # As above.
        with closing(Repair(definition, scene.dsn, scene.registry)) as repair:
            list(repair.retry(Chosen()))
        scene.publish([Sold(number=n) for n in range(5)], partition=0)
        until(lambda: len(scene.rows("SELECT 1 FROM journal")) == 11)

    assert scene.rows("SELECT 1 FROM _mainstem.dead_letters") == []


def test_what_is_discarded_is_kept_and_passed(scene: Scene) -> None:
    """A halted event is given up: its row stays, and the rest is applied."""
    definition = scene.define(PsycopgJournal)
    scene.publish([Sold(number=n, bad=n == 1) for n in range(3)], partition=0)
    scene.drain(definition)
    what = discard(scene.dsn, scene.kafka, definition.group, (scene.topic, 0, 1))
    scene.drain(definition)

    assert what == "halted event"
    assert scene.rows("SELECT id FROM journal ORDER BY place") == [(1,), (3,)]
    assert scene.rows('SELECT "offset", state, event_id FROM _mainstem.dead_letters') == [
        (1, "discarded", 2)
    ]


def test_only_what_stands_in_the_way_can_be_discarded(scene: Scene) -> None:
    """An event that was applied is none of it."""
    definition = scene.define(PsycopgJournal)
    scene.publish([Sold(number=0)], partition=0)
    scene.drain(definition)

    with pytest.raises(ConfigurationError, match="nothing of"):
        discard(scene.dsn, scene.kafka, definition.group, (scene.topic, 0, 0))
