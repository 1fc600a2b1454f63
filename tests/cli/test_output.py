"""What goes where: data on stdout, narration on stderr, bars for terminals only."""

from __future__ import annotations

import io
import json
import sys
import threading

import pytest

from mainstem.cli import output

WAIT_S = 10


class Log(io.StringIO):
    """A stream that is no terminal and tells when a line has arrived."""

    def __init__(self) -> None:
        """Nothing has arrived."""
        super().__init__()
        self.arrived = threading.Event()

    def write(self, text: str) -> int:
        """Keep the text, wake up who waits."""
        count = super().write(text)
        self.arrived.set()
        return count


def test_data_and_narration_take_separate_ways(capsys: pytest.CaptureFixture[str]) -> None:
    """Print both kinds; a pipe sees the data alone."""
    output.data("result")
    output.narrate("working")

    assert capsys.readouterr() == ("result\n", "working\n")


def test_json_is_one_line_whatever_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    """NDJSON must survive line breaks and other alphabets."""
    value = {"text": "a\nb", "name": "Zürich", "count": 3}
    output.data_json(value)

    text = capsys.readouterr().out
    assert text.count("\n") == 1
    assert "Zürich" in text
    assert json.loads(text) == value


def test_a_log_gets_plain_lines_instead_of_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    """No control codes reach a file: take a stream that is no terminal, wait for a line."""
    log = Log()
    monkeypatch.setattr(sys, "stderr", log)
    monkeypatch.setattr(output, "PLAIN_INTERVAL_S", 0.01)
    with output.progress() as bars:
        task = bars.add_task("saved", total=2000)
        bars.add_task("read", total=None)
        bars.advance(task, 1500)
        log.arrived.clear()
        arrived = log.arrived.wait(WAIT_S)

    assert arrived
    assert "saved: 1,500 of 2,000" in log.getvalue()
    assert "read: 0" in log.getvalue()
    assert "\x1b" not in log.getvalue()


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR is a promise to people who cannot read colours."""
    monkeypatch.setenv("NO_COLOR", "1")

    assert output.console().no_color
    assert output.console().stderr
