"""`mainstem explain NAME`: what an error or refusal means and what to do, without any server."""

from __future__ import annotations

import difflib
import inspect
from typing import NamedTuple

import click

from mainstem.cli.main import EXIT_CODES
from mainstem.cli.options import json_option
from mainstem.cli.output import data, data_json
from mainstem.errors import ConfigurationError, MainstemError, Refusal, kebab_case
from mainstem.refusals import REFUSALS, REFUSED_LINES


class Page(NamedTuple):
    """All that is known of one name."""

    name: str
    kind: str
    meaning: str
    why: str
    remedy: str
    exit_code: int


@click.command()
@click.argument("name", required=False)
@json_option
def explain(name: str | None, as_json: bool) -> None:
    """Explain an error or refusal by its NAME; without one, list all names.

    The class of an error is a name as well: TopicExists is topic-exists.
    """
    known = pages()
    if name is None:
        for page in known.values():
            show_line(page, as_json)
        return
    wanted = kebab_case(name)
    if wanted not in known:
        raise unknown_name(name, list(known))
    show_page(known[wanted], as_json)


def pages() -> dict[str, Page]:
    """Every refusal of the table and every class of error, by name."""
    code = EXIT_CODES[Refusal.retry]
    found = [Page(name, "refusal", *text, code) for name, text in REFUSALS.items()]
    found += [Page(name, "refused line", *text, 0) for name, text in REFUSED_LINES.items()]
    return {page.name: page for page in found + error_pages(MainstemError)}


def error_pages(parent: type[MainstemError]) -> list[Page]:
    """The page of each class below this one; refusals have pages of their own."""
    found: list[Page] = []
    for cls in parent.__subclasses__():
        # Other modules may derive errors of their own; the tree of errors.py is what is public.
        if cls.__module__ == MainstemError.__module__ and cls is not Refusal:
            meaning = inspect.cleandoc(cls.__doc__ or "")
            name, code = kebab_case(cls.__name__), EXIT_CODES[cls.retry]
            found.append(Page(name, "error", meaning, "", cls.remedy, code))
            found += error_pages(cls)
    return found


def show_line(page: Page, as_json: bool) -> None:
    """One line of the overview."""
    if as_json:
        data_json(page._asdict())
    else:
        data(f"{page.name:28}{page.meaning.splitlines()[0]}")


def show_page(page: Page, as_json: bool) -> None:
    """The whole page."""
    if as_json:
        data_json(page._asdict())
        return
    data(f"{page.name} ({page.kind}, exit code {page.exit_code})")
    for title, text in (("meaning", page.meaning), ("why", page.why), ("remedy", page.remedy)):
        if text:
            data(f"\n{title + ':':9}{text}")


def unknown_name(name: str, known: list[str]) -> ConfigurationError:
    """The error that names the nearest names."""
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else "mainstem explain lists all names"
    return ConfigurationError(f"no error or refusal is called {name}", hint=hint)
