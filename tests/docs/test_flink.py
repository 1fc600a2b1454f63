"""The page on Flink is true: what it quotes always, and its whole story every night."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.contrib.django.running import url
from tests.docs.console import Shell
from tests.docs.story import ROOT, Story
from tests.examples.flink import FLINK
from tests.examples.flink.environment import environment

PAGE = ROOT / "docs" / "how-to" / "flink.md"
TIMEOUT_S = 900


@pytest.fixture
def shell(
    tmp_path: Path, fresh_database: str, kafka_bootstrap: str, registry_url: str
) -> Iterator[Shell]:
    """A copy of the example, with its environment; what runs in the background there ends."""
    shutil.copytree(FLINK, tmp_path, dirs_exist_ok=True)
    (tmp_path / "flink").symlink_to(environment())
    shell = Shell(tmp_path)
    shell.variables |= {
        "DATABASE_URL": url(fresh_database),
        "KAFKA_BOOTSTRAP": kafka_bootstrap,
        "SCHEMA_REGISTRY_URL": registry_url,
    }
    yield shell
    for note in tmp_path.glob("*.pid"):
        with suppress(ProcessLookupError):
            os.kill(int(note.read_text(encoding="utf-8")), signal.SIGKILL)


@pytest.mark.nightly
@pytest.mark.stack
@pytest.mark.timeout(TIMEOUT_S)
def test_every_block_of_the_page_does_what_it_says(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader who follows the page succeeds: take every step, in a copy of the example."""
    for block in Story(shell, monkeypatch).blocks(PAGE):
        block.evaluate()


def test_the_statements_of_the_page_are_those_of_the_example(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reader sees what runs: look each statement up in the example."""
    story = Story(Shell(tmp_path), monkeypatch)
    quoted = [block for block in story.blocks(PAGE) if block.region.evaluator == story.sql]
    for block in quoted:
        block.evaluate()

    assert len(quoted) == (FLINK / "revenue.sql").read_text(encoding="utf-8").count(";") + 1
