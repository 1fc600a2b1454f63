"""Comparing a table with its rebuild, row by row."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mainstem.projection.rebuilding.comparison import TableComparison, compare
from mainstem.projection.rebuilding.session import Session
from mainstem.projection.rebuilding.statements import qualified


@pytest.fixture
def session(fresh_database: str) -> Iterator[Session]:
    """A database with two schemas."""
    with Session(fresh_database) as session:
        session.script("CREATE SCHEMA old; CREATE SCHEMA new")
        yield session


def compared(session: Session, columns: str, rows: tuple[str, str]) -> TableComparison:
    """Two tables with the same columns and these rows."""
    for schema, values in zip(("old", "new"), rows, strict=True):
        table = qualified(schema, "pairs")
        session.script(f"CREATE TABLE {table} ({columns}); INSERT INTO {table} VALUES {values}")
    return compare(session, ("old", "new"), "pairs", ())


def test_rows_are_told_apart_by_a_key_of_several_columns(session: Session) -> None:
    """A row of another key is another row: two columns in the key, one row changed."""
    rows = ("('a', 1, 5), ('a', 2, 6)", "('a', 1, 5), ('a', 2, 7), ('b', 1, 8)")

    found = compared(session, "x text, y int, z int, PRIMARY KEY (x, y)", rows)

    assert (found.rows_old, found.rows_new) == (2, 3)
    assert found.different == (1, ("a, 2",))
    assert found.only_new == (1, ("b, 1",))
    assert found.only_old == (0, ())
    assert not found.equal


def test_a_null_differs_from_a_value_and_not_from_a_null(session: Session) -> None:
    """SQL's `=` would say nothing of either: compare rows with NULL."""
    rows = ("(1, NULL), (2, NULL)", "(1, NULL), (2, 0)")

    found = compared(session, "x int PRIMARY KEY, y int", rows)

    assert found.different == (1, ("2",))


def test_types_without_equality_are_compared_by_their_text(session: Session) -> None:
    """PostgreSQL cannot compare json or point: one row is the same, one is not."""
    rows = (
        """(1, '{"a": 1}', '(1,2)'), (2, '{"a": 1}', '(1,2)')""",
        """(1, '{"a": 1}', '(1,2)'), (2, '{"a": 2}', '(1,2)')""",
    )

    found = compared(session, "x int PRIMARY KEY, y json, z point", rows)

    assert found.different == (1, ("2",))


@pytest.mark.parametrize("columns", ["x text, y int", "x json, y int"])
def test_rows_without_a_key_are_counted_as_often_as_they_are_there(
    session: Session, columns: str
) -> None:
    """A doubled row is a difference: the same row twice on one side."""
    rows = ("""('"a"', 1), ('"b"', 1)""", """('"a"', 1), ('"a"', 1), ('"b"', 1)""")

    found = compared(session, columns, rows)

    assert (found.only_old.rows, found.only_new.rows) == (0, 1)


def test_only_the_first_keys_are_given_of_many(session: Session) -> None:
    """A report stays short: twenty rows differ."""
    session.script(
        """
        CREATE TABLE old.pairs AS SELECT n AS x, 0 AS y FROM generate_series(10, 29) n;
        CREATE TABLE new.pairs AS SELECT n AS x, 1 AS y FROM generate_series(10, 29) n;
        ALTER TABLE old.pairs ADD PRIMARY KEY (x);
        ALTER TABLE new.pairs ADD PRIMARY KEY (x)
        """
    )

    found = compare(session, ("old", "new"), "pairs", ())

    assert found.different == (20, ("10", "11", "12", "13", "14"))
    assert compare(session, ("old", "new"), "pairs", ("y",)).equal


def test_a_column_of_one_side_only_is_told_and_not_compared(session: Session) -> None:
    """A new version has new columns: one side has one more."""
    session.script(
        """
        CREATE TABLE old.pairs (x int PRIMARY KEY, gone int);
        CREATE TABLE new.pairs (x int PRIMARY KEY, come int);
        INSERT INTO old.pairs VALUES (1, 1);
        INSERT INTO new.pairs VALUES (1, 2)
        """
    )

    found = compare(session, ("old", "new"), "pairs", ())

    assert found.equal
    assert (found.columns_only_old, found.columns_only_new) == (("gone",), ("come",))


def test_a_table_that_is_not_there_is_empty(session: Session) -> None:
    """Another version may have another table: one side only."""
    session.script("CREATE TABLE new.pairs AS SELECT 1 AS x")

    found = compare(session, ("old", "new"), "pairs", ())

    assert (found.rows_old, found.rows_new) == (0, 1)
    assert found.only_new.rows == 1
