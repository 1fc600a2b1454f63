"""`mainstem project`: projections as a service, by real processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from mainstem.cli.main import exit_code
from mainstem.kafka import KafkaSettings
from tests.cli.running import Service, service, until
from tests.projection.rebuilding.shop import Shop, opened

pytestmark = pytest.mark.stack

HERE = "tests.cli.projections"
STOP_MAX_S = 5.0
SET_ASIDE = 'mainstem_projection_dead_letters_total{group="cli_setting_aside.v1"} 1.0'
AT_WORK = """
    SELECT 1 FROM pg_stat_activity
    WHERE datname = current_database() AND state = 'idle in transaction'
      AND query LIKE '%pg_notify(%'
"""
QUICK = ("--metrics-port", "0", "--status-s", "0.2")


@pytest.fixture
def shop(fresh_database: str, kafka: KafkaSettings, topic: str) -> Iterator[Shop]:
    """A topic with ten orders, and a database of the test's own."""
    with opened(fresh_database, kafka, topic) as shop:
        shop.order(10)
        yield shop


def kept(shop: Shop) -> int:
    """How many orders the projection has kept."""
    return int(shop.ask("SELECT count(*) FROM cli_orders")[0][0])


def metrics_with(running: Service, text: str) -> str:
    """The metrics, once they hold this text."""
    page = running.get("/metrics")[1]
    return page if text in page else ""


def test_once_applies_what_is_there_and_ends(shop: Shop) -> None:
    """Ten orders, exit 0, and what it did on stderr."""
    with service(shop, "project", f"{HERE}:CliOrders", "--once") as running:
        code = running.end()

    assert code == 0
    assert kept(shop) == 10
    assert f"cli_orders.v1 · follows {shop.topic}\n" in running.told


def test_once_says_by_its_exit_code_that_a_partition_halted(shop: Shop) -> None:
    """One projection halts, another beside it is done nevertheless."""
    both = (f"{HERE}:CliHalting", f"{HERE}:CliOrders")
    with service(shop, "project", *both, "--once") as running:
        code = running.end()

    assert code == 4
    assert kept(shop) == 10
    assert f"cli_halting.v1: halted in {shop.topic}[" in "".join(running.told)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_until_it_is_asked_to_stop(shop: Shop, number: int) -> None:
    """Two projections are ready, apply what comes, and end in time with exit 0."""
    both = (f"{HERE}:CliOrders", f"{HERE}:CliSettingAside")
    with service(shop, "project", *both, *QUICK) as running:
        until(lambda: running.ready()["ready"])
        shop.order(5)
        until(lambda: kept(shop) == 15)
        until(lambda: metrics_with(running, 'events_total{group="cli_orders.v1"} 15.0'))
        metrics = until(lambda: metrics_with(running, SET_ASIDE))
        code, seconds = running.stop(number)

    assert 'mainstem_ready{part="cli_orders.v1"} 1.0' in metrics
    assert code == 0
    assert seconds < STOP_MAX_S


def test_a_halted_partition_ends_nothing_and_shows_in_the_health(shop: Shop) -> None:
    """The process lives on, is not ready, and says why."""
    with service(shop, "project", f"{HERE}:CliHalting", *QUICK) as running:
        until(lambda: "stands still" in running.get("/health/ready")[1])
        ready = running.ready()["ready"]
        live, _body = running.get("/health/live")
        code, _seconds = running.stop()

    assert not ready
    assert (live, code) == (200, 0)


def test_a_handler_that_takes_too_long_does_not_hold_up_the_end(shop: Shop) -> None:
    """It is in the midst of an order for a minute: its transaction is given up within 5 s."""
    with service(shop, "project", f"{HERE}:CliSlow") as running:
        until(lambda: shop.ask(AT_WORK))
        code, seconds = running.stop()

    assert code == 0
    assert seconds < STOP_MAX_S


def test_a_refusal_ends_all_of_them(shop: Shop) -> None:
    """One of two is retired: exit 4, with its name, after the other has stopped."""
    with service(shop, "project", f"{HERE}:CliSettingAside", "--once") as before:
        assert before.end() == 0
    shop.run("UPDATE _mainstem.projections SET state = 'retired'")
    both = (f"{HERE}:CliOrders", f"{HERE}:CliSettingAside")
    with service(shop, "project", *both) as running:
        code = running.end()

    assert code == 4
    assert "cli_setting_aside.v1 is retired" in "".join(running.told)
    assert "cli_setting_aside.v1 failed; stopping cli_orders.v1\n" in running.told


@pytest.mark.parametrize(
    ("place", "complaint"),
    [
        ("tests.cli.nowhere:Orders", "no module tests.cli.nowhere"),
        (f"{HERE}:CliOrder", "no projection CliOrder"),
        (f"{HERE}:NoProjection", "no projection NoProjection"),
        ("CliOrders", "'CliOrders' is no MODULE:CLASS"),
    ],
)
def test_a_class_that_is_not_there_is_named(
    place: str, complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, and no server is asked."""
    servers = ["--database-url", "postgresql://nowhere/x", "--kafka-bootstrap", "nowhere:1"]
    code = exit_code(["project", place, *servers])

    assert code == 2
    assert complaint in capsys.readouterr().err


def test_a_projection_that_is_given_twice_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2: two members in one process are not what anybody means."""
    servers = ["--database-url", "postgresql://nowhere/x", "--kafka-bootstrap", "nowhere:1"]
    code = exit_code(["project", f"{HERE}:CliOrders", f"{HERE}:CliOrders", *servers])

    assert code == 2
    assert "cli_orders.v1 is given twice" in capsys.readouterr().err
