"""Console blocks of a document: commands that run in a shell, and what they are said to print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

PROMPT = "$ "
TIMEOUT_S = 100.0
BINARIES = Path(sys.executable).parent

PASSING = [
    (re.compile(r"\b\d\d:\d\d:\d\d\.\d{3}\b"), "<time>"),
    (re.compile(r"127\.0\.0\.1:\d+"), "<address>"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "<hash>"),
    (re.compile(r"\b[0-9a-f]{4}…"), "<key>"),
    (re.compile(r"\b[0-9A-F]{1,8}/[0-9A-F]{1,8}\b"), "<lsn>"),
    (re.compile(r"\b\d+\.\d s\b"), "<seconds>"),
    (re.compile(r"\b[\d,]+/s\b"), "<rate>"),
    (re.compile(r" +"), " "),
]
"""What differs from run to run, and what stands for it. Counts and texts must be as they are."""
FIRST_TIME = re.compile(r"(?:✓ )?(?:Kafka jars|Java|PostgreSQL's data)\b.*")
"""What `mainstem up` says only where the jars are new, or PostgreSQL cannot work in the folder."""
ANSWERED = "✓"
"""Servers start side by side, so their lines come in any order."""


class Command(NamedTuple):
    """A command of a block, and the output that the block shows for it."""

    text: str
    output: str


def commands(block: str) -> list[Command]:
    """The commands of a console block; each is a line that begins with a prompt."""
    parts = re.split(rf"^{re.escape(PROMPT)}", block, flags=re.MULTILINE)
    assert not parts[0].strip(), "a console block begins with a command"
    return [Command(*part.rstrip("\n").partition("\n")[::2]) for part in parts[1:]]


def lasting(output: str) -> str:
    """The output without what differs from run to run, and from machine to machine."""
    for pattern, replacement in PASSING:
        output = pattern.sub(replacement, output)
    lines = [line.strip() for line in output.strip().splitlines()]
    lines = [line for line in lines if not FIRST_TIME.fullmatch(line)]
    answers = sorted(line for line in lines if line.startswith(ANSWERED))
    return "\n".join(answers + [line for line in lines if line not in answers])


@dataclass
class Shell:
    """A shell in a folder of its own, whose exported variables last from command to command."""

    folder: Path
    variables: dict[str, str] = field(default_factory=lambda: dict(os.environ))

    def __post_init__(self) -> None:
        """Find the commands of this environment first, and no servers but those of the story."""
        self.variables["PATH"] = f"{BINARIES}:{self.variables['PATH']}"
        for name in list(self.variables):
            if name in {"DATABASE_URL", "KAFKA_BOOTSTRAP"} or name.startswith("MAINSTEM_"):
                del self.variables[name]

    def run(self, command: str) -> str:
        """All that the command prints; an AssertionError if it fails."""
        kept = self.folder / "variables"
        done = subprocess.run(
            ["bash", "-c", f"set -eu\n{command}\nenv -0 > {kept}"],
            cwd=self.folder,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert done.returncode == 0, f"{command} exited {done.returncode}:\n{done.stdout}"
        self.variables = dict(pairs(kept.read_text(encoding="utf-8")))
        return done.stdout


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """Names and values of `env -0`."""
    for entry in text.split("\0"):
        if entry:
            name, _, value = entry.partition("=")
            yield name, value
