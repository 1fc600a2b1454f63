"""Operations for migrations: the schema objects of Mainstem, and the table of a topic.

They leave Django's state of models alone, and `sqlmigrate` prints their SQL. They run in the
database that MAINSTEM names; routers may refuse it, as for any operation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import router
from django.db.migrations.operations.base import Operation

from mainstem.contrib.django import settings
from mainstem.postgres.migration.script import drop_script, init_script, topic_script
from mainstem.postgres.options import DEFAULT_PUBLICATION, TopicOptions


class ScriptOperation(Operation):
    """Runs one script forwards and another backwards."""

    reduces_to_sql = True

    def forwards(self) -> Sequence[str]:
        """The statements to run."""
        raise NotImplementedError

    def backwards(self) -> Sequence[str]:
        """The statements that undo it, as far as that may be."""
        raise NotImplementedError

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Nothing: no model changes."""

    def database_forwards(
        self,
        app_label: str,
        schema_editor: Any,
        from_state: Any,  # noqa: ARG002  # Django's signature.
        to_state: Any,  # noqa: ARG002  # As above.
    ) -> None:
        """Run the statements, or collect them for `sqlmigrate`."""
        run(app_label, schema_editor, self.forwards())

    def database_backwards(
        self,
        app_label: str,
        schema_editor: Any,
        from_state: Any,  # noqa: ARG002  # As above.
        to_state: Any,  # noqa: ARG002  # As above.
    ) -> None:
        """As `database_forwards`, the other way."""
        run(app_label, schema_editor, self.backwards())


class MainstemInit(ScriptOperation):
    """Create the schema objects that all topics share; what is there is left as it is.

    Backwards it does nothing: other topics may need them.
    """

    def forwards(self) -> Sequence[str]:
        """As `mainstem init --sql` prints them."""
        return init_script()

    def backwards(self) -> Sequence[str]:
        """Nothing."""
        return ()

    def describe(self) -> str:
        """What `migrate` and `sqlmigrate` say."""
        return "Create the schema objects of Mainstem"

    @property
    def migration_name_fragment(self) -> str:
        """Its part of a migration's name."""
        return "mainstem_init"


class CreateEventTopic(ScriptOperation):
    """Create the table of a topic, as `mainstem topic create` does.

    Backwards the table is dropped while it holds no event; a table with events is refused.
    """

    def __init__(
        self, topic: str, *, publication: str = DEFAULT_PUBLICATION, **options: Any
    ) -> None:
        """`options` are the fields of TopicOptions; ConfigurationError if one cannot be."""
        self.topic = topic
        self.publication = publication
        self.options = TopicOptions(**options)

    def forwards(self) -> Sequence[str]:
        """As `mainstem topic create --sql` prints them."""
        return topic_script(self.topic, self.options, publication=self.publication)

    def backwards(self) -> Sequence[str]:
        """Drop the table, or fail."""
        return drop_script(self.topic)

    def describe(self) -> str:
        """What `migrate` and `sqlmigrate` say."""
        return f"Create the event topic {self.topic}"

    @property
    def migration_name_fragment(self) -> str:
        """Its part of a migration's name."""
        return self.topic


def run(app_label: str, schema_editor: Any, statements: Sequence[str]) -> None:
    """Run the statements, if this is the database that they are meant for."""
    alias = schema_editor.connection.alias
    if alias == settings.current().database and router.allow_migrate(alias, app_label):
        for statement in statements:
            schema_editor.execute(statement, params=None)
