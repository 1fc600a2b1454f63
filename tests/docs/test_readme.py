"""README.md is a story that is true: its blocks run from top to bottom, and its tables hold."""

from __future__ import annotations

import io
import os
import re
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from sybil import Document, Example
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

from mainstem.cli.group import COMMANDS
from mainstem.cli.main import EXIT_CODES, EXIT_DIFFERENCE, EXIT_INTERRUPTED
from mainstem.stack.guard import guarded
from mainstem.stack.stack import Stack
from tests.docs.console import Shell, commands, lasting

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
FENCE = re.compile(r"^ *(?:```|~~~)\S", re.MULTILINE)
TARGET = re.compile(r"^([a-z]+):", re.MULTILINE)
SERVERS = ("DATABASE_URL", "KAFKA_BOOTSTRAP")


@dataclass
class Story:
    """A document that is lived through: what each kind of block does, and what the last printed."""

    shell: Shell
    monkeypatch: pytest.MonkeyPatch
    printed: str = ""

    def blocks(self, document: Path) -> list[Example]:
        """The document's blocks of the kinds that we can run, in their order."""
        kinds = {"python": self.python, "console": self.console, "text": self.text}
        parsers = [CodeBlockParser(language, run) for language, run in kinds.items()]
        return list(Document.parse(str(document), *parsers).examples())

    def python(self, example: Example) -> None:
        """Run Python with the names of the blocks before it, where the shell's servers are."""
        for name in SERVERS:
            if name in self.shell.variables:
                self.monkeypatch.setenv(name, self.shell.variables[name])
        with redirect_stdout(io.StringIO()) as printed:
            PythonEvaluator()(example)
        self.printed = printed.getvalue()

    def text(self, example: Example) -> None:
        """Compare with what the Python above it printed."""
        assert self.printed == example.parsed

    def console(self, example: Example) -> None:
        """Run each command and compare what the block shows; look `make` up instead of running it.

        A command for which the block shows nothing may print what it likes.
        """
        for command in commands(example.parsed):
            if command.text.startswith("make "):
                assert command.text.split()[1] in TARGET.findall(makefile()), command.text
                continue
            printed = self.shell.run(command.text)
            if command.output:
                assert lasting(printed) == lasting(command.output), command.text


def makefile() -> str:
    """The Makefile's text."""
    return (ROOT / "Makefile").read_text(encoding="utf-8")


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
    blocks = Story(Shell(tmp_path), monkeypatch).blocks(README)
    fences = FENCE.findall(README.read_text(encoding="utf-8"))

    assert len(blocks) == len(fences)
    assert not re.search(r"^(?: {4}|\t)\S", outside_fences(), re.MULTILINE)


def outside_fences() -> str:
    """The README without its blocks."""
    return re.sub(r"(?ms)^```.*?^```$", "", README.read_text(encoding="utf-8"))


def test_a_block_that_lies_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison has teeth: a wrong output, a failing command, a target that is not there."""
    lies = ["$ echo one\ntwo\n", "$ false\n", "$ make coffee\n"]
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
