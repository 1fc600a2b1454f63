"""A rebuild from beginning to end, on real servers."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from mainstem.errors import ConfigurationError, EventRefused, TransactionFailed
from mainstem.kafka.topics import create_event_topic
from mainstem.projection.definition import define
from mainstem.projection.rebuilding import rebuild, rehearse
from tests.kafka.publisher import delete_topic
from tests.projection.rebuilding.shop import (
    PARTITIONS,
    Looker,
    Shop,
    Totals,
    TotalsBySecondVersion,
    serving,
    until,
)


def test_a_projection_that_never_ran_is_built_in_one_go(shop: Shop) -> None:
    """The first load is a rebuild too: rebuild without any table, then again."""
    shop.order(500)
    definition = define(shop.projection())

    first = rebuild(definition, shop.settings())
    shop.order(100)
    second = rebuild(definition, shop.settings())

    assert shop.totals() == shop.expected
    assert (first.events, second.events) == (500, 600)
    assert not first.resumed
    assert shop.ask("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'totals%'") == []
    assert shop.ask('SELECT "group", state FROM _mainstem.projections') == [
        ("totals.v1", "serving")
    ]
    assert shop.ask("SELECT sum(events) FROM _mainstem.projection_offsets") == [(600,)]


def test_a_dry_run_finds_what_was_changed_by_hand(shop: Shop) -> None:
    """It tells which rows, and leaves everything as it was: change one, lose one, add one."""
    shop.order(50)
    definition = define(shop.projection())
    rebuild(definition, shop.settings())
    equal = rehearse(definition, shop.settings())
    shop.run("UPDATE totals SET cents = cents + 1 WHERE country = 'DE'")
    shop.run("DELETE FROM totals WHERE country = 'FR'")
    shop.run("INSERT INTO totals VALUES ('XX', 1, 1)")
    shop.order(50)

    [table] = rehearse(definition, shop.settings()).compared

    assert equal.equal
    assert (table.rows_old, table.rows_new) == (5, 5)
    assert table.different == (1, ("DE",))
    assert table.only_new == (1, ("FR",))
    assert table.only_old == (1, ("XX",))
    assert shop.ask("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'totals%'") == []


def test_nobody_notices_a_rebuild_but_by_what_is_right_again(shop: Shop) -> None:
    """Old tables serve until new ones do: write, read and project all the time, and rebuild twice.

    A wrong number, planted before, must be gone; the projector's own count must be exact.
    """
    shop.run(Totals.ddl)
    shop.order(300)
    projection = shop.projection()
    with serving(shop, projection):
        until(lambda: shop.applied() == 300, "the first events")
        shop.run("UPDATE totals SET cents = 0")
        ordering = threading.Event()

        def order() -> None:
            while not ordering.wait(0.01):
                shop.order(20)

        with ThreadPoolExecutor(1) as threads, Looker(shop.database_url).looking() as looker:
            writing = threads.submit(order)
            reports = [rebuild(define(projection), shop.settings()) for _ in range(2)]
            ordering.set()
            writing.result()
        until(lambda: shop.totals() == dict(shop.expected), "the last events")

    assert set(looker.seen) == {5}
    assert all(report.swapped for report in reports)
    assert reports[1].events >= reports[0].events >= 300


def test_a_second_version_takes_the_place_of_the_first(shop: Shop) -> None:
    """The swap retires the first one, which serves meanwhile: its projector must end by name."""
    shop.order(200)
    first, second = shop.projection(), shop.projection(TotalsBySecondVersion)
    rebuild(define(first), shop.settings())

    with serving(shop, first, ends_by="projection-retired") as running:
        shop.order(1)
        until(lambda: shop.applied() == 201, "the first version's projector")
        report = rebuild(define(second), shop.settings())
        shop.order(10)
        until(running.done, "the end of the first version's projector")
    with serving(shop, first, ends_by="projection-retired") as running:
        until(running.done, "the end of another one")
    with serving(shop, second):
        until(lambda: shop.totals() == dict(shop.expected), "the second version's events")

    assert report.swapped
    assert report.swapped.retired == ("totals.v1",)
    assert shop.ask("SELECT DISTINCT source FROM totals") == [("second",)]
    assert shop.ask('SELECT "group", state FROM _mainstem.projections ORDER BY 1') == [
        ("totals.v1", "retired"),
        ("totals.v2", "serving"),
    ]


@pytest.mark.parametrize("ddl", ["", Totals.ddl])
def test_rights_and_indexes_of_the_table_that_serves_stay(shop: Shop, topic: str, ddl: str) -> None:
    """Who could read can read, as fast: rebuild, and compare what the catalog says."""
    definition = define(shop.projection(ddl=ddl))
    role = f"role_{topic}"
    shop.run("CREATE TABLE totals (country text PRIMARY KEY, orders bigint, cents bigint)")
    shop.run("CREATE INDEX by_cents ON totals (cents) WHERE cents > 0")
    shop.run("CREATE UNIQUE INDEX by_name ON totals (lower(country), orders DESC)")
    shop.run("CREATE INDEX again ON totals (cents) WHERE cents > 0")
    shop.run(f"CREATE ROLE {role}")
    try:
        shop.run(f"GRANT SELECT, UPDATE (cents) ON totals TO {role} WITH GRANT OPTION")
        shop.run("GRANT SELECT ON totals TO PUBLIC")
        if not ddl:
            shop.run("ALTER TABLE totals SET (fillfactor = 70)")
        before = properties(shop)
        rebuild(definition, shop.settings())
        after = properties(shop)
    finally:
        shop.run(f"DROP OWNED BY {role}; DROP ROLE {role}")

    assert after == before


def properties(shop: Shop) -> list[tuple[Any, ...]]:
    """What the catalog says of the table."""
    return shop.ask(
        """
        SELECT (SELECT array_agg(a::text ORDER BY a::text) FROM aclexplode(c.relacl) a),
               c.reloptions, c.relowner,
               (SELECT array_agg(attacl::text ORDER BY attnum) FROM pg_attribute
                WHERE attrelid = c.oid AND attnum > 0),
               (SELECT array_agg(pg_get_indexdef(indexrelid) ORDER BY indexrelid::regclass::text)
                FROM pg_index WHERE indrelid = c.oid)
        FROM pg_class c WHERE c.oid = 'totals'::regclass
        """
    )


def test_old_tables_are_kept_on_request_and_not_overwritten(shop: Shop) -> None:
    """They are the way back: keep them, and rebuild again."""
    shop.order(20)
    definition = define(shop.projection())
    rebuild(definition, shop.settings())
    report = rebuild(definition, shop.settings(keep_old=True))

    with pytest.raises(ConfigurationError, match="keeps the tables"):
        rebuild(definition, shop.settings())

    assert report.old_schema == "totals_old"
    assert shop.ask("SELECT count(*) FROM totals_old.totals") == [(5,)]


def test_a_rebuild_from_a_position_holds_only_what_came_later(shop: Shop) -> None:
    """What is older is left out: begin at an LSN, and at an offset of each partition."""
    shop.order(60)
    older = shop.expected.copy()
    shop.order(60)
    definition = define(shop.projection())

    rebuild(definition, shop.settings(beginnings=(f"0/{0x2A0000 + 61:X}",)))
    by_lsn = shop.totals()
    rebuild(definition, shop.settings(beginnings=("2100-01-01",)))

    assert by_lsn == shop.expected - older
    assert shop.totals() == {}


def test_a_topic_that_was_created_anew_can_be_rebuilt_from(shop: Shop) -> None:
    """The offsets that serve are of a topic that is gone, and further: delete it, create it."""
    shop.order(300)
    definition = define(shop.projection())
    rebuild(definition, shop.settings())
    delete_topic(shop.kafka, shop.topic)
    create_event_topic(shop.kafka, shop.topic, partitions=PARTITIONS)
    shop.expected.clear()
    shop.order(20)

    report = rebuild(definition, shop.settings())

    assert report.events == 20
    assert shop.totals() == shop.expected


def test_tables_that_are_in_use_are_waited_for_and_nothing_is_lost(shop: Shop) -> None:
    """A long report must be able to end: hold the table, give up, let it go, run it again."""
    shop.order(50)
    definition = define(shop.projection())
    rebuild(definition, shop.settings())
    with psycopg.connect(shop.database_url) as reader:
        reader.execute("SELECT count(*) FROM totals")
        with pytest.raises(TransactionFailed, match="in use in each of"):
            rebuild(definition, shop.settings(swap_timeout_s=0.2))
    report = rebuild(definition, shop.settings())

    assert report.resumed
    assert report.events == 0
    assert shop.totals() == shop.expected


def test_an_interrupted_clearing_is_made_up_for(shop: Shop) -> None:
    """A view on a replaced table is no failure of the rebuild: it stays, until it is gone."""
    shop.order(10)
    definition = define(shop.projection())
    rebuild(definition, shop.settings())
    rebuild(definition, shop.settings(keep_old=True))
    shop.run("CREATE VIEW was AS SELECT * FROM totals_old.totals")
    shop.run("COMMENT ON SCHEMA totals_old IS 'mainstem: replaced'")

    with pytest.raises(EventRefused):
        rebuild(definition, shop.settings())
    shop.run("DROP VIEW was")
    report = rebuild(definition, shop.settings())

    assert report.old_schema is None
