"""The replicator carries topics whose tables have more columns than every event needs."""

from __future__ import annotations

import pytest

from tests.faults.field import Field

OPTIONAL = (
    "ALTER TABLE events.{topic} ADD COLUMN version bigint, ADD COLUMN event_id uuid UNIQUE,"
    " ADD UNIQUE (key, version)"
)
MIXED = (
    "DROP TABLE events.{topic};"
    "CREATE TABLE events.{topic} (event_id uuid UNIQUE, id bigserial PRIMARY KEY,"
    " key uuid NOT NULL, version bigint, data bytea NOT NULL, note text,"
    " timestamp timestamptz NOT NULL, metadata bytea, UNIQUE (key, version))"
)
INSERT = (
    "INSERT INTO events.{topic} (key, data, timestamp, version, event_id)"
    " SELECT md5('k')::uuid, decode(md5(n::text), 'hex'), now(), n, gen_random_uuid()"
    " FROM generate_series({first}, {last}) n"
)


@pytest.mark.faults
@pytest.mark.parametrize("shape", [OPTIONAL, MIXED], ids=["behind", "between"])
def test_versions_and_ids_of_the_caller_do_not_trouble_the_replicator(
    field: Field, shape: str
) -> None:
    """Older rows and the stream, with `version` and `event_id` behind or between the usual."""
    field.sql(lambda c: c.execute(shape.format(topic=field.topic)))
    field.sql(lambda c: c.execute(INSERT.format(topic=field.topic, first=1, last=90)))
    field.drain()
    field.sql(lambda c: c.execute(INSERT.format(topic=field.topic, first=91, last=200)))
    field.drain()
    verdict = field.verdict()

    assert verdict.holds, verdict
    assert verdict.events == 200
