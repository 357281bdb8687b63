-- The compare-and-set of progress. It is the last statement of every transaction that writes data,
-- in one network message with COMMIT: a writer that no longer owns its logs, or that applies a
-- batch for the second time, changes nothing at all.

CREATE OR REPLACE FUNCTION cdc.advance(
    of_pipeline text,
    topics      text[],
    generations integer[],
    partitions  integer[],
    froms       bigint[],
    untils      bigint[],
    epochs      bigint[]
) RETURNS void
LANGUAGE plpgsql
AS $function$
DECLARE
    moved integer;
BEGIN
    UPDATE cdc.checkpoint AS held
       SET next_offset = step.until_offset, updated_at = clock_timestamp()
      FROM unnest(topics, generations, partitions, froms, untils, epochs)
           AS step (topic, generation, partition, from_offset, until_offset, epoch)
     WHERE held.pipeline = of_pipeline
       AND held.topic = step.topic
       AND held.generation = step.generation
       AND held.partition = step.partition
       AND held.epoch = step.epoch
       AND (held.next_offset = step.from_offset OR held.next_offset IS NULL);
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(topics) THEN
        RAISE EXCEPTION 'the step joins % of % logs', moved, cardinality(topics)
            USING ERRCODE = 'CD001',
                  HINT = 'somebody else owns or has moved the others: acquire them again';
    END IF;
END
$function$;
COMMENT ON FUNCTION cdc.advance IS 'Moves the checkpoint of every named log, or raises CD001 and moves none.';
