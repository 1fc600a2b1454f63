-- The schema registry: a superset of the tables of kagetech/schema-registry.

DO $mainstem$
BEGIN
    IF to_regnamespace('schemas') IS NULL THEN
        CREATE SCHEMA schemas;
    END IF;
END
$mainstem$;

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

CREATE INDEX IF NOT EXISTS subjects_schema_id ON schemas.subjects (schema_id);
