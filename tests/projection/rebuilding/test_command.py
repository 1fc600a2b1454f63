"""`mainstem projection rebuild`, as far as it is more than the rebuild."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from mainstem.cli.projection_rebuild import rebuild
from mainstem.errors import ConfigurationError
from tests.projection.rebuilding.shop import Shop, Totals
from tests.projection.rebuilding.test_keyed import KEY, Customers

PLACE = "tests.projection.rebuilding.shop:Totals"
CUSTOMERS = "tests.projection.rebuilding.test_keyed:Customers"


@pytest.fixture(autouse=True)
def _topic(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the classes read the topic of this test."""
    for cls in (Totals, Customers):
        monkeypatch.setattr(cls, "topics", (shop.topic,))


@pytest.fixture(autouse=True)
def _signals_and_garbage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the process of the tests as it is."""
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("gc.set_threshold", lambda *_: None)


def invoke(shop: Shop, *arguments: str) -> Result:
    """Run the command."""
    servers = ["--database-url", shop.database_url, "--kafka-bootstrap", shop.kafka.bootstrap]
    return CliRunner().invoke(rebuild, [*arguments, *servers])


def test_its_figures_are_one_line_of_json(shop: Shop) -> None:
    """Scripts read it: rebuild by --json."""
    shop.order(40)

    figures = json.loads(invoke(shop, PLACE, "--yes", "--json").stdout)

    assert (figures["group"], figures["events"], figures["swapped"]) == ("totals.v1", 40, True)
    assert figures["events_per_s"] > 0
    assert shop.totals() == shop.expected


def test_a_dry_run_that_finds_a_difference_exits_with_1(shop: Shop) -> None:
    """Cron jobs hang on it: before and after a row is spoilt."""
    shop.order(40)
    invoke(shop, PLACE, "--yes")
    equal = invoke(shop, PLACE, "--dry-run")
    shop.run("UPDATE totals SET cents = 0 WHERE country = 'PT'")
    different = invoke(shop, PLACE, "--dry-run")
    ignored = invoke(shop, PLACE, "--dry-run", "--ignore", "cents")

    assert (equal.exit_code, different.exit_code, ignored.exit_code) == (0, 1, 0)
    assert "totals: 5 rows, 5 rebuilt: the same" in equal.stdout
    assert "totals: 5 rows, 5 rebuilt: 1 different (PT)" in different.stdout


def test_nothing_is_replaced_without_a_yes(shop: Shop) -> None:
    """A slip of the hand costs nothing: leave --yes out, where nobody can be asked."""
    shop.order(4)

    result = invoke(shop, PLACE)

    assert isinstance(result.exception, ConfigurationError)
    assert "--dry-run" in result.exception.hint
    assert shop.ask("SELECT to_regclass('totals')") == [(None,)]


def test_one_key_is_told_of_without_the_key(shop: Shop) -> None:
    """Keys are secret: make one anew by the command."""
    shop.order(97)
    invoke(shop, CUSTOMERS, "--yes")

    result = invoke(shop, CUSTOMERS, "--key", str(KEY))

    assert result.exit_code == 0
    assert result.stdout == "customers.v1: the key's rows are made anew of 1 events\n"


def test_one_key_goes_with_no_other_task(shop: Shop) -> None:
    """What that would mean is not clear: combine --key with others."""
    both = [
        invoke(shop, CUSTOMERS, "--key", "1", *other)
        for other in (["--dry-run"], ["--from", "0/1"])
    ]

    assert [each.exit_code for each in both] == [2, 2]
