"""Alembic's operations in a real environment: upgrade, autogenerate, downgrade, printed SQL."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy.exc import DBAPIError

from mainstem.contrib.alembic import CreateEventTopicOp
from mainstem.postgres.options import TopicOptions
from mainstem.postgres.topics import inspect_topic

ENVIRONMENT = '''
"""The environment of the tests: what the page on Alembic shows."""

import psycopg
import sqlalchemy as sa
from alembic import context

from mainstem.contrib.alembic import include_name, include_object
from mainstem.contrib.sqlalchemy import event_table

metadata = sa.MetaData()
sa.Table("orders", metadata, sa.Column("id", sa.Integer, primary_key=True))
RULES = {"include_object": include_object, "include_name": include_name, "include_schemas": True}
dsn = context.config.attributes["dsn"]

if context.is_offline_mode():
    context.configure(dialect_name="postgresql", literal_binds=True, target_metadata=metadata)
    with context.begin_transaction():
        context.run_migrations()
else:
    # Declared as well, to show that autogenerate compares neither the one nor the other.
    event_table(metadata, "order_events")
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(dsn), poolclass=sa.NullPool
    )
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=metadata, **RULES)
        with context.begin_transaction():
            context.run_migrations()
'''

REVISION = '''
"""The first revision."""

import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None


def upgrade():
    """A table of the application's own, and topics."""
    op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True))
    op.mainstem_init()
    op.mainstem_migrate()
    op.create_event_topic("order_events", versioned=True, data_bytes_max=1000)
    op.create_event_topic("payment_events", key_type="text", partition_by="month")


def downgrade():
    """All of it back; the shared objects stay."""
    op.drop_event_topic("payment_events")
    op.drop_event_topic("order_events")
    op.drop_table("orders")
'''

MAKO = """
revision = ${repr(up_revision)}
def upgrade():
    ${upgrades if upgrades else "pass"}
"""


class Project:
    """A folder with an Alembic environment, and what the commands printed."""

    def __init__(self, folder: Path, dsn: str) -> None:
        """Write the environment and one revision."""
        (folder / "versions").mkdir()
        (folder / "env.py").write_text(ENVIRONMENT)
        (folder / "script.py.mako").write_text(MAKO)
        (folder / "versions" / "first.py").write_text(REVISION)
        self.printed = io.StringIO()
        self.config = Config(output_buffer=self.printed, stdout=self.printed)
        self.config.set_main_option("script_location", str(folder))
        self.config.set_main_option("path_separator", "os")
        self.config.attributes["dsn"] = dsn


@pytest.fixture
def project(tmp_path: Path, fresh_database: str) -> Project:
    """A project on a database of the test's own."""
    return Project(tmp_path, fresh_database)


def value(dsn: str, sql: str) -> Any:
    """The first value of the answer."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        row = connection.execute(sql).fetchone()
    return row[0] if row else None


def test_an_upgrade_makes_topics_and_autogenerate_has_nothing_to_add(
    project: Project, fresh_database: str
) -> None:
    """Aim: operations that Alembic lives with. Method: upgrade, then `alembic check`."""
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute("CREATE PUBLICATION mainstem WITH (publish_via_partition_root)")
    command.upgrade(project.config, "head")
    command.check(project.config)
    with psycopg.connect(fresh_database) as connection:
        order, payment = (inspect_topic(connection, f"{n}_events") for n in ("order", "payment"))

    assert (order.versioned, order.kind, payment.kind) == (True, "r", "p")
    assert payment.key_type == "text"
    assert value(fresh_database, "SELECT count(*) FROM pg_publication_tables") == 2
    assert value(fresh_database, "SELECT count(*) FROM _mainstem.migrations") >= 3
    assert "No new upgrade operations" in project.printed.getvalue()


def test_a_downgrade_drops_topics_but_no_events(project: Project, fresh_database: str) -> None:
    """Aim: nobody loses events by a downgrade. Method: one event there, refused; without, done."""
    command.upgrade(project.config, "head")
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO events.order_events (key, data, timestamp, version)"
            " VALUES (gen_random_uuid(), '', now(), 1)"
        )
        with pytest.raises(DBAPIError, match="events are for ever"):
            command.downgrade(project.config, "base")
        assert value(fresh_database, "SELECT to_regclass('events.payment_events')") is not None
        connection.execute("ALTER TABLE events.order_events DISABLE TRIGGER append_only")
        connection.execute("DELETE FROM events.order_events")
    command.downgrade(project.config, "base")

    assert value(fresh_database, "SELECT to_regclass('events.order_events')") is None
    assert value(fresh_database, "SELECT to_regclass('public.orders')") is None


def test_printed_sql_does_what_an_upgrade_does(project: Project, fresh_database: str) -> None:
    """Aim: `alembic upgrade --sql` for DBAs. Method: print it, run it as one text, look."""
    command.upgrade(project.config, "head", sql=True)
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        connection.execute(project.printed.getvalue().encode())
        order = inspect_topic(connection, "order_events")

    assert order.versioned
    assert value(fresh_database, "SELECT version_num FROM alembic_version") == "1"
    assert value(fresh_database, "SELECT count(*) FROM _mainstem.migrations") >= 3


def test_creating_can_be_reversed() -> None:
    """Aim: what tools ask of an operation. Method: the reverse of a creation."""
    made = CreateEventTopicOp("order_events", "mainstem", TopicOptions())

    dropped = made.reverse()

    assert (dropped.topic, dropped.with_events) == ("order_events", False)
