"""`mainstem explain` knows every name, and needs neither a server nor colours."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from mainstem.cli.explain import pages
from mainstem.cli.main import exit_code
from mainstem.refusals import REFUSALS


def test_a_page_tells_meaning_reason_and_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    """The page of a refusal holds the three texts of the table."""
    assert exit_code(["explain", "slot-lost"]) == 0

    page = capsys.readouterr().out
    for text in REFUSALS["slot-lost"]:
        assert text in page


def test_the_class_of_an_error_is_a_name(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever reads a traceback can ask with what stands there: TopicExists."""
    assert exit_code(["explain", "TopicExists"]) == 0
    assert capsys.readouterr().out.startswith("topic-exists (error, exit code 2)")


def test_every_error_and_refusal_has_a_page() -> None:
    """Whatever name stands in an error can be looked up; each page says at least what it means."""
    known = pages()

    assert set(REFUSALS) < set(known)
    assert {"unknown-topic", "server-unavailable", "missing-extra"} < set(known)
    assert all(page.meaning for page in known.values())
    assert {page.exit_code for page in known.values()} == {0, 2, 3, 4}


def test_the_list_is_complete(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a name all names are listed, one on each line; with --json as NDJSON."""
    assert exit_code(["explain"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert exit_code(["explain", "--json"]) == 0
    objects = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    assert [line.split()[0] for line in lines] == list(pages())
    assert [value["name"] for value in objects] == list(pages())


def test_an_unknown_name_is_met_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    """A slip of the finger is helped, exit code 2; nothing goes to stdout."""
    assert exit_code(["explain", "slot-lots"]) == 2

    output = capsys.readouterr()
    assert output.out == ""
    assert "error: no error or refusal is called slot-lots" in output.err
    assert "slot-lost" in output.err


def test_it_works_without_rich() -> None:
    """An operator's machine may lack the extra's other half: hide rich from a process."""
    code = "import sys; sys.modules['rich'] = None; from mainstem.cli.main import run; run()"
    command = [sys.executable, "-c", code, "explain", "slot-lost"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

    assert done.returncode == 0
    assert "remedy:" in done.stdout
