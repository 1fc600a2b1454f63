"""The verdict of the torture, and the program: each broken promise is counted and named."""

from __future__ import annotations

import json
from uuid import UUID, uuid4

import pytest

from mainstem.testing.torture import __main__ as program
from mainstem.testing.torture.stores import Followed
from mainstem.testing.torture.verdict import Ledger, judged

A, B = uuid4(), uuid4()
PRESENT = {A: [(1, "a1"), (2, "a2")], B: [(1, "b1")]}
ORDER = ["a1", "b1", "a2"]


def ledger() -> Ledger:
    """What the writers were told of it."""
    return Ledger(
        saved={"a1": (A, 1), "a2": (A, 2)}, conflicts=["x"], rolled_back=["y"], unknown=["b1", "z"]
    )


def followed(*tokens: str) -> list[Followed]:
    """What a follower saw."""
    places = {token: (key, v) for key, events in PRESENT.items() for v, token in events}
    return [Followed(str(at), *places[token], token) for at, token in enumerate(tokens)]


def broken(
    present: dict[UUID, list[tuple[int, str]]], told: Ledger, seen: list[Followed]
) -> dict[str, int]:
    """The promises that are broken."""
    verdict = judged(present, [told], ORDER, seen)
    assert verdict.holds == (not any(verdict.broken.values()))
    return {name: count for name, count in verdict.broken.items() if count}


def test_a_store_that_keeps_its_promises_holds() -> None:
    """Saved events are there, refused ones are not, unknown ones may be either."""
    verdict = judged(PRESENT, [ledger()], ORDER, followed(*ORDER))

    assert verdict.holds
    assert (verdict.events, verdict.saved, verdict.unknown, verdict.unknown_saved) == (3, 2, 2, 1)
    assert (verdict.conflicts, verdict.rolled_back, verdict.followed) == (1, 1, 3)


@pytest.mark.parametrize(
    ("events", "name"),
    [
        ([(1, "a1")], "lost"),
        ([(1, "a1"), (3, "a2")], "keys_with_gaps_or_repeats"),
        ([(1, "a2"), (2, "a1")], "lost"),
        ([(1, "a1"), (2, "a2"), (3, "a2")], "doubled"),
        ([(1, "a1"), (2, "a2"), (3, "x")], "saved_though_refused"),
        ([(1, "a1"), (2, "a2"), (3, "y")], "saved_though_refused"),
        ([(1, "a1"), (2, "a2"), (3, "?")], "of_nobody"),
    ],
)
def test_what_the_store_breaks_is_named(events: list[tuple[int, str]], name: str) -> None:
    """One change of what it holds: the promise that this breaks is among the broken."""
    assert name in broken({**PRESENT, A: events}, ledger(), followed(*ORDER))


@pytest.mark.parametrize(
    ("seen", "name"),
    [
        (["a1", "b1"], "follow_lost"),
        (["a1", "b1", "b1", "a2"], "follow_doubled"),
        (["a1", "a2", "b1"], "follow_reordered"),
    ],
)
def test_what_the_follower_breaks_is_named(seen: list[str], name: str) -> None:
    """One change of what it saw."""
    assert broken(PRESENT, ledger(), followed(*seen)) == {name: 1}


def test_a_follower_must_not_make_things_up() -> None:
    """An event that the store does not hold, or under another version."""
    seen = [*followed(*ORDER), Followed("9", B, 7, "q")]

    assert "follow_strange" in broken(PRESENT, ledger(), seen)


def test_without_a_known_order_versions_tell() -> None:
    """A store that cannot tell its order: within a key a follower must not go back."""
    seen = followed("a2", "a1", "b1")
    verdict = judged(PRESENT, [ledger()], None, seen)

    assert {name for name, count in verdict.broken.items() if count} == {"follow_reordered"}


@pytest.mark.parametrize(("store", "code"), [("Dictionary", 0), ("HastyDictionary", 1)])
def test_any_store_can_be_tortured(
    store: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One in memory, of two methods: it holds; with a bug it does not. The last line is JSON."""
    arguments = ["torture", "--store", f"tests.faults.torture_bugs:{store}"]
    arguments += ["--database-url", "memory", "--seconds", "0.3", "--writers", "4", "--keys", "3"]
    monkeypatch.setattr("sys.argv", arguments)
    answer = program.main()
    report = json.loads(capsys.readouterr().out)

    assert answer == code
    assert report["verdict"] == ("holds" if code == 0 else "broken")
    assert report["saved"] > 0
    assert (report["lost"] > 0) == (code == 1)


def test_an_unknown_store_is_a_wrong_option(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, and what to do."""
    monkeypatch.setattr("sys.argv", ["torture", "--store", "nothing", "--database-url", "memory"])

    assert program.main() == 2
    assert "package.module:factory" in capsys.readouterr().err
