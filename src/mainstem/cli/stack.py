"""`mainstem up`, `status` and `down`: development servers on this machine."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mainstem.cli.main import EXIT_CODES
from mainstem.cli.output import data, data_json, narrate
from mainstem.errors import Retry

if TYPE_CHECKING:
    from mainstem.stack.state import StackState

FOLDER = Path(".mainstem")
GIVEN_BY = {"postgres": ("PostgreSQL", "DATABASE_URL"), "kafka": ("Kafka", "KAFKA_BOOTSTRAP")}


@click.command()
@click.option("--registry", is_flag=True, help="Start a schema registry (Apicurio) as well.")
def up(registry: bool) -> None:
    """Start PostgreSQL and Kafka on this machine, for development.

    Data are kept in .mainstem of this folder. Where DATABASE_URL or KAFKA_BOOTSTRAP is set, that
    server is used and none is started. What runs already is left as it is.
    """
    from mainstem.stack.stack import Stack, StackSettings

    settings = StackSettings.of_environment()
    Stack(FOLDER, registry=registry, settings=settings).up(narrate)
    narrate("   Data              .mainstem (kept; mainstem down --wipe removes it)")
    narrate('   Shell             eval "$(mainstem status -o env)"')
    narrate("   development only: no passwords, one broker, this machine alone")


@click.command()
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice(["text", "env", "json"]),
    default="text",
    help="For people, for eval in a shell, or for programs.",
)
@click.pass_context
def status(context: click.Context, form: str) -> None:
    """Show what runs here, and its addresses; exit code 3 if not all of it runs."""
    from mainstem.stack.state import load

    state = load(FOLDER)
    if form == "json":
        data_json(as_json(state))
    elif not state.runs:
        narrate(f"{absence(state)}; mainstem up starts it")
    else:
        for line in exports(state) if form == "env" else overview(state):
            data(line)
    if not state.runs:
        context.exit(EXIT_CODES[Retry.LATER])


@click.command()
@click.option("--wipe", is_flag=True, help="Remove all data, too.")
def down(wipe: bool) -> None:
    """Stop what `mainstem up` started; data are kept unless --wipe."""
    from mainstem.stack.stack import Stack

    stopped = Stack(FOLDER).down(wipe=wipe)
    narrate(f"stopped: {', '.join(sorted(stopped))}" if stopped else "nothing runs here")
    if wipe:
        narrate(".mainstem is removed")


def overview(state: StackState) -> list[str]:
    """A line for each server: name, address, and how long it took to start."""
    given = [
        f"   {title:<17} from {variable}"
        for name, (title, variable) in GIVEN_BY.items()
        if name in state.given
    ]
    return given + [
        f"   {server.title:<17} {server.address:<44} {server.start_s or 0.0:5.1f} s"
        for server in state.servers.values()
    ]


def absence(state: StackState) -> str:
    """Why the stack counts as not running."""
    if state.dead:
        return f"ended without mainstem down: {', '.join(state.dead)}"
    return "nothing runs here"


def addresses(state: StackState) -> dict[str, str]:
    """Each address under the variable that tools look for."""
    found = {
        "DATABASE_URL": state.database_url,
        "KAFKA_BOOTSTRAP": state.kafka_bootstrap,
        "SCHEMA_REGISTRY_URL": state.registry_url,
    }
    return {variable: address for variable, address in found.items() if address}


def exports(state: StackState) -> list[str]:
    """Lines for `eval` in a shell."""
    return [f"export {name}={shlex.quote(value)}" for name, value in addresses(state).items()]


def as_json(state: StackState) -> dict[str, object]:
    """The whole status as one object."""
    servers = {
        name: {
            "title": server.title,
            "address": server.address,
            "pid": server.identity.pid,
            "running": name not in state.dead,
            "start_s": server.start_s,
        }
        for name, server in state.servers.items()
    }
    return {"running": state.runs, **addresses(state), "servers": servers}
