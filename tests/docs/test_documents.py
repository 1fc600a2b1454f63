"""The other documents are true where a machine can tell: tables, names, links, form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from mainstem.refusals import REFUSALS
from mainstem.replicator.line import MOVES, State
from mainstem.wal.pgoutput import Begin, Commit

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
EXACTLY_ONCE = DOCS / "exactly-once.md"
PAGES = sorted((DOCS / "decisions").glob("*.md"))
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
STATES = re.compile(r"<!-- states -->\n(.*)<!-- end of states -->", re.DOTALL)
SECTIONS = ["Context", "Decision", "Consequences"]


def drawing(moves: Mapping[tuple[State, type], frozenset[State]]) -> str:
    """The table of states as a document shows it."""
    lines = ["| state | meaning | on Begin | on Commit |", "|---|---|---|---|"]
    for state in State:
        cells = [
            " or ".join(after.name for after in State if after in moves.get((state, message), ()))
            for message in (Begin, Commit)
        ]
        columns = [state.name, state.value, *(cell or "refused" for cell in cells)]
        lines.append(f"| {' | '.join(columns)} |")
    return "\n".join(lines) + "\n"


def test_the_table_of_states_is_drawn_from_the_code() -> None:
    """The document shows the moves that the line makes: draw the table anew and compare."""
    shown = STATES.search(EXACTLY_ONCE.read_text(encoding="utf-8"))

    assert shown is not None
    assert shown[1] == drawing(MOVES)


def test_every_refusal_of_the_document_exists_and_none_is_left_out() -> None:
    """The document names the refusals that the code knows, all but the server's own settings."""
    words = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", EXACTLY_ONCE.read_text(encoding="utf-8")))

    assert words == set(REFUSALS) - {"wal-level", "replication-privilege"}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(document: Path) -> None:
    """A link into the project has a target: look each of them up."""
    links = LINK.findall(document.read_text(encoding="utf-8"))
    missing = [link for link in links if not (document.parent / link).exists()]

    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_decision_has_the_form_of_the_template(page: Path) -> None:
    """Number, date and the three sections stand where a reader looks for them."""
    text = page.read_text(encoding="utf-8")
    number = "NNNN" if page.name.startswith("0000") else page.name[:4]

    assert re.match(rf"# {number}: \S.*\n\nDate: [\dYMD]{{4}}-[\dYMD]{{2}}-[\dYMD]{{2}}\n\n", text)
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS


def test_decisions_are_numbered_without_gaps() -> None:
    """A page is never lost or numbered twice: count them."""
    assert [int(page.name[:4]) for page in PAGES] == list(range(len(PAGES)))
