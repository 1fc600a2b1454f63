"""Statements of the registry in PostgreSQL: a superset of kagetech/schema-registry's tables."""

from __future__ import annotations

EXISTS = "SELECT to_regclass('schemas.subjects') IS NOT NULL"

CREATION_LOCK = "SELECT pg_advisory_xact_lock(7883957270161327438)"

CREATE = """
CREATE SCHEMA IF NOT EXISTS schemas;
CREATE SEQUENCE IF NOT EXISTS schemas.schema_id_seq AS integer;
CREATE TABLE IF NOT EXISTS schemas.schemas (
    id integer PRIMARY KEY DEFAULT nextval('schemas.schema_id_seq'),
    schema text NOT NULL,
    fingerprint bytea NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE IF NOT EXISTS schemas.subjects (
    subject text NOT NULL,
    version integer NOT NULL,
    schema_id integer NOT NULL REFERENCES schemas.schemas,
    deleted boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (subject, version)
);
CREATE INDEX IF NOT EXISTS subjects_schema_id ON schemas.subjects (schema_id)"""

TIMEOUT = "SELECT set_config('statement_timeout', %s, false)"

REGISTRATION_LOCK = "SELECT pg_advisory_xact_lock(7883957270161327439)"
"""One registration at a time: they are rare, and ids stay without gaps."""

LOOKUP = """
SELECT s.id FROM schemas.subjects j JOIN schemas.schemas s ON s.id = j.schema_id
WHERE j.subject = %s AND s.fingerprint = %s AND NOT j.deleted
ORDER BY j.version DESC LIMIT 1"""

SCHEMA_ID = "SELECT id FROM schemas.schemas WHERE fingerprint = %s"

INSERT_SCHEMA = "INSERT INTO schemas.schemas (schema, fingerprint) VALUES (%s, %s) RETURNING id"

INSERT_VERSION = """
INSERT INTO schemas.subjects (subject, version, schema_id)
SELECT %s, coalesce(max(version), 0) + 1, %s FROM schemas.subjects WHERE subject = %s"""

BY_ID = "SELECT schema FROM schemas.schemas WHERE id = %s"

LATEST = """
SELECT j.version, s.id, s.schema
FROM schemas.subjects j JOIN schemas.schemas s ON s.id = j.schema_id
WHERE j.subject = %s AND NOT j.deleted ORDER BY j.version DESC LIMIT 1"""
