"""The tree keeps the house rules."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import mainstem
from mainstem.refusals import REFUSALS
from tests.tidy import rules

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "mainstem"


def modules(folder: str) -> Iterator[tuple[str, str]]:
    """Path from the root and text of each module below the folder."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("folder", "rule"),
    [
        *(("src", rule) for rule in rules.IN_SOURCE),
        *(("tests", rule) for rule in rules.IN_TESTS),
        *(("bench", rule) for rule in rules.IN_BENCH),
        *(("examples", rule) for rule in rules.IN_BENCH),
    ],
)
def test_every_module_keeps_the_rule(folder: str, rule: rules.Rule) -> None:
    """Each rule holds for each module of the folder: apply it to all of them."""
    wrong = [line for path, text in modules(folder) for line in rule(path, text)]

    assert not wrong, "\n".join(wrong)


def test_the_root_offers_what_it_lists() -> None:
    """`__all__` of the root is real: look each name up."""
    missing = [name for name in mainstem.__all__ if not hasattr(mainstem, name)]

    assert mainstem.__all__
    assert not missing


def test_architecture_lists_the_tree() -> None:
    """A newcomer finds each file in ARCHITECTURE.md: compare its list with the tree.

    A room's `__init__.py` is described by the room's own paragraph.
    """
    rooms = {"__init__.py"}
    files = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py")}
    files = {name for name in files if Path(name).name not in rooms} | rooms

    wrong = rules.unlisted((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"), files)

    assert not wrong, "\n".join(wrong)


def test_every_changelog_fragment_reaches_the_changelog() -> None:
    """A fragment with a wrong name would vanish silently: check the names, and that they speak."""
    paths = [path for path in (ROOT / "changelog.d").iterdir() if not path.name.startswith(".")]
    wrong = [
        line
        for path in paths
        for line in rules.fragment(path.name, path.read_text(encoding="utf-8"))
    ]

    assert not wrong, "\n".join(wrong)


def test_every_refusal_that_is_raised_is_explained() -> None:
    """No code refuses by a name that `mainstem explain` does not know: read all calls."""
    calls = [call for path, text in modules("src") for call in rules.refusal_calls(path, text)]
    wrong = [f"{where}: {name} is not in REFUSALS" for where, name in calls if name not in REFUSALS]

    assert calls
    assert not wrong, "\n".join(wrong)


def test_every_explained_refusal_is_raised() -> None:
    """The table promises no refusal that the code never makes: look for each name in the code."""
    used = set[str]().union(
        *(rules.strings(text) for path, text in modules("src") if not path.endswith("refusals.py"))
    )
    unused = sorted(set(REFUSALS) - used)

    assert not unused
