"""MODULE:NAME on the command line -> the projection or stream application there."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mainstem.errors import ConfigurationError

if TYPE_CHECKING:
    from mainstem.projection.definition import Definition
    from mainstem.streams import StreamApp


def definition_at(place: str) -> Definition:
    """What the class at `package.module:Class` says; modules of this folder are found, too.

    ConfigurationError for a place where there is no projection.
    """
    from mainstem.projection.definition import Projection, define

    module, name = parted(place, "MODULE:CLASS", "shop.projections:RevenueByCountry")
    found: Any = getattr(loaded(module), name, None)
    if not (isinstance(found, type) and issubclass(found, Projection)):
        raise ConfigurationError(
            f"the module {module} holds no projection {name}",
            hint="MODULE:CLASS names a subclass of mainstem.projection.Projection",
        )
    return define(found)


def application_at(place: str) -> StreamApp:
    """The application at `package.module:name`; modules of this folder are found, too.

    ConfigurationError for a place where there is none, MissingExtra without the engine.
    """
    from mainstem.streams import StreamApp

    module, name = parted(place, "MODULE:APP", "shop.streams:big_orders")
    found: Any = getattr(loaded(module), name, None)
    if not isinstance(found, StreamApp):
        raise ConfigurationError(
            f"the module {module} holds no stream application {name}",
            hint="MODULE:APP names a function under @stream_app",
        )
    return found


def parted(place: str, form: str, example: str) -> tuple[str, str]:
    """Module and name; ConfigurationError for what is not of this form."""
    module, _, name = place.partition(":")
    if not module or not name:
        raise ConfigurationError(f"{place!r} is no {form}", hint=f"write {example}")
    return module, name


def loaded(name: str) -> Any:
    """The module; ConfigurationError where there is none. What it raises itself goes on."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
            raise
        raise ConfigurationError(
            f"there is no module {name}, neither installed nor below {here}",
            hint="run it in the folder that holds the package",
        ) from error
