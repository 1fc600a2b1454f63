"""The brain of a line: messages of the change stream in, what to publish out; pure.

Theory of operation. PostgreSQL sends whole transactions, one after another, in commit order:
Begin, the rows, Commit. After each reconnect it sends again from where the slot was confirmed, with
the same LSNs and in the same order; so a transaction is known by its commit LSN, and a row by
(commit LSN, ordinal). The line drops what its progress says is in Kafka already:

* transactions with `commit_lsn < flushed_lsn`, whole;
* of the transaction at `partial.lsn`, rows up to `partial.ordinal`;
* rows of a table from before the table's fence: those are the backfill's.

`MOVES` is the table of states. Everything else is a row that joins the batch. When a batch may end
is decided in `due`; what its progress record says, in `progress`.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NamedTuple, TypeAlias

from mainstem.event import Position, format_lsn
from mainstem.kafka.records import lsn_header
from mainstem.postgres.naming import EVENT_SCHEMA, REPLICATED_SUFFIX
from mainstem.record import Record
from mainstem.refusals import refusal
from mainstem.replicator.progress import Progress, TopicState
from mainstem.replicator.settings import Bounds
from mainstem.wal.pgoutput import (
    Begin,
    Commit,
    Ignored,
    Insert,
    LogicalMessage,
    Message,
    Relation,
    Unpublished,
)
from mainstem.wal.protocol import Keepalive
from mainstem.wal.rows import RowLayout, layout_of

MESSAGE_PREFIX = "mainstem"
NOTHING_SKIPPED = -1


class State(enum.Enum):
    """Where in the stream the line stands."""

    BETWEEN = "between transactions"
    INSIDE = "inside a transaction that has rows to publish"
    SKIPPING = "inside a transaction that is in Kafka already"


MOVES: Mapping[tuple[State, type], frozenset[State]] = MappingProxyType({
    (State.BETWEEN, Begin): frozenset({State.INSIDE, State.SKIPPING}),
    (State.INSIDE, Commit): frozenset({State.BETWEEN}),
    (State.SKIPPING, Commit): frozenset({State.BETWEEN}),
})  # fmt: skip
"""The only moves; a Begin or Commit in any other state breaks the protocol."""


class Publish(NamedTuple):
    """A row that joins the batch."""

    topic: str
    stored_id: int
    record: Record
    lsn: bytes
    """Value of the `lsn` header."""
    ordinal: int


class Join(NamedTuple):
    """A table that joins the line at this place of the stream."""

    topic: str
    table_oid: int
    fence_lsn: int


Action: TypeAlias = Publish | Join | None


class Route(NamedTuple):
    """Where the rows of a table go; `topic` is None for a table that is none of ours."""

    topic: str | None
    layout: RowLayout | None
    fence_lsn: int
    backfilled_id: int
    backfilled_lsn: int


NOT_OURS = Route(None, None, 0, 0, 0)


class Line:
    """One line's state; `receive` is the only way in, `committed` the only way forward."""

    def __init__(
        self, name: str, progress: Progress, bounds: Bounds, extra_topics: Iterable[str] = ()
    ) -> None:
        """Begin where the progress is."""
        assert progress.flushed_lsn is not None
        self._name = name
        self._progress = progress
        self.bounds = bounds
        """When a batch is due; they may change between batches."""
        self._extra_topics = frozenset(extra_topics)
        self._handlers: Mapping[type, Callable[[Any], Action]] = {
            Insert: self._insert,
            Begin: self._begin,
            Commit: self._commit,
            Keepalive: self._keepalive,
            Relation: self._relation,
            LogicalMessage: self._message,
            Unpublished: self._unpublished,
            Ignored: self._ignored,
        }
        self._state = State.BETWEEN
        self._flushed_lsn = progress.flushed_lsn
        self._commit_lsn = 0
        self._lsn_header = b""
        self._ordinal = 0
        self._skip_to = NOTHING_SKIPPED
        self._routes: dict[int, Route] = {}
        self._relations: dict[int, Relation] = {}
        self._batch_events = 0
        self._batch_bytes = 0
        self._cut_events = bounds.transaction_events_max
        self._cut_bytes = bounds.transaction_bytes_max
        self._beat: str | None = None
        self._asked = False
        """Whether somebody waits for a progress record, though no event asks for one."""
        self.must_cut = False
        """Whether the transaction at hand alone exceeds a bound, so that it is cut here."""
        self._committed_events = 0
        self.resent = 0
        """Rows that PostgreSQL sent again and that were dropped, for they are in Kafka."""

    @property
    def events(self) -> int:
        """Rows handed out for publishing since the line was built."""
        return self._committed_events + self._batch_events

    @property
    def flushed_lsn(self) -> int:
        """What the progress in Kafka says."""
        assert self._progress.flushed_lsn is not None
        return self._progress.flushed_lsn

    @property
    def topics(self) -> Mapping[str, TopicState]:
        """The topics that belong to the line."""
        return self._progress.topics

    @property
    def batch_is_empty(self) -> bool:
        """Whether nothing waits to be committed."""
        return self._batch_events == 0

    @property
    def is_between(self) -> bool:
        """Whether the batch ends with a whole transaction."""
        return self._state is State.BETWEEN

    def receive(self, message: Message | Keepalive) -> Action:
        """Take one message; returns what is to be done about it, or None.

        Raises a Refusal where going on could lose, double or reorder an event.
        """
        return self._handlers[message.__class__](message)

    def due(self, *, dry: bool, age_s: float) -> bool:
        """Whether the batch, `age_s` old, is to be committed now; `dry`: nothing more is there."""
        bounds = self.bounds
        if self._state is not State.BETWEEN:
            too_old = age_s >= bounds.transaction_age_max_s
            return self.must_cut or (too_old and self._batch_events > 0)
        if self._batch_events == 0:
            return dry and (self._beat is not None or self._asked)
        return (
            dry
            or self._batch_events >= bounds.batch_events_max
            or self._batch_bytes >= bounds.batch_bytes_max
            or age_s >= bounds.batch_age_max_s
        )

    def progress(self) -> Progress:
        """The record that belongs at the end of the batch as it stands."""
        partial = self._progress.partial
        if self._state is State.INSIDE and self._ordinal > 0:
            partial = Position(self._commit_lsn, max(self._ordinal - 1, self._skip_to))
        elif partial is not None and partial.lsn < self._flushed_lsn:
            partial = None
        return replace(self._progress, flushed_lsn=self._flushed_lsn, partial=partial)

    def committed(self, progress: Progress) -> str | None:
        """The batch is in Kafka: an empty one begins. Returns the heartbeat that went with it."""
        self._progress = progress
        self._committed_events += self._batch_events
        self._batch_events = self._batch_bytes = 0
        self._limit_transaction()
        self._asked = False
        beat, self._beat = self._beat, None
        return beat

    def admit(self, topic: str, state: TopicState) -> None:
        """Let a topic join the line."""
        self._progress = self._progress.with_topic(topic, state)
        self._routes.clear()

    def _begin(self, message: Begin) -> Action:
        """A transaction begins: new, partly published, or published already."""
        if message.commit_lsn <= self._commit_lsn:
            raise refusal(
                "order-broken",
                f"a transaction at {format_lsn(message.commit_lsn)} came after"
                f" {format_lsn(self._commit_lsn)}",
            )
        skipping = message.commit_lsn < self._flushed_lsn
        self._move(message, State.SKIPPING if skipping else State.INSIDE)
        self._commit_lsn = message.commit_lsn
        self._lsn_header = lsn_header(message.commit_lsn)
        self._ordinal = 0
        self._limit_transaction()
        partial = self._progress.partial
        resumed = partial is not None and partial.lsn == message.commit_lsn
        self._skip_to = partial.ordinal if partial and resumed else NOTHING_SKIPPED
        return None

    def _limit_transaction(self) -> None:
        """From here on the transaction at hand may add so much before it is cut."""
        self._cut_events = self._batch_events + self.bounds.transaction_events_max
        self._cut_bytes = self._batch_bytes + self.bounds.transaction_bytes_max
        self.must_cut = False

    def _commit(self, message: Commit) -> Action:
        """A transaction ends: everything that committed before its end is in the batch."""
        if self._state is State.INSIDE:
            self._flushed_lsn = message.end_lsn
        self._move(message, State.BETWEEN)
        return None

    def _move(self, message: Begin | Commit, state: State) -> None:
        """The one place where the state changes."""
        if state not in MOVES.get((self._state, type(message)), ()):
            raise refusal(
                "stream-malformed", f"{type(message).__name__} arrived {self._state.value}"
            )
        self._state = state

    def _insert(self, message: Insert) -> Action:
        """A row: the hot path."""
        ordinal = self._ordinal
        self._ordinal = ordinal + 1
        if self._state is not State.INSIDE or ordinal <= self._skip_to:
            return self._skip()
        route = self._routes.get(message.oid) or self._route(message.oid)
        layout = route.layout
        if layout is None or route.topic is None or self._commit_lsn < route.fence_lsn:
            return None
        stored_id, record = layout.inserted(message.body)
        if stored_id <= route.backfilled_id and self._commit_lsn < route.backfilled_lsn:
            raise refusal(
                "id-inside-backfill",
                f"row {stored_id} of {layout.table} committed at {format_lsn(self._commit_lsn)},"
                f" while rows up to {route.backfilled_id} were carried over",
            )
        self._batch_events += 1
        self._batch_bytes += len(record.data)
        if self._batch_events >= self._cut_events or self._batch_bytes >= self._cut_bytes:
            self.must_cut = True
        return Publish(route.topic, stored_id, record, self._lsn_header, ordinal)

    def _skip(self) -> Action:
        """A row that is in Kafka already."""
        if self._state is State.BETWEEN:
            raise refusal("stream-malformed", "an insert arrived between transactions")
        self.resent += 1
        return None

    def _relation(self, message: Relation) -> Action:
        """The shape of a table; its route is decided at its next row."""
        self._relations[message.oid] = message
        self._routes.pop(message.oid, None)
        return None

    def _unpublished(self, message: Unpublished) -> Action:
        """A change that our publication never sends."""
        raise refusal("publication-altered", f"the stream carries a change of kind {message.kind}")

    def _ignored(self, _: Ignored) -> Action:
        """Nothing about events."""
        return None

    def _route(self, oid: int) -> Route:
        """Where rows of this table go, decided once after each Relation message."""
        relation = self._relations.get(oid)
        if relation is None:
            raise refusal("stream-malformed", f"a row of the undescribed table {oid} arrived")
        self._routes[oid] = route = self._new_route(relation)
        return route

    def _new_route(self, relation: Relation) -> Route:
        """The route of a table; a Refusal where the table is not as it was when it joined."""
        topic, table = relation.name, f"{relation.schema}.{relation.name}"
        state = self._progress.topics.get(topic) if relation.schema == EVENT_SCHEMA else None
        if state is None:
            self._check_not_renamed(relation)
        if relation.schema != EVENT_SCHEMA or not self._is_ours(topic):
            return NOT_OURS
        if state is None:
            raise refusal("table-not-joined", f"{table} never joined the line {self._name}")
        if state.table_oid != relation.oid:
            raise refusal(
                "table-replaced", f"{table} has oid {relation.oid}, it had {state.table_oid}"
            )
        backfill = state.backfill
        assert backfill is None or backfill.finished_lsn is not None
        return Route(
            topic,
            layout_of(table, relation.columns),
            state.fence_lsn,
            backfill.last_id if backfill else -(2**63),
            (backfill.finished_lsn or 0) if backfill else 0,
        )

    def _check_not_renamed(self, relation: Relation) -> None:
        """The stream carries the names of the moment: a renamed table is still the one we know."""
        for topic, state in self._progress.topics.items():
            if state.table_oid == relation.oid:
                raise refusal(
                    "table-renamed",
                    f"events.{topic} was called {relation.schema}.{relation.name} at"
                    f" {format_lsn(self._commit_lsn)}",
                )

    def _is_ours(self, topic: str) -> bool:
        """Whether a table of the event schema is replicated; once it joined, it always is."""
        return (
            topic.endswith(REPLICATED_SUFFIX)
            or topic in self._extra_topics
            or topic in self._progress.topics
        )

    def _keepalive(self, message: Keepalive) -> Action:
        """Between transactions everything before the server's position is done with."""
        if self._state is State.BETWEEN:
            self._flushed_lsn = max(self._flushed_lsn, message.wal_end)
        if message.reply_requested and self._flushed_lsn > self.flushed_lsn:
            self._asked = True
        return None

    def _message(self, message: LogicalMessage) -> Join | None:
        """One of our own messages in the stream: `join OID TOPIC`, `beat LINE TOKEN` or `flush`.

        After a `flush` somebody waits until the progress is past it (see postgres/tokens.py).
        """
        if message.prefix != MESSAGE_PREFIX or self._state is not State.INSIDE:
            return None
        match message.content.decode("utf8", "replace").split(" "):
            case ["join", oid, topic] if oid.isdigit() and self._is_ours(topic):
                return self._join(topic, int(oid))
            case ["beat", line, token] if line == self._name:
                self._beat = token
            case ["flush"]:
                self._asked = True
        return None

    def _join(self, topic: str, oid: int) -> Join | None:
        """A table announces itself; one that is known already may do so again."""
        known = self._progress.topics.get(topic)
        if known is None:
            return Join(topic, oid, self._commit_lsn)
        if known.table_oid != oid:
            raise refusal(
                "table-replaced", f"events.{topic} has oid {oid}, it had {known.table_oid}"
            )
        return None
