"""The pages of docs/how-to are stories that are true: each runs on a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from mainstem.postgres.migration.roles import ROLES
from tests.contrib.django.running import url
from tests.docs.console import Shell
from tests.docs.story import ROOT, Story, left_out

PAGES = sorted((ROOT / "docs" / "how-to").glob("*.md"))
STORIES = [page for page in PAGES if page.stem != "flink"]
"""What needs Flink, which takes 0.9 GB, is lived through by test_flink.py, every night."""
NEEDS_KAFKA = "mainstem replicate"
LIBPQ = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "dbname": "PGDATABASE"}


@pytest.fixture
def _no_roles_left(database_url: str) -> Iterator[None]:
    """Drop the roles that a page creates: they belong to the whole server."""
    yield
    with psycopg.connect(database_url, autocommit=True) as connection:
        for role in ("web", *ROLES):
            connection.execute(f"DROP ROLE IF EXISTS shop_{role}")


@pytest.mark.stack
@pytest.mark.usefixtures("_no_roles_left", "fresh_database")  # In this order: owners go last.
@pytest.mark.parametrize("page", STORIES, ids=lambda page: page.stem)
def test_every_block_of_the_page_does_what_it_says(
    page: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fresh_database: str,
    request: pytest.FixtureRequest,
) -> None:
    """A reader who follows the page succeeds: take every step, in an empty folder.

    The traceback of a failure names the block's line.
    """
    shell = Shell(tmp_path)
    shell.variables["DATABASE_URL"] = url(fresh_database)
    if NEEDS_KAFKA in page.read_text(encoding="utf-8"):
        shell.variables["KAFKA_BOOTSTRAP"] = request.getfixturevalue("kafka_bootstrap")
    for key, value in conninfo_to_dict(fresh_database).items():
        if key in LIBPQ:
            shell.variables[LIBPQ[key]] = str(value)
    monkeypatch.chdir(tmp_path)
    for example in Story(shell, monkeypatch).blocks(page):
        example.evaluate()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_block_of_the_page_is_left_out(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A block of a kind that nothing runs is noticed: count the fences another way."""
    story = Story(Shell(tmp_path), monkeypatch)

    assert story.blocks(page)
    assert not left_out(story, page)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_one_sentence_on_a_line(page: Path) -> None:
    """Changes are read line by line: no line of prose holds the end of two sentences."""
    text = page.read_text(encoding="utf-8")
    prose = [line for line in outside_blocks(text).splitlines() if not line.startswith("|")]
    long = [line for line in prose if ". " in line.rstrip(". ").replace("e.g. ", "")]

    assert not long


def outside_blocks(text: str) -> str:
    """The page's prose."""
    return "".join(text.split("```")[::2])
