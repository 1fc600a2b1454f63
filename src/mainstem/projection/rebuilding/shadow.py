"""The shadow: tables of the same names in a schema of their own, and what stands against a swap."""

from __future__ import annotations

from typing import Final, NamedTuple

from mainstem.errors import ConfigurationError
from mainstem.postgres.statements import Statement
from mainstem.projection.rebuilding import statements
from mainstem.projection.rebuilding.catalog import statements as catalog
from mainstem.projection.rebuilding.planning import MARK, RebuildPlan
from mainstem.projection.rebuilding.session import Session
from mainstem.projection.rebuilding.statements import Entry
from mainstem.refusals import refusal

PLAIN_TABLE: Final = "r"
BUILDING: Final = "building"
REPLACED: Final = f"{MARK}: replaced"
KEPT: Final = f"{MARK}: kept"


class Table(NamedTuple):
    """A table that exists."""

    name: str
    oid: int
    kind: str
    inherits: bool


class Version(NamedTuple):
    """A version of a projection that serves."""

    group: str
    version: int
    schema: str
    tables: list[str]


class Shadow:
    """The tables that are being built, and those that they are to replace."""

    def __init__(self, session: Session, plan: RebuildPlan) -> None:
        """Look at nothing yet."""
        self._session = session
        self._plan = plan

    def prepare(self, *, restart: bool = False) -> bool:
        """See to it that the shadow's tables are there; whether they were built in part before.

        A shadow that other code had begun is thrown away, and with `restart` any is.
        """
        mark = self._mark(self._plan.shadow.schema)
        if mark == self._plan.mark and not restart:
            return True
        with self._session.transaction():
            if mark is not None:
                self._session.ask(statements.drop_shadow(self._plan.shadow.schema))
            self._session.tell(statements.forget(self._plan.shadow.group))
            self._create()
        return False

    def drop(self) -> None:
        """Remove the shadow and all that is known of it, if it is there."""
        with self._session.transaction():
            if self._mark(self._plan.shadow.schema) is not None:
                self._session.ask(statements.drop_shadow(self._plan.shadow.schema))
            self._session.tell(statements.forget(self._plan.shadow.group))

    def clear_old(self) -> None:
        """Make room for tables that are to be replaced.

        What a rebuild left that ended just behind its swap is dropped; what was kept on request
        raises ConfigurationError.
        """
        schema = self._plan.old_schema
        mark = self._mark(schema)
        if mark is None:
            return
        if mark == KEPT:
            raise ConfigurationError(
                f"the schema {schema} keeps the tables that an earlier rebuild has replaced",
                hint=f"when they are not needed any more: DROP SCHEMA {schema} CASCADE",
            )
        with self._session.transaction():
            if tables := self._first(catalog.all_tables(schema)):
                self._session.ask(statements.drop_tables(schema, tables))
            self._session.ask(statements.drop_empty(schema))

    def live(self) -> list[Table]:
        """The tables that serve now: those of this version, and of versions that it replaces."""
        names = {*self._plan.definition.tables}
        names.update(table for each in self.replaced() for table in each.tables)
        return self._tables(self._plan.serving.schema, sorted(names))

    def built(self) -> list[Table]:
        """The tables of the shadow."""
        return self._tables(self._plan.shadow.schema, self._plan.definition.tables)

    def pairs(self) -> list[tuple[int, int]]:
        """The oids of tables that serve, each with that of the table which replaces it."""
        return paired(self.live(), self.built())

    def replaced(self) -> list[Version]:
        """Other versions that serve from some of the same tables: the swap retires them."""
        definition = self._plan.definition
        found = (
            Version(*row) for row in self._session.ask(statements.versions_of(definition.name))
        )
        return [
            each
            for each in found
            if each.group != self._plan.serving.group
            and each.schema == self._plan.serving.schema
            and not set(each.tables).isdisjoint(definition.tables)
        ]

    def keep_indexes(self) -> None:
        """Give the new tables the indexes that somebody gave to the old ones, with their names.

        Not those on columns that are gone, and none where the tables are of another version.
        """
        if self.replaced():
            return
        for pair in self.pairs():
            for text in self._first(catalog.indexes(pair)):
                self._session.ask(Statement(text, answers=False))

    def check_swap(self) -> None:
        """Raise the refusal `rebuild-would-break` where a swap would break or lose something."""
        if found := self.objections():
            raise refusal(
                "rebuild-would-break",
                f"exchanging the tables of {self._plan.definition.name} would break or lose: "
                + ", ".join(found),
            )

    def objections(self) -> list[str]:
        """What a swap would break or lose."""
        live, built, replaced = self.live(), self.built(), self.replaced()
        pairs = paired(live, built)
        odd = [
            f"partitions or inheritance of {table.name}"
            for table in [*live, *built]
            if table.kind != PLAIN_TABLE or table.inherits
        ]
        found = self._first(catalog.dependents([table.oid for table in live]))
        for pair in pairs:
            found += [] if replaced else self._first(catalog.losses(pair))
            found += self._first(catalog.shared_sequences(pair))
        return odd + found + self._strays()

    def _create(self) -> None:
        """Create the schema and the tables, from the class's ddl or like those that serve."""
        plan, session = self._plan, self._session
        shadow, definition = plan.shadow, plan.definition
        session.ask(statements.create_schema(shadow.schema))
        session.ask(statements.mark_schema(shadow.schema, plan.mark))
        session.ask(statements.search_first(shadow.schema))
        if definition.ddl:
            session.script(definition.ddl)
        created = {table.name for table in self.built()}
        for name in definition.tables:
            if name not in created:
                self._create_like(name)
        self._check_strays()
        identity = (definition.name, definition.version, BUILDING, shadow.schema)
        entry = Entry(shadow.group, *identity, definition.topics, definition.tables)
        session.ask(statements.note(entry))

    def _create_like(self, name: str) -> None:
        """One table, like the one that serves."""
        plan, session = self._plan, self._session
        [*live] = self._tables(plan.serving.schema, [name])
        if not live:
            raise ConfigurationError(
                f"there is no table {plan.serving.schema}.{name} to build another one like, and the"
                f" ddl of {plan.definition.name} creates none",
                hint="give the class a ddl that creates its tables",
            )
        session.ask(statements.create_like(plan.shadow.schema, plan.serving.schema, name))
        [built] = self._tables(plan.shadow.schema, [name])
        for text in self._first(catalog.storage_of((live[0].oid, built.oid))):
            session.ask(Statement(text, answers=False))

    def _check_strays(self) -> None:
        """ConfigurationError where the ddl creates what a swap would not carry along."""
        if found := self._strays():
            raise ConfigurationError(
                f"the ddl of {self._plan.definition.name} creates {', '.join(found)}, which are"
                " none of its tables",
                hint="name tables in `tables`; create types and functions elsewhere",
            )

    def _strays(self) -> list[str]:
        """What is in the shadow's schema besides its tables."""
        plan = self._plan
        return self._first(catalog.strays_in(plan.shadow.schema, plan.definition.tables))

    def _mark(self, schema: str) -> str | None:
        """The mark of a schema of ours, None where there is none; an error for one of others."""
        rows = self._session.ask(statements.mark_of(schema))
        if not rows:
            return None
        mark: str | None = rows[0][0]
        if not (mark or "").startswith(MARK):
            raise ConfigurationError(
                f"the schema {schema} exists, and no rebuild has made it",
                hint="rename it, or give the projection another name",
            )
        return mark

    def _tables(self, schema: str, names: list[str] | tuple[str, ...]) -> list[Table]:
        """Those of these tables that exist."""
        return [Table(*row) for row in self._session.ask(catalog.tables_in(schema, names))]

    def _first(self, statement: Statement) -> list[str]:
        """The first column of the answer."""
        return [row[0] for row in self._session.ask(statement)]


def paired(live: list[Table], built: list[Table]) -> list[tuple[int, int]]:
    """The oids of tables of the same name, one of each kind."""
    oids = {table.name: table.oid for table in built}
    return [(table.oid, oids[table.name]) for table in live if table.name in oids]
