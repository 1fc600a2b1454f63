"""A document that is lived through: its blocks run from top to bottom, in a folder of its own."""

from __future__ import annotations

import io
import re
import tomllib
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
from sybil import Document, Example
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser

from tests.docs.console import Shell, commands, lasting

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^ *(?:```|~~~)\S", re.MULTILINE)
BLOCK = re.compile(r"(?ms)^```.*?^```$")
INDENTED = re.compile(r"^(?: {4}|\t)\S", re.MULTILINE)
TARGET = re.compile(r"^([a-z]+):", re.MULTILINE)
SERVERS = ("DATABASE_URL", "KAFKA_BOOTSTRAP")
FILE = re.compile(r"# (?P<path>[\w./-]+\.[a-z]+)(?P<more> \(at the end\))?\n")
"""The first line of a block that is a file; `(at the end)` of one that is there."""
INSTALL = re.compile(r"pip install '?mainstem\[([a-z,]+)\]'?.*")
LOCKED = re.compile(r".*pip install --require-hashes -r (\S+)")


@dataclass
class Story:
    """What each kind of block does, and what the last one printed."""

    shell: Shell
    monkeypatch: pytest.MonkeyPatch
    printed: str = ""

    def blocks(self, document: Path) -> list[Example]:
        """The document's blocks of the kinds that we can run, in their order."""
        kinds = {
            "python": self.python,
            "console": self.console,
            "text": self.text,
            "toml": self.file,
            "ini": self.file,
            "sql": self.sql,
        }
        parsers = [CodeBlockParser(language, run) for language, run in kinds.items()]
        return list(Document.parse(str(document), *parsers).examples())

    def python(self, example: Example) -> None:
        """Write a file, or run with the names of the blocks before it, where the servers are."""
        if FILE.match(example.parsed):
            self.file(example)
            return
        for name in SERVERS:
            if name in self.shell.variables:
                self.monkeypatch.setenv(name, self.shell.variables[name])
        with redirect_stdout(io.StringIO()) as printed:
            PythonEvaluator()(example)
        self.printed = printed.getvalue()

    def file(self, example: Example) -> None:
        """Write the file that the first line names, or the end of it."""
        head = FILE.match(example.parsed)
        assert head is not None, "the first line names no file"
        path = self.shell.folder / head["path"]
        assert path.exists() == bool(head["more"]), f"{head['path']} is there, or is not"
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(f"{example.parsed}\n")

    def text(self, example: Example) -> None:
        """Compare with what the Python above it printed."""
        assert self.printed == example.parsed

    def sql(self, example: Example) -> None:
        """Compare with the statements of the examples, which run there."""
        files = (ROOT / "examples").rglob("*.sql")
        assert any(example.parsed in path.read_text(encoding="utf-8") for path in files)

    def console(self, example: Example) -> None:
        """Run each command and compare what the block shows.

        A command for which the block shows nothing may print what it likes.
        """
        for command in commands(example.parsed):
            if looked_up(command.text):
                continue
            printed = self.shell.run(command.text)
            if command.output:
                assert lasting(printed) == lasting(command.output), command.text


def looked_up(command: str) -> bool:
    """Whether this is a command that would go too far: what it names is looked up instead."""
    if command.startswith("make "):
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert command.split()[1] in TARGET.findall(makefile), command
        return True
    locked = LOCKED.fullmatch(command)
    if locked is not None:
        assert list((ROOT / "examples").rglob(locked[1])), command
        return True
    install = INSTALL.fullmatch(command)
    if install is None:
        return False
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(install[1].split(",")) <= project["optional-dependencies"].keys(), command
    return True


def left_out(story: Story, document: Path) -> list[str]:
    """Blocks that nothing would run, found by counting the fences in another way."""
    text = document.read_text(encoding="utf-8")
    blocks, fences = len(story.blocks(document)), len(FENCE.findall(text))
    told = [] if blocks == fences else [f"{fences - blocks} of {fences} blocks"]
    return told + INDENTED.findall(BLOCK.sub("", text))
