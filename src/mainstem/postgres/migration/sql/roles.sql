-- Roles of least privilege; every statement may be repeated.
-- Run it as a superuser, after `mainstem init` and before a replicator first starts.

DO $mainstem$
BEGIN
    -- Owns everything, and nobody is it: SET ROLE for what changes tables.
    IF to_regrole('@owner@') IS NULL THEN
        CREATE ROLE @owner@ NOLOGIN;
    END IF;
    -- Grant these to the roles that your applications log in with.
    IF to_regrole('@writer@') IS NULL THEN
        CREATE ROLE @writer@ NOLOGIN;
    END IF;
    IF to_regrole('@reader@') IS NULL THEN
        CREATE ROLE @reader@ NOLOGIN;
    END IF;
    IF to_regrole('@projector@') IS NULL THEN
        CREATE ROLE @projector@ NOLOGIN;
    END IF;
    -- REPLICATION is not inherited, so this one logs in itself; it has no password yet.
    IF to_regrole('@replicator@') IS NULL THEN
        CREATE ROLE @replicator@ LOGIN REPLICATION;
    END IF;
    IF NOT pg_has_role(current_user, '@owner@', 'MEMBER') THEN
        GRANT @owner@ TO CURRENT_USER;
    END IF;
END
$mainstem$;

DO $mainstem$
DECLARE
    thing record;
BEGIN
    -- A publication is made by whoever may create in the database.
    EXECUTE 'GRANT CREATE ON DATABASE ' || quote_ident(current_database()) || ' TO @owner@';
    ALTER SCHEMA events OWNER TO @owner@;
    ALTER SCHEMA _mainstem OWNER TO @owner@;
    ALTER SCHEMA schemas OWNER TO @owner@;
    ALTER FUNCTION _mainstem.refuse_change() OWNER TO @owner@;
    -- Sequences that belong to a column go with their table.
    FOR thing IN
        SELECT c.oid::regclass AS name, c.relkind
        FROM pg_class c
        WHERE c.relnamespace IN (
                'events'::regnamespace, '_mainstem'::regnamespace, 'schemas'::regnamespace
            )
          AND (c.relkind IN ('r', 'p') OR c.relkind = 'S' AND NOT EXISTS (
                SELECT FROM pg_depend d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                  AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
            ))
    LOOP
        EXECUTE CASE thing.relkind WHEN 'S' THEN 'ALTER SEQUENCE ' ELSE 'ALTER TABLE ' END
            || thing.name || ' OWNER TO @owner@';
    END LOOP;
END
$mainstem$;

REVOKE ALL ON SCHEMA events, _mainstem, schemas FROM PUBLIC;

GRANT USAGE ON SCHEMA events TO @writer@, @reader@, @replicator@;

GRANT USAGE ON SCHEMA schemas TO @writer@, @reader@, @projector@;

-- An INSERT that returns the id, and a version that is counted on, need SELECT.
GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA events TO @writer@;

GRANT USAGE ON ALL SEQUENCES IN SCHEMA events TO @writer@;

GRANT SELECT ON ALL TABLES IN SCHEMA events TO @reader@, @replicator@;

GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA schemas TO @writer@;

GRANT USAGE ON ALL SEQUENCES IN SCHEMA schemas TO @writer@;

GRANT SELECT ON ALL TABLES IN SCHEMA schemas TO @reader@, @projector@;

ALTER DEFAULT PRIVILEGES FOR ROLE @owner@ IN SCHEMA events
    GRANT SELECT, INSERT ON TABLES TO @writer@;

ALTER DEFAULT PRIVILEGES FOR ROLE @owner@ IN SCHEMA events
    GRANT USAGE ON SEQUENCES TO @writer@;

ALTER DEFAULT PRIVILEGES FOR ROLE @owner@ IN SCHEMA events
    GRANT SELECT ON TABLES TO @reader@, @replicator@;

-- A table is fenced by a lock that PostgreSQL grants to nobody who may only read. From 17 on it
-- takes MAINTAIN, and before that UPDATE, which is of no other use where the append-only trigger
-- stands. A table without one is left out: `mainstem topic protect` it, and run this again.
-- Tables to come are granted beforehand; one that is made with --no-append-only is open to UPDATE
-- by the replicator until this is run again.
DO $mainstem$
DECLARE
    maintain boolean := current_setting('server_version_num')::integer >= 170000;
    topic record;
BEGIN
    IF maintain THEN
        GRANT MAINTAIN ON ALL TABLES IN SCHEMA events TO @replicator@;
        ALTER DEFAULT PRIVILEGES FOR ROLE @owner@ IN SCHEMA events
            GRANT MAINTAIN ON TABLES TO @replicator@;
    ELSE
        FOR topic IN
            SELECT c.oid::regclass AS name, EXISTS (
                SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND t.tgname = 'append_only'
            ) AS protected
            FROM pg_class c
            WHERE c.relnamespace = 'events'::regnamespace AND c.relkind IN ('r', 'p')
        LOOP
            EXECUTE CASE WHEN topic.protected
                THEN 'GRANT UPDATE ON ' || topic.name || ' TO @replicator@'
                ELSE 'REVOKE UPDATE ON ' || topic.name || ' FROM @replicator@'
            END;
        END LOOP;
        ALTER DEFAULT PRIVILEGES FOR ROLE @owner@ IN SCHEMA events
            GRANT UPDATE ON TABLES TO @replicator@;
    END IF;
END
$mainstem$;

-- A publication that exists stays whose it is: to alter it would stop the line that reads it.
DO $mainstem$
DECLARE
    topic record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = '@publication@') THEN
        CREATE PUBLICATION "@publication@"
            WITH (publish = 'insert', publish_via_partition_root = true);
        ALTER PUBLICATION "@publication@" OWNER TO @owner@;
        FOR topic IN
            SELECT oid::regclass AS name FROM pg_class
            WHERE relnamespace = 'events'::regnamespace AND relkind IN ('r', 'p')
              AND NOT relispartition AND right(relname, 7) = '_events'
        LOOP
            EXECUTE 'ALTER PUBLICATION "@publication@" ADD TABLE ' || topic.name;
        END LOOP;
    END IF;
END
$mainstem$;

DO $mainstem$
BEGIN
    IF to_regnamespace('projections') IS NULL THEN
        CREATE SCHEMA projections AUTHORIZATION @owner@;
    END IF;
END
$mainstem$;

-- Read models: the projector's own.
GRANT USAGE, CREATE ON SCHEMA projections TO @projector@;

-- What it has done, and what it could not do: beside the objects that it may not touch.
GRANT USAGE ON SCHEMA _mainstem TO @projector@, @reader@, @writer@;

GRANT SELECT, INSERT, UPDATE, DELETE ON
    _mainstem.projections, _mainstem.projection_offsets,
    _mainstem.projection_halts, _mainstem.dead_letters
    TO @projector@;

-- Who waits for a projection looks at its offsets; dead letters hold events.
GRANT SELECT ON
    _mainstem.projections, _mainstem.projection_offsets, _mainstem.projection_halts
    TO @reader@, @writer@;
