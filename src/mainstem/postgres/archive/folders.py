"""The folder of an archive: where a month is written, and how its file gets its name.

A file is never overwritten: a month that is archived again, because late events came, gets
another name, `2026-01-2.parquet`. What has not got a name yet lies under `.unfinished-…`.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Final

from mainstem.errors import ConfigurationError
from mainstem.postgres import naming
from mainstem.postgres.migration.months import Month

UNFINISHED: Final = ".unfinished-"
NAMES_MAX: Final = 99
"""Files of one month."""
NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""What mounts without hard links say."""


@contextmanager
def on_disk(folder: Path) -> Iterator[None]:
    """Raise ConfigurationError for what the operating system refuses while a month is archived."""
    try:
        yield
    except OSError as error:
        raise unwritable(folder, error.strerror or type(error).__name__) from error


def unwritable(folder: Path, reason: str) -> ConfigurationError:
    """The folder cannot be written to, for this reason."""
    return ConfigurationError(
        f"the folder {folder} cannot be written to: {reason}; the table is as it was",
        hint="mend or change the folder, then archive the month again",
    )


@contextmanager
def workplace(folder: Path, topic: str, month: Month) -> Iterator[Path]:
    """A new place for what is unfinished, gone at the end; those of attempts that died go first.

    The caller holds the lock of the topic's month, so that no attempt is alive.
    """
    directory = folder / naming.checked(topic)
    prefix = f"{UNFINISHED}{month.text}-"
    with on_disk(folder):
        directory.mkdir(parents=True, exist_ok=True)
        for stale in directory.glob(f"{prefix}*"):
            shutil.rmtree(stale)
        place = Path(tempfile.mkdtemp(prefix=prefix, dir=directory))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def publish(part: Path, file: Path) -> None:
    """Give a complete part its name, on disk when it returns; without it if that fails."""
    with on_disk(file.parent.parent):
        link(part, file)
    try:
        keep(file)
    except ConfigurationError:
        with suppress(OSError):
            file.unlink()
        raise


def keep(file: Path) -> None:
    """Have a file and its name on disk: an attempt that died may have gone without."""
    with on_disk(file.parent.parent):
        sync(file)
        sync(file.parent)


def link(part: Path, file: Path) -> None:
    """A name for the part that replaces no other file."""
    try:
        os.link(part, file)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        # A rename replaces what is there. The lock of the topic's month keeps others away.
        if file.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(file)) from error
        part.rename(file)


def sync(path: Path) -> None:
    """Have a file, or the entries of a folder, on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def free_name(folder: Path, topic: str, month: Month) -> Path:
    """The month's file, or the first number that is free."""
    directory = folder / naming.checked(topic)
    numbered = (f"{month.text}-{number}" for number in count(2))
    for name in (month.text, *(next(numbered) for _ in range(NAMES_MAX - 1))):
        if not (directory / f"{name}.parquet").exists():
            return directory / f"{name}.parquet"
    raise ConfigurationError(f"{directory} holds {NAMES_MAX} files of {month.text} already")


def files_of(folder: Path, topic: str, month: str = "????-??") -> list[Path]:
    """The complete files of a topic, or of one month of it; ConfigurationError if unreadable."""
    directory = folder / naming.checked(topic)
    checked_folder(folder)
    try:
        # Not `glob`, which passes over what it may not read: months would be missing silently.
        names = os.listdir(directory)  # noqa: PTH208  # As the comment says.
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigurationError(
            f"the archive {directory} cannot be read: {error.strerror}",
            hint="mend its permissions or its mount",
        ) from error
    return sorted(directory / name for name in fnmatch.filter(names, f"{month}*.parquet"))


def checked_folder(folder: Path) -> Path:
    """The folder; ConfigurationError unless it is one, for then its months would be missing."""
    if not folder.is_dir():
        raise ConfigurationError(
            f"the archive {folder} is not a folder",
            hint="name the folder that `mainstem topic archive` was given by --to, or make it",
        )
    return folder
