"""The frame of all commands: quick, lazy, and exact about how it ends."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest

from mainstem.cli.group import COMMANDS, children, mainstem
from mainstem.cli.main import exit_code, report
from mainstem.errors import ConfigurationError, MainstemError, ServerUnavailable
from mainstem.refusals import refusal

HELP_CPU_S_MAX = 0.2
RUN = "from mainstem.cli.main import run; run()"


def mainstem_process(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that runs this code with these arguments."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


def cpu_of_help_s() -> float:
    """CPU seconds, user and system, of one `mainstem --help`."""
    devnull = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    command = [sys.executable, "-c", RUN, "--help"]
    pid = os.posix_spawn(sys.executable, command, os.environ, file_actions=devnull)
    _, status, usage = os.wait4(pid, 0)
    assert status == 0
    return usage.ru_utime + usage.ru_stime


def options(command: click.Command) -> list[click.Option]:
    """The options of a command and of all commands below it."""
    own = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    return own + [option for child in children(command).values() for option in options(child)]


def test_help_costs_less_than_200_ms_of_cpu() -> None:
    """Start-up time is a feature: take the quickest of three, so that a busy machine is fair."""
    assert min(cpu_of_help_s() for _ in range(3)) < HELP_CPU_S_MAX


def test_help_loads_no_command_and_no_driver() -> None:
    """The overview is written from the table: look at what a process has loaded after it."""
    code = (
        "import sys; from mainstem.cli.main import exit_code; exit_code(['--help']);"
        "sys.exit(' '.join(sorted(sys.modules)))"
    )
    loaded = mainstem_process(code).stderr.split()

    assert "mainstem.cli.group" in loaded
    assert not {"rich", "psycopg", "confluent_kafka", "fastavro", "asyncio"} & set(loaded)
    assert not {entry.place.partition(":")[0] for entry in COMMANDS.values()} & set(loaded)


def test_version_is_the_installed_one(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` is data: one line on stdout."""
    assert exit_code(["--version"]) == 0
    assert capsys.readouterr().out.startswith("mainstem 0.")


def test_without_a_command_the_overview_is_narration(capsys: pytest.CaptureFixture[str]) -> None:
    """A bare `mainstem` is a usage error that shows the way, on stderr."""
    assert exit_code([]) == 2

    output = capsys.readouterr()
    assert output.out == ""
    assert "replicate" in output.err


@pytest.mark.parametrize("arguments", [["nope"], ["explain", "--nope"], ["explain", "a", "b"]])
def test_a_usage_error_has_the_form_of_all_errors(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """What click refuses reads like our own errors: error, blank line, hint; exit code 2."""
    assert exit_code(arguments) == 2

    error, blank, hint = capsys.readouterr().err.splitlines()
    assert error.startswith("error: ")
    assert blank == ""
    assert hint.startswith("hint: mainstem")
    assert hint.endswith("--help")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("x is y", hint="z"), 2),
        (ServerUnavailable("PostgreSQL at h:1 is away", hint="z"), 3),
        (refusal("slot-lost", "slot s was invalidated"), 4),
    ],
)
def test_the_class_of_an_error_is_its_exit_code(
    error: MainstemError, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script reads what to do from the code, a person from the text."""
    assert report(error) == code
    assert capsys.readouterr().err == f"error: {error.message}\n\nhint: {error.hint}\n"


def test_a_missing_click_names_the_extra() -> None:
    """Without the extra the command says what to install: hide click from a process."""
    done = mainstem_process(f"import sys; sys.modules['click'] = None; {RUN}", "up")

    assert done.returncode == 2
    assert done.stderr == (
        "error: the command line needs the optional dependencies [cli]\n\n"
        "hint: pip install 'mainstem[cli]'\n"
    )


def test_an_error_that_nobody_foresaw_is_not_taken_for_a_difference() -> None:
    """Exit code 1 means that a command found something: break the table, see 4 and a traceback."""
    code = (
        "from mainstem.cli import group; entry = group.Entry('mainstem.cli.nowhere:x', 'x');"
        f"group.COMMANDS['explain'] = entry; {RUN}"
    )
    done = mainstem_process(code, "explain")

    assert done.returncode == 4
    assert "Traceback" in done.stderr
    assert "error: unexpected ModuleNotFoundError" in done.stderr


def test_a_reader_that_leaves_ends_a_command_quietly() -> None:
    """`mainstem explain | head -1` is a normal end: close the pipe before the command writes."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-c", RUN, "explain"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, timeout=30, check=False)
    os.close(writing)

    assert done.returncode == 0
    assert done.stderr == b""


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_table_is_there(name: str) -> None:
    """The table's places are strings, so look each of them up; its help has a first line."""
    command = mainstem.get_command(click.Context(mainstem), name)

    assert command is not None
    assert command.help


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_variable_that_its_help_shows(name: str) -> None:
    """Containers set options by MAINSTEM_… variables: render each command's help."""
    parent = click.Context(mainstem, info_name="mainstem", auto_envvar_prefix="MAINSTEM")
    command = mainstem.get_command(parent, name)
    assert command is not None

    for option in options(command):
        context = click.Context(command, parent=parent, info_name=name)
        record = option.get_help_record(context)
        assert option.hidden or (record is not None and "MAINSTEM_" in record[1]), option.name
