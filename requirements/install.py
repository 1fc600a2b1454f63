"""Make .venv and install exactly what requirements/dev.txt locks; `make setup` runs this.

`make newest` names another folder and another lock. It needs nothing but Python, and only the
standard library of an old one to say that it is too old.
"""

import shutil
import subprocess
import sys
from pathlib import Path

PYTHON_MIN = (3, 11)
FOLDER, LOCK = sys.argv[1:] or (".venv", "requirements/dev.txt")
PYTHON = FOLDER + "/bin/python"
UV = FOLDER + "/bin/uv"


def main() -> None:
    """Leave a complete environment behind, or stop with one sentence on what is missing."""
    if sys.version_info < PYTHON_MIN:
        version = ".".join(map(str, sys.version_info[:3]))
        sys.exit(
            "error: Mainstem needs Python 3.11 or newer; this is " + version + "\n\n"
            "hint: make setup PYTHON=/path/to/python3.11"
        )
    if not Path(FOLDER, "bin/pip").exists():
        make_environment()
    locked = ["--require-hashes", "-r"]
    run(PYTHON, "-m", "pip", "install", "-q", *locked, "requirements/uv.txt")
    # uv takes seconds where pip takes a minute; pip knows more ways to reach an index.
    if not attempt(UV, "pip", "install", "-q", "-p", PYTHON, *locked, LOCK):
        run(PYTHON, "-m", "pip", "install", "-q", *locked, LOCK)
    run(PYTHON, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "-e", ".")


def make_environment() -> None:
    """A fresh .venv with pip; half a one is removed again."""
    if attempt(sys.executable, "-m", "venv", "--clear", FOLDER):
        return
    shutil.rmtree(FOLDER, ignore_errors=True)
    sys.exit(
        "error: " + sys.executable + " -m venv failed\n\n"
        "hint: on Debian and Ubuntu: apt-get install python3-venv; on others, use a Python"
        " that has venv and ensurepip: make setup PYTHON=/path/to/python3"
    )


def attempt(*command: str) -> bool:
    """Run the command; say whether it succeeded."""
    return subprocess.call(command) == 0


def run(*command: str) -> None:
    """Run the command; stop with its exit code where it fails."""
    code = subprocess.call(command)
    if code != 0:
        sys.exit("error: " + " ".join(command) + " exited with code " + str(code))


if __name__ == "__main__":
    main()
