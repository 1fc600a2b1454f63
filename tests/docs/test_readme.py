"""README.md is a story that is true: its blocks run from top to bottom, and its tables hold."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from mainstem.cli.group import COMMANDS
from mainstem.cli.main import EXIT_CODES, EXIT_DIFFERENCE, EXIT_INTERRUPTED
from mainstem.stack.guard import guarded
from mainstem.stack.stack import Stack
from tests.docs.console import Shell
from tests.docs.story import ROOT, Story, left_out

README = ROOT / "README.md"


@pytest.mark.stack
@pytest.mark.slow
def test_every_block_of_the_readme_does_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newcomer's first steps succeed: take them all, in an empty folder, with servers of its own.

    The traceback of a failure names the block's line.
    """
    story = Story(Shell(tmp_path), monkeypatch)
    stack = tmp_path / ".mainstem"
    with guarded(stack):
        try:
            for example in story.blocks(README):
                example.evaluate()
        finally:
            Stack(stack).down(wipe=True)

    assert not stack.exists()


def test_no_block_of_the_readme_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block of a kind that nothing runs is noticed: count the fences another way."""
    story = Story(Shell(tmp_path), monkeypatch)

    assert not left_out(story, README)


def test_a_block_that_lies_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison has teeth: a wrong output, a failing command, names that are not there."""
    lies = ["$ echo one\ntwo\n", "$ false\n", "$ make coffee\n", "$ pip install 'mainstem[tea]'\n"]
    path = tmp_path / "lies.md"
    path.write_text("\n".join(f"```console\n{lie}```\n" for lie in lies), encoding="utf-8")
    blocks = Story(Shell(tmp_path), monkeypatch).blocks(path)

    assert len(blocks) == len(lies)
    for block in blocks:
        with pytest.raises(AssertionError):
            block.evaluate()


def test_the_table_of_commands_is_complete() -> None:
    """The README names each command once, in the order of the help: compare with the group."""
    named = re.findall(r"^\| `mainstem (\w+)` \|", README.read_text(encoding="utf-8"), re.MULTILINE)

    assert named == list(COMMANDS)


def test_the_table_of_exit_codes_is_complete() -> None:
    """The README explains each exit code: compare with those that the command line knows."""
    named = re.findall(r"^\| (\d+) \|", README.read_text(encoding="utf-8"), re.MULTILINE)
    known = {os.EX_OK, EXIT_DIFFERENCE, *EXIT_CODES.values(), EXIT_INTERRUPTED}

    assert [int(code) for code in named] == sorted(known)
