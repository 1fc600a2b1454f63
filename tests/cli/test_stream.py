"""`mainstem stream`: applications as a service, by real processes."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from shutil import rmtree
from uuid import uuid4

import pytest

from mainstem.assembly import registry_for
from mainstem.cli.main import exit_code
from mainstem.event import Event
from mainstem.kafka import KafkaEventStore, KafkaSettings
from mainstem.kafka.consumer import end_offsets, read
from mainstem.registry.registry import Registry
from tests.cli.running import Service, until
from tests.streams.shop import OrderPlaced

pytestmark = pytest.mark.stack

APP = "tests.cli.applications:counting"
STOP_MAX_S = 2.0
ORDERS = 6


class Shop:
    """A topic of orders, and the registry of its schemas."""

    def __init__(self, kafka: KafkaSettings, registry: Registry, database_url: str) -> None:
        """The topic is new, with two partitions."""
        self.kafka = kafka
        self.database_url = database_url
        self.topic = f"cli_{uuid4().hex}"
        self.app = f"counting_{self.topic}"
        self._registry = registry
        with self.store() as store:
            store.create_topic(self.topic, partitions=2)

    def store(self) -> AbstractContextManager[KafkaEventStore]:
        """Writes its events."""
        return KafkaEventStore.open(self.kafka, registry=self._registry)

    def order(self, count: int, cents: int = 1) -> None:
        """So many orders by one customer each."""
        with self.store() as store:
            store.save_many(
                self.topic, [Event(uuid4(), OrderPlaced("DE", cents)) for _ in range(count)]
            )

    def results(self) -> int:
        """How many results are committed."""
        topic = f"{self.topic}_counted"
        return sum(len(batch) for batch in read(self.kafka, topic, until=self.ends(topic)))

    def ends(self, topic: str) -> dict[int, int]:
        """Where its partitions end by now."""
        return end_offsets(self.kafka, topic)


@pytest.fixture
def shop(fresh_database: str, kafka: KafkaSettings) -> Iterator[Shop]:
    """Six orders."""
    registry = registry_for(fresh_database)
    shop = Shop(kafka, registry, fresh_database)
    shop.order(ORDERS)
    yield shop
    registry.close()


@contextmanager
def running(shop: Shop, state: Path, *options: str) -> Iterator[Service]:
    """The application as a process, which ends with the block."""
    arguments = ["stream", "run", APP, "--state-dir", str(state), "--instance", "one"]
    quick = ["--commit-interval-s", "0.1", "--status-s", "0.2", "--metrics-port", "0"]
    service = Service(
        [*arguments, *quick, *options],
        {
            "SHOP_TOPIC": shop.topic,
            "MAINSTEM_DATABASE_URL": shop.database_url,
            "MAINSTEM_KAFKA_BOOTSTRAP": shop.kafka.bootstrap,
        },
    )
    try:
        yield service
    finally:
        service.close()


def page_with(service: Service, text: str) -> str:
    """The metrics, once they hold this text."""
    page = service.get("/metrics")[1]
    return page if text in page else ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_until_it_is_asked_to_stop(shop: Shop, tmp_path: Path, number: int) -> None:
    """Ready, results, figures, and an end in time with exit 0."""
    with running(shop, tmp_path) as service:
        service.heard("at work")
        until(lambda: service.ready()["ready"])
        figure = f'mainstem_stream_events_total{{app="{shop.app}"}} {ORDERS}.0'
        page = until(lambda: page_with(service, figure))
        until(lambda: shop.results() == ORDERS)
        code, seconds = service.stop(number)

    assert f'mainstem_stream_commits_total{{app="{shop.app}"}}' in page
    assert code == 0
    assert seconds < STOP_MAX_S


def test_an_event_that_cannot_be_processed_ends_it_with_its_place(
    shop: Shop, tmp_path: Path
) -> None:
    """Exit 4, topic, partition and offset, and nothing of the payload."""
    shop.order(1, cents=0)
    with running(shop, tmp_path) as service:
        code = service.end()
    told = "".join(service.told)

    assert code == 4
    assert f"{shop.topic}[" in told
    assert "OrderPlaced(" not in told


def test_a_second_process_of_an_instance_ends_the_first(shop: Shop, tmp_path: Path) -> None:
    """The first is superseded and exits 3; the second works."""
    with running(shop, tmp_path / "a") as first:
        first.heard("at work")
        with running(shop, tmp_path / "b") as second:
            second.heard("at work")
            shop.order(ORDERS)
            code = first.end()
            until(lambda: shop.results() == 2 * ORDERS)

    assert code == 3
    assert "error: " in "".join(first.told)


def test_after_a_reset_it_starts_from_the_beginning(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its results come once more behind those of before."""
    with running(shop, tmp_path) as service:
        service.heard("at work")
        until(lambda: shop.results() == ORDERS)
        service.stop()
    servers = ["--kafka-bootstrap", shop.kafka.bootstrap]
    code = exit_code(["stream", "reset", shop.app, "--yes", *servers])
    with running(shop, tmp_path) as service:
        service.heard("at work")
        until(lambda: shop.results() == 2 * ORDERS)

    assert code == 0
    assert "begins anew at its next start" in capsys.readouterr().err


def test_a_reset_is_confirmed(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit 2 where nobody can be asked, after it has told what it would delete."""
    code = exit_code(["stream", "reset", shop.app, "--kafka-bootstrap", shop.kafka.bootstrap])

    assert code == 2
    assert "changelogs" in capsys.readouterr().err


def test_a_lost_folder_of_state_is_restored(shop: Shop, tmp_path: Path) -> None:
    """It tells that it restores, and then goes on."""
    with running(shop, tmp_path / "state") as service:
        service.heard("at work")
        until(lambda: shop.results() == ORDERS)
        service.stop()
    rmtree(tmp_path / "state")
    with running(shop, tmp_path / "state") as service:
        told = service.heard("restores its state")
        service.heard("at work")

    assert told.startswith(f"{shop.app}.one · ")


def test_figures_are_lines_of_json_if_asked(
    shop: Shop, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each line on stdout parses; the last one has all orders."""
    with running(shop, tmp_path, "--json") as service:
        figure = f'mainstem_stream_results_total{{app="{shop.app}"}} {ORDERS}.0'
        until(lambda: page_with(service, figure))
        service.stop()
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    assert lines[-1]["app"] == shop.app
    assert lines[-1]["results"] == ORDERS
