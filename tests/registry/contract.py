"""The contract of a schema registry, run over every backend."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from mainstem.errors import RegistryRejected, SchemaNotFound
from mainstem.registry.registry import Registry

THREADS = 8


def record_text(name: str, *fields: str, indent: int | None = None) -> str:
    """The text of a record with optional long fields."""
    described = [{"name": field, "type": ["null", "long"], "default": None} for field in fields]
    schema = {"type": "record", "name": name, "namespace": "com.example", "fields": described}
    return json.dumps(schema, indent=indent)


class RegistryContract:
    """What every registry keeps; a backend's tests derive from it and give `registry`."""

    @pytest.fixture
    def name(self) -> str:
        """A name that no other test has."""
        return f"T{uuid.uuid4().hex[:12]}"

    @pytest.fixture
    def subject(self, name: str) -> str:
        """The subject of that name."""
        return f"com.example.{name}"

    def test_a_registered_schema_is_found_by_its_id(
        self, registry: Registry, subject: str, name: str
    ) -> None:
        """Register, and ask for the text."""
        schema_id = registry.register(subject, record_text(name, "a"))

        assert schema_id > 0
        assert json.loads(registry.by_id(schema_id)) == json.loads(record_text(name, "a"))

    def test_registering_again_gives_the_same_id(
        self, registry: Registry, subject: str, name: str
    ) -> None:
        """Register twice, the second time with other white space."""
        first = registry.register(subject, record_text(name, "a"))

        assert registry.register(subject, record_text(name, "a")) == first
        assert registry.register(subject, record_text(name, "a", indent=2)) == first

    def test_the_order_of_keys_makes_no_other_schema(
        self, registry: Registry, subject: str, name: str
    ) -> None:
        """Register, and again with every object's keys sorted."""
        first = registry.register(subject, record_text(name, "a"))
        ordered = json.dumps(json.loads(record_text(name, "a")), sort_keys=True)

        assert ordered != record_text(name, "a")
        assert registry.register(subject, ordered) == first
        assert registry.lookup(subject, ordered) == first

    def test_a_schema_has_one_id_under_all_subjects(
        self, registry: Registry, subject: str, name: str
    ) -> None:
        """Register under two subjects; each then knows it as its first version."""
        first = registry.register(subject, record_text(name, "a"))

        assert registry.register(f"{subject}.Other", record_text(name, "a")) == first
        latest = registry.latest(f"{subject}.Other")
        assert latest is not None
        assert (latest.version, latest.schema_id) == (1, first)

    @pytest.mark.parametrize(
        "odd", ["a/b?c=d&e", "%2F%00", "../..", "'; --", "#+ $1 %s", "Größe-値", "'\"\\"]
    )
    def test_a_subject_of_odd_letters_is_one_subject(
        self, registry: Registry, subject: str, name: str, odd: str
    ) -> None:
        """Register, look up and ask for the latest under what a path or SQL might mangle."""
        schema_id = registry.register(f"{odd}{subject}", record_text(name, "a"))

        latest = registry.latest(f"{odd}{subject}")

        assert latest is not None
        assert latest.schema_id == schema_id
        assert registry.lookup(f"{odd}{subject}", record_text(name, "a")) == schema_id
        assert registry.latest(subject) is None

    def test_an_old_version_registered_again_stays_old(
        self, registry: Registry, subject: str, name: str
    ) -> None:
        """Register two versions and the first once more: a program of yesterday is started."""
        first = registry.register(subject, record_text(name, "a"))
        second = registry.register(subject, record_text(name, "a", "b"))

        assert registry.register(subject, record_text(name, "a")) == first
        latest = registry.latest(subject)
        assert latest is not None
        assert (latest.version, latest.schema_id) == (2, second)

    def test_two_schemas_have_two_ids(self, registry: Registry, subject: str, name: str) -> None:
        """Register a second version."""
        first = registry.register(subject, record_text(name, "a"))

        assert registry.register(subject, record_text(name, "a", "b")) != first

    def test_lookup_tells_the_id_and_registers_nothing(
        self, registry: Registry, subject: str, name: str
    ) -> None:
        """Look up before and after, and what only another subject has."""
        text = record_text(name, "a")

        assert registry.lookup(subject, text) is None
        schema_id = registry.register(subject, text)
        assert registry.lookup(subject, text) == schema_id
        assert registry.lookup(f"{subject}.Other", text) is None
        assert registry.lookup(subject, record_text(name, "a", "b")) is None

    def test_latest_is_the_newest_version(
        self, registry: Registry, subject: str, name: str
    ) -> None:
        """Ask before, after one, after two versions."""
        assert registry.latest(subject) is None
        registry.register(subject, record_text(name, "a"))
        newest = registry.register(subject, record_text(name, "a", "b"))

        latest = registry.latest(subject)

        assert latest is not None
        assert (latest.subject, latest.version, latest.schema_id) == (subject, 2, newest)
        assert json.loads(latest.schema_text) == json.loads(record_text(name, "a", "b"))

    def test_an_unknown_id_is_not_found(self, registry: Registry) -> None:
        """Ask for an id that nobody has."""
        with pytest.raises(SchemaNotFound, match="2000000000"):
            registry.by_id(2_000_000_000)

    def test_what_is_no_schema_is_rejected(self, registry: Registry, subject: str) -> None:
        """Register a text that is no JSON."""
        with pytest.raises(RegistryRejected):
            registry.register(subject, "{no schema")

    def test_many_threads_get_one_id(self, registry: Registry, subject: str, name: str) -> None:
        """Register the same schema at once, from threads that share the registry."""
        text = record_text(name, "a")

        with ThreadPoolExecutor(THREADS) as threads:
            ids = list(threads.map(lambda _: registry.register(subject, text), range(THREADS)))

        assert set(ids) == {registry.lookup(subject, text)}

    def test_closing_twice_is_fine(self, make_registry: Callable[[], Registry]) -> None:
        """Close before the first use, and again."""
        registry = make_registry()

        registry.close()
        registry.close()
