-- What forbids to change events: a trigger of each statement, which an INSERT never meets.

DO $mainstem$
BEGIN
    IF to_regnamespace('_mainstem') IS NULL THEN
        CREATE SCHEMA _mainstem;
    END IF;
    IF to_regprocedure('_mainstem.refuse_change()') IS NULL THEN
        CREATE FUNCTION _mainstem.refuse_change() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog AS $body$
        BEGIN
            RAISE EXCEPTION USING
                ERRCODE = 'restrict_violation',
                MESSAGE = 'events are for ever: ' || TG_OP || ' is refused on '
                    || TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME,
                HINT = 'correct a mistake by a further event',
                SCHEMA = TG_TABLE_SCHEMA,
                TABLE = TG_TABLE_NAME,
                CONSTRAINT = TG_NAME;
        END
        $body$;
    END IF;
END
$mainstem$;
