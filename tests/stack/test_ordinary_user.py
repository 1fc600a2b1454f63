"""The stack needs no rights: an ordinary user starts it as root does."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mainstem.stack.account import reachable
from mainstem.stack.artifacts import cache
from mainstem.stack.kafka import VERSION

pytestmark = [pytest.mark.stack, pytest.mark.slow]

TIMEOUT_S = 60.0


@pytest.fixture
def home() -> Iterator[Path]:
    """A home of the ordinary user, with the jars that are in the cache already."""
    with tempfile.TemporaryDirectory(prefix="ordinary-", dir="/var/tmp") as name:
        folder = Path(name)
        folder.chmod(0o711)
        jars = cache() / f"kafka-{VERSION}"
        if jars.is_dir():
            shutil.copytree(jars, folder / ".cache" / "mainstem" / jars.name)
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            for path in (folder, *folder.rglob("*")):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
        yield folder


def as_ordinary_user() -> list[str]:
    """What to put before a command so that an ordinary user runs it; nothing for one of them."""
    if os.geteuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    command = ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]
    if not reachable(Path(sys.executable).parent) or not reachable(Path(sys.base_prefix)):
        # Python itself may lie under /root: let the user read it there, and nothing more.
        reading = "+dac_read_search"
        command += [f"--inh-caps={reading}", f"--ambient-caps={reading}"]
    return command


def test_an_ordinary_user_starts_and_stops_the_stack(home: Path) -> None:
    """Run up, status and down as `nobody`, in a folder of that user's."""
    if os.geteuid() == 0 and shutil.which("setpriv") is None:
        pytest.skip("setpriv (util-linux) is needed to become an ordinary user")
    hidden = ("DATABASE_URL", "KAFKA_BOOTSTRAP", "XDG_CACHE_HOME")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    environment |= {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}

    def mainstem(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-c", "from mainstem.cli.main import run; run()", *arguments]
        return subprocess.run(
            [*as_ordinary_user(), *program],
            cwd=home,
            env=environment,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    up = mainstem("up")
    status = mainstem("status", "-o", "env")
    owner = (home / ".mainstem" / "postgres" / "data").stat().st_uid
    down = mainstem("down", "--wipe")

    assert up.returncode == 0, up.stderr
    assert status.stdout.startswith("export DATABASE_URL=postgresql://")
    assert owner == (os.geteuid() or pwd.getpwnam("nobody").pw_uid)
    assert down.returncode == 0, down.stderr
    assert not (home / ".mainstem").exists()
