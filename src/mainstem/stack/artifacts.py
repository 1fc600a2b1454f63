"""Java artifacts: fetched by jgo without Maven or Java, kept in the user's cache, never trusted.

Each is pinned by coordinate and SHA-256. What is in the cache is hashed again at every start, and
a file that is wrong or does not belong there is refused by name.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, TypeAlias

from mainstem.errors import StackError

Say: TypeAlias = Callable[[str], None]

DOWNLOADS = 4
REQUEST_TIMEOUT_S = 30
TELL_INTERVAL_S = 2.0
MEGABYTE = 1_000_000


class Artifact(NamedTuple):
    """One file of a Maven repository, and what it must hash to."""

    sha256: str
    group: str
    name: str
    version: str
    packaging: str = "jar"
    classifier: str = ""

    @property
    def file_name(self) -> str:
        """Its name, there and here."""
        classifier = f"-{self.classifier}" if self.classifier else ""
        return f"{self.name}-{self.version}{classifier}.{self.packaging}"


def pinned(text: str) -> list[Artifact]:
    """Artifacts out of lines `sha256  group:name:version[:packaging:classifier]`."""
    lines = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return [Artifact(sha256, *coordinate.split(":")) for sha256, coordinate in lines]


def kafka_artifacts() -> list[Artifact]:
    """What Kafka needs at run time."""
    return pinned((files("mainstem.stack") / "jars.sha256").read_text(encoding="utf-8"))


def cache() -> Path:
    """Our folder in the user's cache; created if needed."""
    given = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(given) if given else Path.home() / ".cache") / "mainstem"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def complete(folder: Path, artifacts: list[Artifact], what: str, say: Say) -> None:
    """Fetch what the folder lacks, then verify all of it; StackError names what is wrong."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [artifact for artifact in artifacts if not (folder / artifact.file_name).exists()]
    if missing:
        fetch(folder, missing, what, say)
    names = {artifact.file_name for artifact in artifacts}
    for path in sorted(folder.iterdir()):
        if path.suffix == ".jar" and path.name not in names:
            raise refused(path, "does not belong there")
    for artifact in artifacts:
        verify(folder / artifact.file_name, artifact.sha256)


def verify(path: Path, sha256: str) -> None:
    """StackError if a file is not the one that was pinned."""
    found = digest(path)
    if found != sha256:
        raise refused(path, f"has SHA-256 {found}, not {sha256}")


def digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refused(path: Path, why: str) -> StackError:
    """The error for a file that must not be run."""
    return StackError(
        f"{path.name} {why}; nothing of it was run", hint=f"remove {path} and try again"
    )


def fetch(folder: Path, missing: list[Artifact], what: str, say: Say) -> None:
    """Fetch artifacts side by side; each reaches the folder whole and verified, or not at all."""
    began_s = told_s = time.monotonic()
    say(f"   {what}: fetching {counted(len(missing))}, first time only")
    size = 0
    with (
        tempfile.TemporaryDirectory(prefix="fetching-", dir=folder.parent) as scratch,
        ThreadPoolExecutor(DOWNLOADS) as pool,
    ):
        jobs = [pool.submit(fetch_one, one, Path(scratch), folder) for one in missing]
        try:
            for done, job in enumerate(as_completed(jobs), 1):
                size += job.result()
                if time.monotonic() - told_s > TELL_INTERVAL_S:
                    told_s = time.monotonic()
                    say(f"   {what}: {done} of {len(missing)}, {size / MEGABYTE:.0f} MB")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    seconds = time.monotonic() - began_s
    said = f"{counted(len(missing))}, {size / MEGABYTE:.0f} MB, checksums match"
    say(row(what, said, seconds))


def row(title: str, text: str, seconds: float) -> str:
    """One line of what is done."""
    return f" ✓ {title:<17} {text:<44} {seconds:5.1f} s"


def counted(number: int) -> str:
    """`46 files`, `1 file`."""
    return f"{number} file{'s' if number != 1 else ''}"


def fetch_one(artifact: Artifact, scratch: Path, folder: Path) -> int:
    """Fetch one artifact into the folder; its size."""
    # Slow to import, and needed the first time only.
    from jgo.maven import MavenContext  # noqa: PLC0415 - see above

    context = MavenContext(repo_cache=scratch, local_repos=[], timeout=REQUEST_TIMEOUT_S)
    component = context.project(artifact.group, artifact.name).at_version(artifact.version)
    try:
        path = component.artifact(artifact.classifier, artifact.packaging).resolve()
    except (OSError, RuntimeError) as error:
        raise StackError(
            f"{artifact.file_name} could not be fetched: {error}",
            hint="check the network (HTTPS_PROXY is honoured) and try again",
        ) from error
    verify(path, artifact.sha256)
    size = path.stat().st_size
    path.replace(folder / artifact.file_name)
    return size


def unpacked(artifact: Artifact, folder: Path, what: str, say: Say) -> Path:
    """The folder of an archive's content: fetched, verified and unpacked the first time."""
    if not folder.exists():
        archives = folder.parent / f"{folder.name}-archive"
        complete(archives, [artifact], what, say)
        with tempfile.TemporaryDirectory(prefix="unpacking-", dir=folder.parent) as scratch:
            shutil.unpack_archive(archives / artifact.file_name, scratch, filter="data")
            (Path(scratch) / "whole").mkdir()
            for path in contents(Path(scratch)):
                path.rename(Path(scratch) / "whole" / path.name)
            (Path(scratch) / "whole").rename(folder)
        shutil.rmtree(archives)
    return folder


def contents(folder: Path) -> Iterable[Path]:
    """What lies in the folder beside `whole`."""
    return [path for path in folder.iterdir() if path.name != "whole"]
