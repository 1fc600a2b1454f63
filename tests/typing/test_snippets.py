"""The public types as Pyright reads them; mypy reads the same snippets with all other tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def problems(folder: Path) -> list[str]:
    """What Pyright has to say about the snippets of this folder."""
    command = [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable]
    command += ["--project", str(folder / "pyrightconfig.json"), "--outputjson"]
    answer = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    report = json.loads(answer)
    assert report["summary"]["filesAnalyzed"] == len(list((HERE / "snippets").glob("*.py")))
    return [
        f"{Path(each['file']).name}:{each['range']['start']['line'] + 1}: {each['message']}"
        for each in report["generalDiagnostics"]
        if each["severity"] in {"error", "warning"}
    ]


def test_the_public_types_are_what_the_snippets_say() -> None:
    """Every line is right, or is the error that it says it is: ask Pyright, with no exception."""
    assert problems(HERE) == []


def test_a_wrong_line_is_found(tmp_path: Path) -> None:
    """The check has teeth: add a wrong line that does not say so, and one that says so wrongly."""
    (tmp_path / "snippets").mkdir()
    for path in (HERE / "pyrightconfig.json", *(HERE / "snippets").glob("*.py")):
        text = path.read_text(encoding="utf-8")
        if path.name == "saving.py":
            text += "EVENT.payload.nothing\nprint(EVENT.key)  # pyright: ignore[reportCallIssue]\n"
        (tmp_path / path.relative_to(HERE)).write_text(text, encoding="utf-8")

    found = "\n".join(problems(tmp_path))

    assert 'attribute "nothing"' in found
    assert 'Unnecessary "# pyright: ignore" rule' in found
