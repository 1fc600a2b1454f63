"""The group of all commands: its table names them, and each is imported when it is called."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import click

from mainstem import config


class Entry(NamedTuple):
    """Where a command lives, and the one line that the overview shows."""

    place: str
    summary: str


COMMANDS = {
    "up": Entry("mainstem.cli.stack:up", "Start PostgreSQL and Kafka on this machine."),
    "status": Entry("mainstem.cli.stack:status", "Show what runs, and its addresses."),
    "down": Entry("mainstem.cli.stack:down", "Stop what `up` started."),
    "demo": Entry("mainstem.cli.demo:demo", "Real orders, kills, and a proof at the end."),
    "init": Entry("mainstem.cli.init:init", "Create the schema objects that topics share."),
    "topic": Entry("mainstem.cli.topic:topic", "Create topics, look after their partitions."),
    "replicate": Entry("mainstem.cli.replicate:replicate", "Carry events to Kafka, exactly once."),
    "project": Entry("mainstem.cli.project:project", "Keep read models up to date, exactly once."),
    "projection": Entry(
        "mainstem.cli.projection:projection", "List read models, mend and rebuild them."
    ),
    "stream": Entry("mainstem.cli.stream:stream", "Run stream applications, exactly once."),
    "tail": Entry("mainstem.cli.tail:tail", "Print events as they come."),
    "show": Entry("mainstem.cli.show:show", "Print one event, decoded."),
    "verify": Entry("mainstem.cli.verify:verify", "Compare a table with its Kafka topic."),
    "migrate": Entry("mainstem.cli.migrate:migrate", "Bring schema objects to this version."),
    "roles": Entry("mainstem.cli.roles:roles", "Create database roles of least privilege."),
    "explain": Entry("mainstem.cli.explain:explain", "Explain an error or refusal by its name."),
}
"""In the order in which a newcomer meets them."""


class LazyGroup(click.Group):
    """A group whose overview imports none of its commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  # click's signature.
        """The names, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  # As above.
        """Import the command; each of its options shows its variable in the help."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module, _, name = entry.place.partition(":")
        command = getattr(import_module(module), name)
        assert isinstance(command, click.Command), f"{entry.place} is no command"
        show_variables(command)
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a reader that has had enough (`| head`) is a normal end."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # What is still buffered must not fail once more when the interpreter ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  # As above.
        """Write the overview from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


def show_variables(command: click.Command) -> None:
    """Let the help name the MAINSTEM_… variable of each option, in sub-commands too."""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            parameter.show_envvar = True
    for child in children(command).values():
        show_variables(child)


def children(command: click.Command) -> Mapping[str, click.Command]:
    """The sub-commands of a group; none of a plain command."""
    return command.commands if isinstance(command, click.Group) else {}


def defaults(command: click.Command, section: Mapping[str, object], path: str) -> dict[str, Any]:
    """A command's section of mainstem.toml as click wants it; a key that is no option is refused.

    A key is the option's long name with underscores: `--batch-events-max` is `batch_events_max`.
    """
    parameters = {
        max(parameter.opts, key=len).lstrip("-").replace("-", "_"): parameter.name or ""
        for parameter in command.params
        if isinstance(parameter, click.Option)
    }
    nested = children(command)
    found: dict[str, Any] = {}
    for key, value in section.items():
        if key in nested and isinstance(value, Mapping):
            found[key] = defaults(nested[key], value, f"{path}.{key}")
        elif key in parameters:
            found[parameters[key]] = value
        else:
            raise config.unknown_key(key, [*parameters, *nested], path)
    return found


CONTEXT = {
    "auto_envvar_prefix": "MAINSTEM",
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
    "show_default": True,
}


@click.command(cls=LazyGroup, context_settings=CONTEXT)
@click.version_option(
    package_name="mainstem", message="%(prog)s %(version)s", allow_from_autoenv=False
)
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    default=config.FILE_NAME,
    envvar="MAINSTEM_CONFIG",
    show_envvar=True,
    help="Settings file; absent is fine.",
)
@click.pass_context
def mainstem(context: click.Context, file: Path) -> None:
    """Events saved in your PostgreSQL transaction, exactly once in Kafka.

    Settings: option, then MAINSTEM_… variable, then mainstem.toml, then a stack that runs here.
    """
    settings = config.load(file, COMMANDS)
    context.obj = settings
    name = context.invoked_subcommand or ""
    section = settings.commands.get(name)
    if section and (command := mainstem.get_command(context, name)):
        context.default_map = {name: defaults(command, section, name)}
