-- One Avro number of a record: a variable-length, zigzag-coded integer, and where the next begins.
CREATE OR REPLACE FUNCTION pg_temp.number_at(
    data bytea, place integer, OUT value integer, OUT behind integer
) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    coded bigint := 0;
    shift integer := 0;
    part integer;
BEGIN
    behind := place;
    LOOP
        part := get_byte(data, behind);
        behind := behind + 1;
        coded := coded | ((part & 127)::bigint << shift);
        EXIT WHEN part < 128;
        shift := shift + 7;
    END LOOP;
    value := (coded >> 1) # -(coded & 1);
END
$$
