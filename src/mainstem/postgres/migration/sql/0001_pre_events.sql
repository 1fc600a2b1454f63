-- The schema of the event tables.

-- CREATE SCHEMA IF NOT EXISTS asks for a privilege even if there is nothing to do.
DO $mainstem$
BEGIN
    IF to_regnamespace('events') IS NULL THEN
        CREATE SCHEMA events;
    END IF;
END
$mainstem$;
