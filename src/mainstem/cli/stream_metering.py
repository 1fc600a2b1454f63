"""StreamMeter: what a stream application tells also goes to Prometheus and to health checks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from mainstem.cli.metering import silence
from mainstem.telemetry.health import Vital
from mainstem.telemetry.meters import Meters
from mainstem.telemetry.names import STREAM

if TYPE_CHECKING:
    from mainstem.cli.stream_narration import StreamNarrator
    from mainstem.stopping import Stop
    from mainstem.streams import KafkaStreamsStore
    from mainstem.streams.reporting import Restore, StreamStatus

LOOK_S: Final = 0.05


class StreamMeter:
    """Feeds the narration of an application, the metrics and its health; its Reporter."""

    def __init__(
        self, narrator: StreamNarrator, meters: Meters, name: str, status_s: float
    ) -> None:
        """Pass everything on to the narrator."""
        self.vital = Vital(name, "word from Kafka", silence(status_s))
        self._meters = meters
        self._narrator = narrator
        self._at_work = False

    def note(self, text: str) -> None:
        """Tell it, and keep it as an explanation."""
        self.vital.say(text)
        self._narrator.note(text)

    def status(self, status: StreamStatus) -> None:
        """Show the figures, for which Kafka was asked."""
        if status.reached:
            self.vital.alive()
        self._meters.show(STREAM, status.app, status)
        self._narrator.status(status)

    def restoring(self, restore: Restore) -> None:
        """Tell how far the state is; nothing is processed meanwhile."""
        self.vital.judge(f"restores its state: {restore.done:,} of {restore.total:,} changes")
        self._narrator.restoring(restore)

    def look(self, store: KafkaStreamsStore) -> None:
        """See whether it processes, or else restores, or waits for partitions."""
        if store.ready:
            if not self._at_work:
                # It has just heard from Kafka; later on its figures say so.
                self.vital.alive()
            self._at_work = True
            self.vital.judge("")
            self._narrator.at_work()
            return
        self._at_work = False
        self.vital.judge("waits for its partitions")
        restore = store.restore
        if restore is not None:
            self.restoring(restore)


@contextmanager
def watched(store: KafkaStreamsStore, meter: StreamMeter, stop: Stop) -> Iterator[None]:
    """Look at a store until the block ends, from a thread; stop it when that is asked for."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(LOOK_S):
            if stop.requested:
                store.stop()
            else:
                meter.look(store)

    watcher = threading.Thread(target=watch, name="stream-watch", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
