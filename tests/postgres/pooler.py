"""PgBouncer in transaction mode: what is installed, else Debian's package in a temporary folder."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from mainstem.stack.account import unprivileged
from mainstem.stack.ports import HOST, choose

PACKAGES = ("pgbouncer", "libc-ares2", "libevent-2.1-7")
FETCH_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 5.0
SERVER_CONNECTIONS = 2

SETTINGS = """
[databases]
* = host={host} port={port} user={user}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen_port}
auth_type = any
pool_mode = transaction
default_pool_size = {pool_size}
unix_socket_dir =
"""


class Software(NamedTuple):
    """A PgBouncer that can be run."""

    binary: str
    environment: Mapping[str, str]

    @property
    def prepares(self) -> bool:
        """Whether it keeps prepared statements for its clients: since 1.21."""
        said = subprocess.run(
            [self.binary, "--version"],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        found = re.search(r"(\d+)\.(\d+)", said)
        assert found is not None, said
        return (int(found[1]), int(found[2])) >= (1, 21)


def found(folder: Path) -> Software | str:
    """PgBouncer from PATH or unpacked in this folder; else why there is none."""
    installed = shutil.which("pgbouncer")
    if installed:
        return Software(installed, {})
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return "no pgbouncer on PATH, and this is no Debian to fetch its package from"
    try:
        for package in PACKAGES:
            run(["apt-get", "download", package], folder)
        for archive in sorted(folder.glob("*.deb")):
            run(["dpkg-deb", "-x", str(archive), str(folder)], folder)
    except (subprocess.SubprocessError, OSError) as error:
        return f"no pgbouncer on PATH, and Debian's package was not to be had: {error}"
    libraries = folder / "usr/lib" / f"{platform.machine()}-linux-gnu"
    return Software(str(folder / "usr/sbin/pgbouncer"), {"LD_LIBRARY_PATH": str(libraries)})


def run(command: list[str], folder: Path) -> None:
    """Run a tool to its end."""
    subprocess.run(command, cwd=folder, capture_output=True, check=True, timeout=FETCH_TIMEOUT_S)


@contextmanager
def running(software: Software, folder: Path, server: str) -> Iterator[str]:
    """Its address, while it runs before this server."""
    parts = conninfo_to_dict(server)
    port = choose(set())
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        SETTINGS.format(**parts, listen_port=port, pool_size=SERVER_CONNECTIONS), encoding="utf-8"
    )
    account = unprivileged()
    process = subprocess.Popen(
        [software.binary, str(settings)],
        env={**os.environ, **software.environment},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )
    assert process.stderr is not None
    with process, process.stderr as said:
        try:
            lines: list[str] = []
            while "process up" not in (lines[-1] if lines else ""):
                lines.append(said.readline())
                assert lines[-1], f"PgBouncer ended: {lines}"
            yield make_conninfo(server, host=HOST, port=port)
        finally:
            process.kill()
            process.wait(STOP_TIMEOUT_S)
