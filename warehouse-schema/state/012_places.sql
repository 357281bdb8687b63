-- Where a source that does not count in offsets stood, in its own terms: kept with the entry of the books
-- that its record ended, so that it moves with the progress that it stands for.

ALTER TABLE cdc.ledger ADD COLUMN IF NOT EXISTS last_place text;
COMMENT ON COLUMN cdc.ledger.last_place IS 'Where the last record of the range stands in its source, as the source itself wrote it; NULL where offsets say it.';

-- A program that remembers no records, or keeps no places, must not go on beside one that does.
DROP FUNCTION IF EXISTS cdc.advance_and_book(text, text[], integer[], integer[], bigint[], bigint[],
    bigint[], text[], bigint[], bigint[], bigint[], bigint[], jsonb[], bigint[]);
DROP FUNCTION IF EXISTS cdc.advance_and_book(text, text[], integer[], integer[], bigint[], bigint[],
    bigint[], text[], bigint[], bigint[], bigint[], bigint[], bigint[], bigint[], jsonb[], bigint[]);

CREATE OR REPLACE FUNCTION cdc.advance_and_book(
    of_pipeline text,
    topics      text[],
    generations integer[],
    partitions  integer[],
    froms       bigint[],
    untils      bigint[],
    epochs      bigint[],
    marks       text[],
    lasts       bigint[],
    digests     bigint[],
    places      text[],
    reads       bigint[],
    writes      bigint[],
    folds       bigint[],
    skips       bigint[],
    skips_by    jsonb[],
    letters     bigint[]
) RETURNS void
LANGUAGE plpgsql
AS $function$
DECLARE
    moved    integer;
    obstacle text;
BEGIN
    UPDATE cdc.checkpoint AS held
       SET next_offset = step.until_offset, updated_at = clock_timestamp(),
           -- A step without a change of the source leaves them as they are.
           source_marks = coalesce(step.marks::jsonb, held.source_marks)
      FROM unnest(topics, generations, partitions, froms, untils, epochs, marks)
           AS step (topic, generation, partition, from_offset, until_offset, epoch, marks)
     WHERE held.pipeline = of_pipeline
       AND held.topic = step.topic
       AND held.generation = step.generation
       AND held.partition = step.partition
       AND held.epoch = step.epoch
       AND (held.next_offset = step.from_offset OR held.next_offset IS NULL);
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(topics) THEN
        SELECT format('%s/%s/%s ', step.topic, step.generation, step.partition)
               || CASE WHEN held.epoch IS NULL THEN 'has no checkpoint'
                       WHEN held.epoch = step.epoch THEN format('stands at %s', held.next_offset)
                       WHEN held.owner IS NULL THEN 'was taken over, and given up again'
                       ELSE format('was taken over by "%s"', held.owner) END
          INTO obstacle
          FROM unnest(topics, generations, partitions, froms, epochs)
               AS step (topic, generation, partition, from_offset, epoch)
          LEFT JOIN cdc.checkpoint AS held
            ON held.pipeline = of_pipeline AND held.topic = step.topic
           AND held.generation = step.generation AND held.partition = step.partition
         WHERE (held.epoch = step.epoch AND held.next_offset = step.from_offset) IS NOT TRUE
         ORDER BY step.topic, step.generation, step.partition
         LIMIT 1;
        RAISE EXCEPTION '%', coalesce(obstacle, 'the step does not join')
            USING ERRCODE = 'CD001',
                  HINT = 'somebody else owns or has moved the log: acquire it again';
    END IF;
    -- An empty range says nothing, and would stand in the place of the next one.
    INSERT INTO cdc.ledger (pipeline, topic, generation, partition, first_offset, until_offset, epoch,
                            last_offset, last_digest, last_place,
                            read, written, folded, skipped, skipped_by, dead_lettered)
    SELECT of_pipeline, step.*
      FROM unnest(topics, generations, partitions, froms, untils, epochs, lasts, digests, places,
                  reads, writes, folds, skips, skips_by, letters)
           AS step (topic, generation, partition, first_offset, until_offset, epoch,
                    last_offset, last_digest, last_place,
                    read, written, folded, skipped, skipped_by, dead_lettered)
     WHERE step.first_offset < step.until_offset;
END
$function$;
COMMENT ON FUNCTION cdc.advance_and_book IS 'Moves the checkpoint of every named log, with how far connectors have sent, and enters the step into the ledger with the last record by which the log is known again, or raises CD001 and does nothing.';
