"""A rebuild in a process of its own that is killed at a given place, as by a power cut."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from mainstem.kafka import KafkaSettings
from mainstem.projection.definition import define
from mainstem.projection.rebuilding import Progress, RebuildSettings, rebuild
from mainstem.registry.postgres import PostgresRegistry
from mainstem.registry.registry import CachingRegistry
from tests.projection.rebuilding.shop import Shop, Totals

TIMEOUT_S = 30.0
BATCH_EVENTS = 500


def struck(shop: Shop, place: str) -> None:
    """Let a rebuild be killed: behind so many events, or just behind its `swap`."""
    environment = {
        **os.environ,
        "SHOP_TOPIC": shop.topic,
        "SHOP_DATABASE": shop.database_url,
        "SHOP_KAFKA": shop.kafka.bootstrap,
    }
    command = [sys.executable, "-m", "tests.projection.rebuilding.victim", place]
    done = subprocess.run(
        command, env=environment, timeout=TIMEOUT_S, check=False
    )  # Our own module.

    assert done.returncode == -signal.SIGKILL


def die(*_: object, **__: object) -> bool:
    """Be gone, without any tidying up."""
    os.kill(os.getpid(), signal.SIGKILL)
    return True


def main(place: str) -> None:
    """Rebuild, and die there."""
    database_url = os.environ["SHOP_DATABASE"]
    settings = RebuildSettings(
        database_url,
        KafkaSettings(os.environ["SHOP_KAFKA"]),
        CachingRegistry(PostgresRegistry(database_url)),
        batch_events_max=BATCH_EVENTS,
    )
    events_max = int(place) if place.isdigit() else sys.maxsize

    def observe(at: Progress) -> None:
        if at.events >= events_max:
            die()

    if place == "swap":
        sys.modules[rebuild.__module__].drop_replaced = die  # type: ignore[attr-defined]  # For this process.
    rebuild(define(Totals), settings, observe)


if __name__ == "__main__":
    main(sys.argv[1])
