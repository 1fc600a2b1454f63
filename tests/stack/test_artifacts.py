"""Jars are run only if they are the pinned ones."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mainstem.errors import StackError
from mainstem.stack.artifacts import Artifact, complete, kafka_artifacts, pinned
from mainstem.stack.stack import silent

CONTENT = b"a jar"
ARTIFACT = Artifact(hashlib.sha256(CONTENT).hexdigest(), "org.example", "tool", "1.0")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder that holds what is pinned."""
    (tmp_path / ARTIFACT.file_name).write_bytes(CONTENT)
    return tmp_path


def test_a_complete_folder_is_accepted(folder: Path) -> None:
    """Verify a folder that holds exactly the pinned file: nothing is raised or fetched."""
    complete(folder, [ARTIFACT], "Jars", pytest.fail)


def test_a_jar_with_another_checksum_is_refused_by_name(folder: Path) -> None:
    """Change one byte of a jar: it must be named, with both checksums and the remedy."""
    (folder / ARTIFACT.file_name).write_bytes(b"A jar")

    with pytest.raises(StackError, match=rf"tool-1\.0\.jar has SHA-256 .*{ARTIFACT.sha256}") as got:
        complete(folder, [ARTIFACT], "Jars", silent)

    assert "remove" in got.value.hint


def test_a_jar_that_nobody_pinned_is_refused_by_name(folder: Path) -> None:
    """Put a foreign jar beside: Java would load it, so it must be refused."""
    (folder / "intruder.jar").write_bytes(b"")

    with pytest.raises(StackError, match=r"intruder\.jar does not belong there"):
        complete(folder, [ARTIFACT], "Jars", silent)


def test_kafkas_list_names_each_jar_once() -> None:
    """Read the list in the package: 46 different files with whole checksums."""
    artifacts = kafka_artifacts()

    assert len({artifact.file_name for artifact in artifacts}) == len(artifacts) == 46
    assert {len(artifact.sha256) for artifact in artifacts} == {64}
    assert "kafka_2.13-4.3.1.jar" in {artifact.file_name for artifact in artifacts}


def test_a_coordinate_may_carry_packaging_and_classifier() -> None:
    """Read a line of five parts: the file's name is Maven's."""
    (artifact,) = pinned("00  org.example:tool:1.0:tar.gz:all\n")

    assert artifact.file_name == "tool-1.0-all.tar.gz"
