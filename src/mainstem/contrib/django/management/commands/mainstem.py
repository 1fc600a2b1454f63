"""`manage.py mainstem …`: our command line, with the addresses that Django's settings hold."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from mainstem.cli.main import exit_code, report
from mainstem.contrib.django import settings
from mainstem.contrib.django.database import conninfo
from mainstem.errors import MainstemError


class Command(BaseCommand):
    """Passes everything on; an option or exit code means here what it means there."""

    help = "The mainstem command line, for the database that MAINSTEM names."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        """Take all that follows as it is."""
        parser.add_argument(
            "arguments",
            nargs=argparse.REMAINDER,
            metavar="…",
            help="for example: topic create order_events, verify order_events, or --help",
        )

    def run_from_argv(self, argv: list[str]) -> None:
        """Run from `manage.py`, whose own options come before the command's name."""
        sys.exit(run(argv[2:]))

    def handle(self, *_: Any, **options: Any) -> None:
        """Run from `call_command`; SystemExit unless it went well."""
        code = run(options["arguments"])
        if code:
            sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command line to its end; wrong settings are told as the command line tells them."""
    try:
        with addressed():
            return exit_code(arguments)
    except MainstemError as error:
        return report(error)


@contextmanager
def addressed() -> Iterator[None]:
    """Let our commands find the servers of Django's settings; an option still goes before."""
    current = settings.current()
    given = {"MAINSTEM_DATABASE_URL": conninfo(current.database)}
    if current.schema_registry_url is not None:
        given["MAINSTEM_SCHEMA_REGISTRY_URL"] = current.schema_registry_url
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
