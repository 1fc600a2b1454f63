-- What projections have done, and what they could not do.

CREATE TABLE IF NOT EXISTS _mainstem.projections (
    "group" text PRIMARY KEY,
    name text NOT NULL,
    version integer NOT NULL,
    state text NOT NULL DEFAULT 'serving' CHECK (state IN ('serving', 'building', 'retired')),
    schema text NOT NULL,
    topics text[] NOT NULL,
    tables text[] NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

-- Each row is updated with every batch: room on its page keeps that cheap.
CREATE TABLE IF NOT EXISTS _mainstem.projection_offsets (
    "group" text NOT NULL,
    topic text NOT NULL,
    "partition" integer NOT NULL,
    topic_id text NOT NULL,
    "offset" bigint NOT NULL DEFAULT -1,
    lsn pg_lsn,
    ordinal bigint,
    events bigint NOT NULL DEFAULT 0,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("group", topic, "partition")
) WITH (fillfactor = 50);

CREATE TABLE IF NOT EXISTS _mainstem.projection_halts (
    "group" text NOT NULL,
    topic text NOT NULL,
    "partition" integer NOT NULL,
    "offset" bigint NOT NULL,
    event_id bigint,
    error_type text NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL,
    halted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("group", topic, "partition")
);

CREATE TABLE IF NOT EXISTS _mainstem.dead_letters (
    "group" text NOT NULL,
    topic text NOT NULL,
    "partition" integer NOT NULL,
    "offset" bigint NOT NULL,
    event_id bigint,
    key bytea,
    data bytea,
    metadata bytea,
    timestamp_ms bigint NOT NULL,
    lsn pg_lsn,
    ordinal bigint,
    error_type text NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'behind', 'discarded')),
    first_failed_at timestamptz NOT NULL DEFAULT now(),
    last_failed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("group", topic, "partition", "offset")
);

-- Without the key, which may be larger than an index takes.
CREATE INDEX IF NOT EXISTS dead_letters_open ON _mainstem.dead_letters
    ("group", topic, "partition") WHERE state <> 'discarded';
