"""A killed test run leaves no servers behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from mainstem.stack.process import Launch, start
from mainstem.stack.state import StackState, Started, save

GUARDED = """
import sys, signal
from pathlib import Path
from mainstem.stack.guard import guarded
with guarded(Path(sys.argv[1])):
    print("guarded", flush=True)
    signal.pause()
"""


def test_a_stack_ends_with_the_process_that_guards_it(tmp_path: Path) -> None:
    """SIGKILL a process within `guarded`: the server ends and the folder goes."""
    server = start(
        Launch([sys.executable, "-c", "import signal; signal.pause()"], tmp_path), tmp_path / "log"
    )
    directory = tmp_path / ".mainstem"
    directory.mkdir()
    save(directory, StackState(servers={"kafka": Started("Kafka", "nowhere", server, 0.0)}))
    command = [sys.executable, "-c", GUARDED, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline() == "guarded\n"

        owner.kill()

    assert server.ended(20)
