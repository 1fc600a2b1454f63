"""KafkaStreamsStore: one instance of a stream application, from its start to its end."""

from __future__ import annotations

import asyncio
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from mainstem.errors import ConfigurationError, MainstemError, ServerUnavailable
from mainstem.kafka.settings import KafkaSettings, settings_of
from mainstem.streams.building import Built, build
from mainstem.streams.failing import translated
from mainstem.streams.founding import Topology, found
from mainstem.streams.keeping import keep_state
from mainstem.streams.purging import Purger
from mainstem.streams.reporting import Reporter, Restore, Silent
from mainstem.streams.settings import StreamSettings
from mainstem.streams.watching import Watch

if TYPE_CHECKING:
    from mainstem.registry.registry import Registry
    from mainstem.streams.application import StreamApp
    from mainstem.streams.internal import Cipher

LOOK_S: Final = 0.05
STOP_S: Final = 10.0
PURGE_S: Final = 30.0
"""Between two deletions of what repartition topics hold and nobody needs any more."""


class KafkaStreamsStore:
    """Runs the streams of an application: each event counts exactly once in state and results.

    `run()` blocks until `stop()`. Or, as a block of `with` or `async with`, it runs in a thread of
    its own, and the block begins when its state is restored and it processes. An error of the
    thread is raised by `wait()` and at the end of the block. It can be run once.

    Several processes share the work, partition by partition; each needs an `instance` of its own.
    Raises ConfigurationError and UnknownTopic before anything is written; the refusals `stream-…`
    where going on could lose or double something; StreamHalted at an event that cannot be
    processed, with its topic, partition, offset and id; Superseded where another process took over
    its instance; ServerUnavailable.
    """

    def __init__(
        self,
        app: StreamApp,
        settings: StreamSettings | KafkaSettings | str,
        *,
        registry: Registry,
        cipher: Cipher | None = None,
        reporter: Reporter | None = None,
    ) -> None:
        """Nothing is connected yet; a string is the address of Kafka."""
        if not isinstance(settings, StreamSettings):
            settings = StreamSettings(kafka=settings_of(settings))
        self.app = app
        self.settings = settings
        self._registry = registry
        self._cipher = cipher
        self._reporter = reporter or Silent()
        self._built: Built | None = None
        self._watch: Watch | None = None
        self._thread: threading.Thread | None = None
        self._ended = threading.Event()
        self._asked = threading.Event()
        self._error: BaseException | None = None

    # -- life

    def run(self) -> None:
        """Run until `stop` is called, from another thread or by a signal handler."""
        self._refuse_another_life()
        try:
            self._run()
        except BaseException as error:
            self._error = error
            raise
        finally:
            self._ended.set()

    def _refuse_another_life(self) -> None:
        if self._ended.is_set() or self._built is not None:
            raise ConfigurationError("a KafkaStreamsStore runs once; make another one")

    def _run(self) -> None:
        built = self._built = build(self.app, self.settings, self._registry, self._cipher)
        engine = built.engine
        try:
            self._found(built)
            self._watch = Watch(engine)
            engine.on_loop = Loop(built, self._watch, self.settings, self._reporter)
            if not self._asked.is_set():
                engine.run()
        except MainstemError:
            raise
        except Exception as error:
            ours = translated(engine.failed_by or error, engine)
            if ours is None:
                raise
            raise ours from error

    def _found(self, built: Built) -> None:
        """Compare the world with what is known of the application, or begin its record."""
        sources, repartitions, changelogs = built.engine.own_names()
        topology = Topology(
            app=self.app.name,
            sources=tuple(sources),
            repartitions=tuple(repartitions),
            changelogs=tuple(changelogs),
            state_format=built.engine.codec.format,
        )
        record = found(
            self.settings.kafka, topology, accept_retention=self.settings.accept_retention
        )
        ids = {name: record[name] for name in changelogs}
        told = keep_state(built.engine.config.state_dir, ids, topology.state_format)
        if told:
            self._reporter.note(told)

    def stop(self) -> None:
        """Commit what is done, and end: within 2 s while it processes; waits for nothing.

        While it starts, and where it waits for the transaction of one that died, it ends as soon
        as Kafka has answered.
        """
        if not self._asked.is_set():
            self._asked.set()
            threading.Thread(target=self._insist, name="streams-stop", daemon=True).start()

    def _insist(self) -> None:
        """Ask the engine until it has ended: what it is asked while it starts, it forgets."""
        while not self._ended.is_set():
            if self._built is not None:
                self._built.engine.stop()
            self._ended.wait(LOOK_S)

    def start(self) -> Self:
        """Run in a thread."""
        self._refuse_another_life()
        name = f"{self.app.name}.{self.settings.instance}"
        self._thread = threading.Thread(target=self._quietly, name=name, daemon=True)
        self._thread.start()
        return self

    def _quietly(self) -> None:
        try:
            self.run()
        except BaseException:  # noqa: BLE001  # It is kept, and raised where somebody sees it.
            return

    def wait_ready(self) -> None:
        """Return when it processes; raises what it failed by before."""
        while not self.ready and not self._ended.wait(LOOK_S):
            restore = self.restore
            if restore is not None:
                self._reporter.restoring(restore)
        self.raise_error()

    def wait(self) -> None:
        """Return when it has ended; raises what it failed by."""
        self._ended.wait()
        self.raise_error()

    def raise_error(self) -> None:
        """Raise what it failed by, if it did."""
        if self._error is not None:
            error = self._error
            raise error.again() if isinstance(error, MainstemError) else error

    # -- looked at from outside

    @property
    def ready(self) -> bool:
        """Whether its state is restored and it processes."""
        at_work = self._built is not None and self._built.engine.at_work
        return at_work and not self._ended.is_set()

    @property
    def restore(self) -> Restore | None:
        """How far the state is read back; None while nothing is."""
        return None if self._watch is None else self._watch.restore()

    @property
    def late(self) -> dict[str, int]:
        """How many events each window dropped as late, by its name."""
        windows = {} if self._built is None else self._built.streams.late.windows
        return {name: lateness.events for name, lateness in list(windows.items())}

    # -- blocks

    def __enter__(self) -> Self:
        """Run in a thread; return when it processes."""
        self.start()
        try:
            self.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop; raises what it failed by, unless the block failed itself."""
        del error, trace
        self.stop()
        ended = self._ended.wait(STOP_S)
        if kind is None:
            if not ended:
                raise ServerUnavailable(f"{self.app.name} has not ended within {STOP_S:g} s")
            self.raise_error()

    async def __aenter__(self) -> Self:
        """As `with`; the event loop goes on meanwhile."""
        self.start()
        try:
            await asyncio.to_thread(self.wait_ready)
        except BaseException:
            self.stop()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """As `with`."""
        await asyncio.to_thread(self.__exit__, kind, error, trace)


class Every:
    """Whether an interval is over."""

    def __init__(self, interval_s: float) -> None:
        """The first one begins now."""
        self._interval_s = interval_s
        self._next_s = time.monotonic() + interval_s

    def due(self) -> bool:
        """Whether it is over; the next one begins then."""
        now_s = time.monotonic()
        if now_s < self._next_s:
            return False
        self._next_s = now_s + self._interval_s
        return True


class Loop:
    """What is done between messages, by the engine's thread: figures, news and purging."""

    def __init__(
        self, built: Built, watch: Watch, settings: StreamSettings, reporter: Reporter
    ) -> None:
        """Begin with an interval."""
        self._built = built
        self._watch = watch
        self._reporter = reporter
        self._status = Every(settings.status_s)
        self._purge = Every(PURGE_S)
        repartitions = built.engine.own_names()[1]
        self._purger = Purger(settings.kafka, built.engine.app, repartitions)

    def __call__(self) -> None:
        """Do what is due."""
        if self._status.due():
            for line in self._built.streams.late.news():
                self._reporter.note(line)
            self._reporter.status(self._watch.status())
        if self._purge.due():
            self._purger.purge()
