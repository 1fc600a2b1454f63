"""Alembic: operations for topics and for the schema objects that they share.

Import it in `env.py`; then migrations have

* `op.mainstem_init()`: what `mainstem init` does, in the first migration that needs it;
* `op.mainstem_migrate()`: the same, by the name that fits after an upgrade of Mainstem;
* `op.create_event_topic("…")`: the table that `mainstem topic create` makes. No Kafka topic is
  made: the replicator or the command does that;
* `op.drop_event_topic("…")`: drops the table while it holds no event.

With `--sql` they are printed. These rules keep autogenerate from what is Mainstem's:

    context.configure(…, include_object=include_object, include_name=include_name)
"""

from __future__ import annotations

from typing import Any

from mainstem.errors import MissingExtra

try:
    from alembic.operations import MigrateOperation, Operations
except ImportError as error:
    raise MissingExtra("alembic", "mainstem.contrib.alembic") from error

from mainstem.contrib.sqlalchemy import ddl, include_name, include_object
from mainstem.postgres.migration.script import drop_script, init_script, topic_script
from mainstem.postgres.options import DEFAULT_PUBLICATION, TopicOptions

__all__ = [
    "CreateEventTopicOp",
    "DropEventTopicOp",
    "MainstemInitOp",
    "include_name",
    "include_object",
]


@Operations.register_operation("mainstem_migrate", "mainstem_init")
@Operations.register_operation("mainstem_init")
class MainstemInitOp(MigrateOperation):
    """Create the schema objects that all topics share; what is there is left as it is."""

    @classmethod
    def mainstem_init(cls, operations: Operations) -> None:
        """Create what is missing, up to the installed version; a later version repeats it."""
        operations.invoke(cls())


@Operations.register_operation("create_event_topic")
class CreateEventTopicOp(MigrateOperation):
    """Create the table of a topic."""

    def __init__(self, topic: str, publication: str, options: TopicOptions) -> None:
        """Keep what was asked for."""
        self.topic = topic
        self.publication = publication
        self.options = options

    @classmethod
    def create_event_topic(
        cls,
        operations: Operations,
        topic: str,
        *,
        publication: str = DEFAULT_PUBLICATION,
        **options: Any,
    ) -> None:
        """Create `events.<topic>`; `options` are the fields of TopicOptions."""
        operations.invoke(cls(topic, publication, TopicOptions(**options)))

    def reverse(self) -> DropEventTopicOp:
        """Dropping the topic, unless it holds events."""
        return DropEventTopicOp(self.topic)


@Operations.register_operation("drop_event_topic")
class DropEventTopicOp(MigrateOperation):
    """Drop the table of a topic."""

    def __init__(self, topic: str, *, with_events: bool = False) -> None:
        """Keep what was asked for."""
        self.topic = topic
        self.with_events = with_events

    @classmethod
    def drop_event_topic(
        cls, operations: Operations, topic: str, *, with_events: bool = False
    ) -> None:
        """Drop `events.<topic>`; it fails if there are events, unless they are to go as well."""
        operations.invoke(cls(topic, with_events=with_events))


@Operations.implementation_for(MainstemInitOp)
def run_init(operations: Operations, _operation: MainstemInitOp) -> None:
    """Run or print it."""
    run_script(operations, init_script())


@Operations.implementation_for(CreateEventTopicOp)
def run_create(operations: Operations, operation: CreateEventTopicOp) -> None:
    """Run or print it."""
    script = topic_script(operation.topic, operation.options, publication=operation.publication)
    run_script(operations, script)


@Operations.implementation_for(DropEventTopicOp)
def run_drop(operations: Operations, operation: DropEventTopicOp) -> None:
    """Run or print it."""
    run_script(operations, drop_script(operation.topic, with_events=operation.with_events))


def run_script(operations: Operations, script: list[str]) -> None:
    """Each statement, in Alembic's transaction."""
    for sql in script:
        operations.execute(ddl(sql))
