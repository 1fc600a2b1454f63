"""Each house rule catches a planted violation and lets a clean module pass."""

from __future__ import annotations

import pytest

from tests.tidy import rules

CLEAN = '"""A module."""\n\n\ndef one() -> int:\n    """One."""\n    return 1\n'
LONG = "x = 1\n" * (rules.FILE_LINES_MAX + 1)
LONG_FUNCTION = "def f():\n" + "    x = 1\n" * rules.FUNCTION_LINES_MAX
# Taken apart, so that this file does not break the rule itself.
LEFT = "# TO" + "DO: later\n"
NOQA = "import os  # no" + "qa: F401\n"
IGNORE = "x = f()  # type: " + "ignore\n"
EXPORT = "from mainstem.event import Event\n"
WHOLE_FILE = "# ruff: no" + "qa\n"

PLANTED = [
    (rules.file_size, "src/a.py", LONG, "401 lines"),
    (rules.function_size, "src/a.py", LONG_FUNCTION, "src/a.py:1: f has 51 lines"),
    (rules.function_size, "src/a.py", "async " + LONG_FUNCTION, "f has 51 lines"),
    (rules.module_name, "src/mainstem/utils.py", "", "utils names no thing"),
    (rules.module_name, "src/mainstem/common/x.py", "", "common names no thing"),
    (rules.module_name, "tests/_helpers.py", "", "_helpers names no thing"),
    (rules.sleeps, "tests/a.py", "import time\ntime.sleep(1)\n", "tests/a.py:2: wait"),
    (rules.sleeps, "tests/a.py", "async def f():\n    await asyncio.sleep(0)\n", "a.py:2: wait"),
    (rules.sleeps, "tests/a.py", "from time import sleep\nsleep(1)\n", "tests/a.py:2: wait"),
    (rules.leftovers, "src/a.py", "x = 1\n" + LEFT, "src/a.py:2"),
    (rules.inline_sql, "src/a.py", 'q = "SELECT 1"\n', "src/a.py:1: SQL"),
    (rules.inline_sql, "src/a.py", 'q = f"""\n  DELETE FROM {t}"""\n', "SQL outside"),
    (rules.exports, "src/mainstem/__init__.py", EXPORT, "Event is offered"),
    (rules.exports, "src/mainstem/a/__init__.py", '__all__ = ["Event"]\n', "Event is offered"),
    (rules.suppressions, "src/a.py", NOQA, "code and a reason"),
    (rules.suppressions, "src/a.py", IGNORE, "code and a reason"),
    (rules.suppressions, "src/a.py", WHOLE_FILE, "code and a reason"),
]
ALLOWED = [
    (rules.inline_sql, "src/statements.py", 'q = "SELECT 1"\n'),
    (rules.inline_sql, "src/a.py", 'def f():\n    """SELECT is what this plans."""\n'),
    (rules.inline_sql, "src/a.py", 'hint = "Select one of them"\n'),
    (rules.sleeps, "tests/a.py", 'connection.execute("select pg_sleep(1)")\n'),
    (rules.exports, "src/mainstem/__init__.py", EXPORT + '__all__ = ["Event"]\n'),
    (rules.exports, "src/mainstem/wal/__init__.py", EXPORT),
    (rules.suppressions, "src/a.py", NOQA.rstrip() + "  # Imported for its effect.\n"),
    (rules.suppressions, "src/a.py", IGNORE.rstrip() + "[call-arg]  # The stub is wrong.\n"),
]


@pytest.mark.parametrize(("rule", "path", "text", "expected"), PLANTED)
def test_a_planted_violation_is_caught(
    rule: rules.Rule, path: str, text: str, expected: str
) -> None:
    """A rule that never fires protects nothing: break each one once."""
    wrong = rule(path, text)

    assert len(wrong) == 1
    assert expected in wrong[0]


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [*ALLOWED, *((rule, "src/mainstem/a.py", CLEAN) for rule in (*rules.IN_SOURCE, rules.sleeps))],
)
def test_what_is_right_passes(rule: rules.Rule, path: str, text: str) -> None:
    """A rule with false alarms gets switched off: show each one what it must let pass."""
    assert rule(path, text) == []


def test_a_file_missing_from_architecture_is_caught() -> None:
    """The list is compared both ways: leave a file out, name one that is not there."""
    text = "- `a.py`: the first.\n- `gone.py`: no more.\n- `a.py`: once more.\n"

    assert rules.unlisted(text, {"a.py", "room/b.py"}) == [
        "room/b.py has no line in ARCHITECTURE.md",
        "gone.py is in ARCHITECTURE.md only",
        "a.py has two lines in ARCHITECTURE.md",
    ]


@pytest.mark.parametrize("name", ["3.feature.md", "first.added.md", "3.added.txt", "README"])
def test_a_fragment_that_towncrier_passes_over_is_caught(name: str) -> None:
    """A fragment with a wrong name would vanish silently: try some."""
    assert rules.fragment(name, "Something.")


def test_a_fragment_must_say_something() -> None:
    """An empty fragment makes an empty line for users; a good one passes."""
    assert rules.fragment("3.added.md", "\n")
    assert rules.fragment("+first.added.md", "Something.") == []


def test_refusals_are_found_by_their_literal_names() -> None:
    """Names are read from calls in any form: by function, through the module, raised or not."""
    text = 'raise refusal("a-b", "text")\nx = refusals.refusal("c-d", f"{y}")\nrefusal(name, "")\n'

    assert rules.refusal_calls("p.py", text) == [("p.py:1", "a-b"), ("p.py:2", "c-d")]
    assert rules.strings(text) >= {"a-b", "c-d", "text"}
