-- The books: for every range of every log, how many records were read and what became of them,
-- written in the transaction that applies the range. One row per batch and partition.

CREATE TABLE IF NOT EXISTS cdc.ledger (
    pipeline      text        NOT NULL,
    run           integer     NOT NULL DEFAULT 0,
    topic         text        NOT NULL,
    generation    integer     NOT NULL,
    partition     integer     NOT NULL,
    first_offset  bigint      NOT NULL,
    until_offset  bigint      NOT NULL,
    read          bigint      NOT NULL,
    written       bigint      NOT NULL,
    folded        bigint      NOT NULL,
    skipped       bigint      NOT NULL,
    skipped_by    jsonb       NOT NULL DEFAULT '{}',
    dead_lettered bigint      NOT NULL,
    epoch         bigint      NOT NULL,
    committed_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (pipeline, run, topic, generation, partition, first_offset),
    CONSTRAINT ledger_range CHECK (0 <= first_offset AND first_offset < until_offset),
    CONSTRAINT ledger_conserves CHECK (read = written + folded + skipped + dead_lettered)
);
COMMENT ON TABLE cdc.ledger IS 'What became of the records of each range of each log. Old ranges are removed, the newest never is.';
COMMENT ON COLUMN cdc.ledger.run IS 'Zero is the pipeline itself.';
COMMENT ON COLUMN cdc.ledger.until_offset IS 'Where the next range begins.';
COMMENT ON COLUMN cdc.ledger.read IS 'Records in the range; logs skip offsets, so there may be fewer than its length.';
COMMENT ON COLUMN cdc.ledger.written IS 'Records with an effect in a target.';
COMMENT ON COLUMN cdc.ledger.folded IS 'Records replaced by a later change of their key in the same batch.';
COMMENT ON COLUMN cdc.ledger.skipped IS 'Records without an effect, for a named reason.';
COMMENT ON COLUMN cdc.ledger.skipped_by IS 'The same by reason; rules stand under their names.';
COMMENT ON COLUMN cdc.ledger.dead_lettered IS 'Records kept in cdc.dead_letter.';
COMMENT ON COLUMN cdc.ledger.epoch IS 'Under which ownership the range was applied.';

-- What its form is, cdc-checkpoint says.
ALTER TABLE cdc.checkpoint ADD COLUMN IF NOT EXISTS source_marks jsonb;
COMMENT ON COLUMN cdc.checkpoint.source_marks IS 'How far each connector has sent of each source database: what comes again, as after a crash, is skipped.';

COMMENT ON COLUMN cdc.checkpoint.owner IS 'Who took the log over last, by the application_name of its sessions; NULL after it was given up.';

-- A program that does not keep books must not go on beside one that does.
DROP FUNCTION IF EXISTS cdc.advance(text, text[], integer[], integer[], bigint[], bigint[], bigint[]);

CREATE OR REPLACE FUNCTION cdc.ledger_heads(of_pipeline text)
RETURNS TABLE (topic text, generation integer, partition integer, next_offset bigint, head bigint)
LANGUAGE sql STABLE
AS $function$
    SELECT held.topic, held.generation, held.partition, held.next_offset, newest.until_offset
      FROM cdc.checkpoint AS held
      LEFT JOIN LATERAL (
           SELECT entry.until_offset
             FROM cdc.ledger AS entry
            WHERE entry.pipeline = held.pipeline AND entry.run = 0
              AND entry.topic = held.topic AND entry.generation = held.generation
              AND entry.partition = held.partition
            ORDER BY entry.first_offset DESC
            LIMIT 1) AS newest ON true
     WHERE held.pipeline = of_pipeline
$function$;
COMMENT ON FUNCTION cdc.ledger_heads IS 'Where each log stands by its checkpoint and by its ledger; both must agree where there is a ledger.';

CREATE OR REPLACE FUNCTION cdc.check_ledger(of_pipeline text)
RETURNS TABLE (topic text, generation integer, partition integer, place bigint, problem text,
               expected bigint, found bigint)
LANGUAGE sql STABLE
AS $function$
    WITH entries AS (
        SELECT entry.*,
               max(entry.until_offset) OVER (
                   PARTITION BY entry.topic, entry.generation, entry.partition
                   ORDER BY entry.first_offset
                   ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before,
               (SELECT coalesce(sum(reason.value::bigint), 0)::bigint
                  FROM jsonb_each_text(entry.skipped_by) AS reason) AS by_reason,
               entry.written + entry.folded + entry.skipped + entry.dead_lettered AS accounted
          FROM cdc.ledger AS entry
         WHERE entry.pipeline = of_pipeline AND entry.run = 0
    ), heads AS (
        SELECT entries.topic, entries.generation, entries.partition,
               max(entries.until_offset) AS head
          FROM entries
         GROUP BY entries.topic, entries.generation, entries.partition
    )
    SELECT entries.topic, entries.generation, entries.partition, entries.before, 'hole',
           entries.before, entries.first_offset
      FROM entries WHERE entries.first_offset > entries.before
     UNION ALL
    SELECT entries.topic, entries.generation, entries.partition, entries.first_offset, 'overlap',
           entries.before, entries.first_offset
      FROM entries WHERE entries.first_offset < entries.before
     UNION ALL
    SELECT entries.topic, entries.generation, entries.partition, entries.first_offset, 'sum',
           entries.read, entries.accounted
      FROM entries WHERE entries.read <> entries.accounted
     UNION ALL
    SELECT entries.topic, entries.generation, entries.partition, entries.first_offset, 'reasons',
           entries.skipped, entries.by_reason
      FROM entries WHERE entries.skipped <> entries.by_reason
     UNION ALL
    SELECT heads.topic, heads.generation, heads.partition, heads.head, 'head', heads.head,
           held.next_offset
      FROM heads
      LEFT JOIN cdc.checkpoint AS held
        ON held.pipeline = of_pipeline AND held.topic = heads.topic
       AND held.generation = heads.generation AND held.partition = heads.partition
     WHERE held.next_offset IS DISTINCT FROM heads.head
     ORDER BY 1, 2, 3, 4, 5
$function$;
COMMENT ON FUNCTION cdc.check_ledger IS 'Every place where the books do not balance: hole, overlap, sum, reasons, or head (of the checkpoint). None when they do.';

CREATE OR REPLACE FUNCTION cdc.prune_ledger(of_pipeline text, keep interval, at_most integer)
RETURNS bigint
LANGUAGE sql
AS $function$
    -- The oldest entries of a log come first in the key, so no more is read than is removed. Only a
    -- beginning is removed, whatever the clock did, so that no hole arises.
    WITH oldest AS (
        SELECT entry.run, entry.topic, entry.generation, entry.partition, entry.first_offset,
               bool_and(entry.until_offset < held.next_offset
                        AND entry.committed_at < clock_timestamp() - keep) OVER (
                   PARTITION BY entry.topic, entry.generation, entry.partition
                   ORDER BY entry.first_offset) AS due
          FROM cdc.checkpoint AS held
         CROSS JOIN LATERAL (
               SELECT old.*
                 FROM cdc.ledger AS old
                WHERE old.pipeline = held.pipeline AND old.run = 0
                  AND old.topic = held.topic AND old.generation = held.generation
                  AND old.partition = held.partition
                ORDER BY old.first_offset
                LIMIT at_most) AS entry
         WHERE held.pipeline = of_pipeline
    ), removed AS (
        DELETE FROM cdc.ledger AS entry
         USING oldest
         WHERE oldest.due AND entry.pipeline = of_pipeline
           AND (entry.run, entry.topic, entry.generation, entry.partition, entry.first_offset)
             = (oldest.run, oldest.topic, oldest.generation, oldest.partition, oldest.first_offset)
        RETURNING 1
    )
    SELECT count(*) FROM removed
$function$;
COMMENT ON FUNCTION cdc.prune_ledger IS 'Removes entries that are older than that, oldest first, so many of each log at most; the newest of a log stays.';
