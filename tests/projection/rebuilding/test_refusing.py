"""What a rebuild refuses, so that neither those who read nor the live rows are hurt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest

from mainstem.errors import ConfigurationError, Refusal
from mainstem.event import StoredEvent
from mainstem.projection.definition import define
from mainstem.projection.errors import HandlerFailed
from mainstem.projection.handlers import on
from mainstem.projection.policy import DeadLetter
from mainstem.projection.rebuilding import Progress, rebuild
from tests.projection.rebuilding.shop import (
    OrderPlaced,
    Shop,
    Totals,
)

DEPENDENTS = """
    CREATE VIEW best AS SELECT * FROM totals;
    CREATE MATERIALIZED VIEW worst AS SELECT country, count(*) FROM totals GROUP BY country;
    CREATE TABLE notes (country text REFERENCES totals);
    CREATE PUBLICATION {topic} FOR TABLE totals;
    CREATE FUNCTION noted() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
    CREATE TRIGGER noting AFTER INSERT ON totals EXECUTE FUNCTION noted();
    CREATE FUNCTION lowest(totals) RETURNS bigint LANGUAGE sql AS 'SELECT 1';
    ALTER TABLE totals ENABLE ROW LEVEL SECURITY;
    CREATE POLICY own ON totals USING (true);
    CREATE RULE noting AS ON DELETE TO totals DO ALSO NOTIFY gone;
    CREATE TABLE places (country text PRIMARY KEY);
    ALTER TABLE totals ADD FOREIGN KEY (country) REFERENCES places NOT VALID;
    CREATE TABLE child () INHERITS (totals);
    ALTER TABLE totals REPLICA IDENTITY FULL
"""


NAMED = (
    "foreign key notes_country_fkey of notes",
    "foreign key totals_country_fkey of totals",
    "function lowest(totals)",
    "materialized view worst",
    "partitions or inheritance of totals",
    "policy own of totals",
    "publication {topic} of totals",
    "replica identity of totals",
    "row security of totals",
    "rule noting of totals",
    "table child",
    "trigger noting of totals",
    "view best",
)


def test_what_a_swap_would_break_or_lose_is_refused_before_anything_is_built(shop: Shop) -> None:
    """Whatever holds on to the table and not to its name: make one of each kind."""
    shop.order(10)
    rebuild(define(shop.projection()), shop.settings())
    shop.run(DEPENDENTS.format(topic=shop.topic))

    with pytest.raises(Refusal) as caught:
        rebuild(define(shop.projection()), shop.settings())

    assert caught.value.name == "rebuild-would-break"
    found = caught.value.message.partition("or lose: ")[2].split(", ")
    assert sorted(found) == [each.format(topic=shop.topic) for each in NAMED]
    assert shop.ask("SELECT count(*) FROM totals_rebuild.totals") == [(0,)]


def test_a_view_that_comes_in_the_last_moment_is_refused_too(shop: Shop) -> None:
    """The swap looks again while it holds the tables: create a view in the middle of a rebuild."""
    shop.order(10)
    definition = define(shop.projection())
    rebuild(definition, shop.settings())

    def observe(at: Progress) -> None:
        if at.events:
            shop.run("CREATE OR REPLACE VIEW best AS SELECT * FROM totals")

    with pytest.raises(Refusal, match="view best"):
        rebuild(definition, shop.settings(), observe)
    shop.run("DROP VIEW best")
    report = rebuild(definition, shop.settings())

    assert report.resumed
    assert shop.totals() == shop.expected


class Qualified(Totals):
    """Writes a schema's name, and so always to the tables that serve."""

    name = "totals"

    @on(OrderPlaced)
    def placed(
        self, events: Sequence[StoredEvent[OrderPlaced]], tx: psycopg.Connection[Any]
    ) -> None:
        """Count in the wrong place."""
        tx.execute("UPDATE public.totals SET orders = orders + %s", (len(events),))


class Elsewhere(Totals):
    """Writes to a table that it does not name among its own."""

    name = "totals"

    @on(OrderPlaced)
    def placed(
        self, events: Sequence[StoredEvent[OrderPlaced]], tx: psycopg.Connection[Any]
    ) -> None:
        """Count in another table."""
        tx.execute("INSERT INTO counted SELECT %s", (len(events),))


@pytest.mark.parametrize("cls", [Qualified, Elsewhere])
def test_handlers_that_would_double_live_rows_are_refused(shop: Shop, cls: type[Totals]) -> None:
    """Rows that serve must not see an event twice: rebuild by handlers that write elsewhere."""
    shop.order(50)
    rebuild(define(shop.projection()), shop.settings())
    shop.run("CREATE TABLE counted (number integer)")

    with pytest.raises(Refusal) as caught:
        rebuild(define(shop.projection(cls)), shop.settings())

    assert caught.value.name == "projection-qualified-names"
    assert shop.totals() == shop.expected
    assert shop.applied() == 50
    assert shop.ask("SELECT count(*) FROM counted") == [(0,)]


class Picky(Totals):
    """Cannot apply one event."""

    name = "totals"

    @on(OrderPlaced)
    def placed(
        self, events: Sequence[StoredEvent[OrderPlaced]], tx: psycopg.Connection[Any]
    ) -> None:
        """Fail at the event of 77 cents."""
        if any(event.payload.cents == 77 for event in events):
            raise ValueError("the payload must not be told")
        super().placed(events, tx)


def test_an_event_that_cannot_be_applied_is_named_and_the_rest_is_kept(shop: Shop) -> None:
    """A rebuild stops there and goes on later: let one of a hundred fail, then discard it."""
    shop.order(100)
    definition = define(shop.projection(Picky))

    with pytest.raises(HandlerFailed) as caught:
        rebuild(definition, shop.settings())
    place = caught.value.message.partition(":")[0]
    discard(shop, place)
    report = rebuild(definition, shop.settings())

    assert place.startswith(f"{shop.topic}[")
    assert "must not be told" not in caught.value.message
    assert report.resumed
    assert shop.totals() == shop.expected - Counter({"FR": 0}) - Counter({"SE": 77})


def discard(shop: Shop, place: str) -> None:
    """Do as an operator who has discarded the event."""
    partition, _, offset = place.removeprefix(f"{shop.topic}[").partition("]@")
    shop.run(
        "INSERT INTO _mainstem.dead_letters"
        ' ("group", topic, "partition", "offset", timestamp_ms, error_type, error, attempts, state)'
        f" VALUES ('totals.v1', '{shop.topic}', {partition}, {offset}, 0, '', '', 1, 'discarded')"
    )


def test_two_rebuilds_of_one_projection_do_not_meet(shop: Shop) -> None:
    """They would write to the same tables: begin one while another one's lock is held."""
    definition = define(shop.projection())
    shop.run(
        "SELECT pg_advisory_lock(hashtextextended('mainstem rebuild totals', 0))",
    )

    with pytest.raises(ConfigurationError, match="another rebuild"):
        rebuild(definition, shop.settings())


def test_a_schema_of_somebody_else_is_left_alone(shop: Shop) -> None:
    """Only what a rebuild has made is dropped: take the name of its schema."""
    shop.run("CREATE SCHEMA totals_rebuild; CREATE TABLE totals_rebuild.precious ()")

    with pytest.raises(ConfigurationError, match="no rebuild has made it"):
        rebuild(define(shop.projection()), shop.settings())

    assert shop.ask("SELECT count(*) FROM totals_rebuild.precious") == [(0,)]


def test_what_the_policy_sets_aside_is_set_aside_by_a_rebuild_too(shop: Shop) -> None:
    """It must not stop at an event that the projection lives without: rebuild by such a policy.

    The dead letters are those of the version that serves afterwards: in place of its old ones.
    """
    shop.order(300)
    definition = define(shop.projection(Picky, on_error=DeadLetter()))

    for _ in range(2):
        rebuild(definition, shop.settings())
    letters = shop.ask(
        'SELECT "group", state, count(*) FROM _mainstem.dead_letters GROUP BY 1, 2 ORDER BY 2'
    )

    # Orders 174 and 271 are of the same customer, and wait behind order 77.
    assert letters == [("totals.v1", "behind", 2), ("totals.v1", "waiting", 1)]
    assert shop.totals() == shop.expected - Counter(SE=77) - Counter(IE=174) - Counter(FR=271)
