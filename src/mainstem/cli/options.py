"""Options that commands share: where the servers are, and how to print.

Each address is looked for in this order: option, MAINSTEM_… variable, the plain variable that
other tools use, mainstem.toml, a stack that runs in ./.mainstem; then an error says all of these.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mainstem.config import Settings
from mainstem.errors import ConfigurationError

F = TypeVar("F", bound=Callable[..., Any])

STACK_FIELDS = {
    "database_url": "database_url",
    "kafka_bootstrap": "kafka_bootstrap",
    "schema_registry_url": "registry_url",
}
"""Our names of the addresses, and the fields of a running stack that hold them."""


def database_option(function: F) -> F:
    """`--database-url`: a command parameter `database_url: str`, never empty."""
    return address("--database-url", "Address of PostgreSQL: postgresql://…")(function)


def optional_database_option(function: F) -> F:
    """`--database-url`: a command parameter `database_url: str | None`, for schemas alone."""
    purpose = "Address of PostgreSQL, where schemas stand if no registry is given."
    return address("--database-url", purpose, required=False)(function)


def kafka_option(function: F) -> F:
    """`--kafka-bootstrap`: a command parameter `kafka_bootstrap: str`, never empty."""
    return address("--kafka-bootstrap", "Address of Kafka: host:port,…")(function)


def registry_option(function: F) -> F:
    """`--schema-registry-url`: a parameter `schema_registry_url: str | None`."""
    purpose = "Confluent-compatible registry; otherwise schemas stand in PostgreSQL."
    return address("--schema-registry-url", purpose, required=False)(function)


def json_option(function: F) -> F:
    """`--json`: a command parameter `as_json: bool`; stdout then carries NDJSON."""
    return click.option(
        "--json", "as_json", is_flag=True, envvar="MAINSTEM_JSON", help="Print JSON lines."
    )(function)


def metrics_options(function: F) -> F:
    """`--metrics-port` and `--metrics-host`: parameters `metrics_port: int | None` and `…host`."""
    host = click.option(
        "--metrics-host", default="127.0.0.1", help="Where metrics and health are served."
    )
    port = click.option(
        "--metrics-port",
        type=click.IntRange(0, 65535),
        help="Serve /metrics, /health/live and /health/ready; 0 takes a free port.",
    )
    return port(host(function))


def address(option: str, purpose: str, *, required: bool = True) -> Callable[[F], F]:
    """An option for the address of a server, with all the places it may come from."""
    variable = option.removeprefix("--").replace("-", "_").upper()
    return click.option(
        option,
        envvar=[f"MAINSTEM_{variable}", variable],
        metavar="ADDRESS",
        callback=demanded if required else found,
        help=purpose,
    )


def demanded(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The address; ConfigurationError where no place holds one."""
    value = found(context, parameter, value)
    if value is None and not context.resilient_parsing:
        option = parameter.opts[0]
        raise ConfigurationError(
            f"{option} is not set",
            hint=f"mainstem up starts a server here; or give {option},"
            f" MAINSTEM_{(parameter.name or '').upper()}, or {parameter.name} in mainstem.toml",
        )
    return value


def found(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The address from the first place that holds one."""
    if value or context.resilient_parsing:
        return value
    name = parameter.name or ""
    settings = context.find_object(Settings) or Settings()
    return settings.addresses.get(name) or of_running_stack(STACK_FIELDS[name])


def of_running_stack(field: str) -> str | None:
    """The address in a stack that runs in ./.mainstem; None where there is no such stack."""
    if not Path(".mainstem").is_dir():
        return None
    from mainstem.stack.state import running

    state = running(Path(".mainstem"))
    address: str | None = getattr(state, field) if state else None
    return address
