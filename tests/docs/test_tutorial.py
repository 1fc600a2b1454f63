"""The tutorial is a story that is true: a newcomer takes every step and sees what it says."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from mainstem.stack.guard import guarded
from mainstem.stack.ports import choose
from mainstem.stack.stack import Stack
from tests.docs.console import Shell
from tests.docs.story import ROOT, Story, left_out
from tests.docs.test_how_to import outside_blocks

TUTORIAL = ROOT / "docs" / "tutorial.md"
TIMEOUT_S = 30.0
CONNECTS_MAX = 8


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """An empty folder; what runs in the background there, and the servers, end with the test."""
    shell, stack = Shell(tmp_path), Stack(tmp_path / ".mainstem")
    with guarded(stack.directory):
        try:
            yield shell
        finally:
            for note in tmp_path.glob("*.pid"):
                with suppress(ProcessLookupError):
                    os.kill(int(note.read_text(encoding="utf-8")), signal.SIGKILL)
            stack.down(wipe=True)


@pytest.mark.stack
@pytest.mark.slow
def test_every_step_of_the_tutorial_does_what_it_says(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Aim: newcomers succeed. Method: take all steps; before the last, look at the page itself.

    The traceback of a failure names the block's line.
    """
    port = choose(set())
    shell.variables["UVICORN_PORT"] = str(port)
    *steps, end = Story(shell, monkeypatch).blocks(TUTORIAL)
    for step in steps:
        step.evaluate()
    transport = httpx.HTTPTransport(retries=CONNECTS_MAX)
    address = f"http://127.0.0.1:{port}"
    with httpx.Client(transport=transport, base_url=address, timeout=TIMEOUT_S) as visitor:
        page = visitor.get("/").text
        with visitor.stream("GET", "/changes") as changes:
            first = next(line for line in changes.iter_lines() if line.startswith("data: "))
    end.evaluate()

    assert "Revenue by country" in page
    assert json.loads(first.removeprefix("data: ")) == [
        ["Norway", "32.51"],
        ["Spain", "20.00"],
        ["France", "8.05"],
    ]


def test_no_block_of_the_tutorial_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block of a kind that nothing runs is noticed: count the fences another way."""
    assert not left_out(Story(Shell(tmp_path), monkeypatch), TUTORIAL)


def test_the_tutorial_has_one_sentence_on_a_line() -> None:
    """Changes are read line by line: no line of prose holds the end of two sentences."""
    prose = outside_blocks(TUTORIAL.read_text(encoding="utf-8")).splitlines()
    prose = [line.lstrip("#0123456789. ") for line in prose]

    assert not [line for line in prose if ". " in line.rstrip(". ")]
