-- Rows were encoded for the column types that the plan saw. When a type changes later, the server
-- may round or convert what still arrives in the old form without a word; this notices it while the
-- transaction can still be rolled back. The data before it holds a lock on the table, so what it
-- sees stays true until COMMIT.

CREATE OR REPLACE FUNCTION cdc.require_types(target regclass, names text[], types text[])
RETURNS void
LANGUAGE plpgsql
AS $function$
DECLARE
    changed text;
BEGIN
    SELECT string_agg(planned.name, ', ' ORDER BY planned.name)
      INTO changed
      FROM unnest(names, types) AS planned (name, type)
      LEFT JOIN pg_catalog.pg_attribute AS held
        ON held.attrelid = target AND held.attname = planned.name AND NOT held.attisdropped
     WHERE pg_catalog.format_type(held.atttypid, held.atttypmod) IS DISTINCT FROM planned.type;
    IF changed IS NOT NULL THEN
        RAISE EXCEPTION 'columns of % have changed their type: %', target, changed
            USING ERRCODE = 'CD002';
    END IF;
END
$function$;
COMMENT ON FUNCTION cdc.require_types IS 'Raises CD002 unless every named column still has the given type.';
