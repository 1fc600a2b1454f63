"""Bugs to plant in a replicator, each of which a check must catch: the tests of the tests."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from mainstem.kafka.producer import TurnProducer
from mainstem.replicator import checks
from mainstem.replicator.carrier import Carrier
from mainstem.replicator.hands import Hands
from mainstem.replicator.line import Line
from mainstem.replicator.points import Point
from mainstem.replicator.progress import Progress


def acknowledge_first() -> None:
    """Let PostgreSQL forget events before they are committed in Kafka, and trust the slot."""
    commit = Hands.commit

    def hasty(self: Hands, progress: Progress) -> None:
        if progress.flushed_lsn:
            self.stream.confirm(progress.flushed_lsn)
        commit(self, progress)

    Hands.commit = hasty  # type: ignore[method-assign]  # the bug
    checks.check_slot_position = lambda *_: None


def forget_partial() -> None:
    """Resume a cut transaction from its beginning."""
    progress = Line.progress
    Line.progress = lambda self: replace(progress(self), partial=None)  # type: ignore[method-assign]  # the bug


def progress_outside() -> None:
    """Write the progress in a transaction of its own, before the events' one."""

    def early(self: Hands, progress: Progress) -> None:
        line = self.settings.line.encode()
        other = TurnProducer(
            self.settings.kafka, [f"bug-{line.decode()}"], transaction_timeout_s=10
        )
        other.fence(lambda: False)
        other.begin()
        other.add("_mainstem_progress", progress.encode(), line)
        other.commit(lambda: False)
        self.watch.probe(Point.PROGRESS)
        self.producer.commit(lambda: False)

    Hands.commit = early  # type: ignore[method-assign]  # the bug


def random_id() -> None:
    """Take a new transactional id at each start, so that no older producer is fenced."""
    make = TurnProducer.__init__

    def unfenced(self: TurnProducer, kafka: Any, ids: Any, **settings: Any) -> None:
        make(self, kafka, [f"{name}-{secrets.token_hex(4)}" for name in ids], **settings)

    TurnProducer.__init__ = unfenced  # type: ignore[method-assign]  # the bug


def skip_resent() -> None:
    """Take every row that PostgreSQL sends again for a new one, and every start for a sound one."""
    checks.check_slot_position = lambda *_: None
    make = Line.__init__

    def forgetful(self: Line, name: str, progress: Progress, *rest: Any, **more: Any) -> None:
        make(self, name, replace(progress, flushed_lsn=0, partial=None), *rest, **more)

    Line.__init__ = forgetful  # type: ignore[method-assign]  # the bug


def drop_every_tenth() -> None:
    """Lose an event now and then."""
    publish, count = Carrier._publish, iter(range(10**9))

    def losing(self: Carrier, row: Any) -> None:
        if next(count) % 10 != 9:
            publish(self, row)

    Carrier._publish = losing  # type: ignore[method-assign]  # the bug


BUGS: Mapping[str, Callable[[], None]] = MappingProxyType(
    {
        "acknowledge-first": acknowledge_first,
        "forget-partial": forget_partial,
        "progress-outside": progress_outside,
        "random-id": random_id,
        "skip-resent": skip_resent,
        "drop-every-tenth": drop_every_tenth,
    }
)


def plant(name: str) -> None:
    """Plant one bug in this process."""
    BUGS[name]()
