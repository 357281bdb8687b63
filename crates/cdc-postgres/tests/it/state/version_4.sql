-- The state tables as version 4 created them, with what a pipeline keeps in them. Never changes.

-- What a pipeline knows about itself, kept beside the data so that both move in one transaction.
-- Run by `cdc-pipeline init`; every statement may be run again.

CREATE SCHEMA IF NOT EXISTS cdc;
COMMENT ON SCHEMA cdc IS 'State of the change pipelines that write into this warehouse.';

CREATE TABLE IF NOT EXISTS cdc.schema_version (
    version    integer     PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE cdc.schema_version IS 'Which versions of this schema have been applied.';

-- One row per log. Its updates touch no indexed column, and the free space keeps them on the page.
CREATE TABLE IF NOT EXISTS cdc.checkpoint (
    pipeline      text        NOT NULL,
    topic         text        NOT NULL,
    generation    integer     NOT NULL,
    partition     integer     NOT NULL,
    next_offset   bigint      CHECK (next_offset >= 0),
    epoch         bigint      NOT NULL DEFAULT 0,
    owner         text,
    backend_pid   integer,
    backend_start timestamptz,
    updated_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, topic, generation, partition)
) WITH (fillfactor = 50);
COMMENT ON TABLE cdc.checkpoint IS 'Where each log has been applied up to. Changed only together with the data it describes.';
COMMENT ON COLUMN cdc.checkpoint.generation IS 'How often the topic was created again or given more partitions.';
COMMENT ON COLUMN cdc.checkpoint.next_offset IS 'Where reading resumes; everything before it is applied. NULL: nothing has been applied yet.';
COMMENT ON COLUMN cdc.checkpoint.epoch IS 'Rises with every take-over; a writer with an older epoch can move nothing any more.';
COMMENT ON COLUMN cdc.checkpoint.owner IS 'Who took the log over last; NULL after it was given up.';
COMMENT ON COLUMN cdc.checkpoint.backend_pid IS 'The session with which the owner took the log over; it may have others.';
COMMENT ON COLUMN cdc.checkpoint.backend_start IS 'When that session began: together with its number it names one session for ever.';

CREATE TABLE IF NOT EXISTS cdc.pipeline_table (
    pipeline text        NOT NULL,
    target   text        NOT NULL,
    source   text        NOT NULL,
    since    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, target)
);
COMMENT ON TABLE cdc.pipeline_table IS 'Which tables each pipeline has followed from its beginning; any other would miss what came before.';
COMMENT ON COLUMN cdc.pipeline_table.target IS 'schema.name of the warehouse table.';
COMMENT ON COLUMN cdc.pipeline_table.source IS 'schema.name of the source table.';
COMMENT ON COLUMN cdc.pipeline_table.since IS 'When the table was written down, before anything was applied.';

CREATE TABLE IF NOT EXISTS cdc.dead_letter (
    id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline     text        NOT NULL,
    topic        text        NOT NULL,
    generation   integer     NOT NULL,
    partition    integer     NOT NULL,
    "offset"     bigint      NOT NULL,
    source_table text,
    target_table text,
    stage        text        NOT NULL,
    reason       text        NOT NULL,
    message      text        NOT NULL,
    column_name  text,
    sqlstate     text,
    hint         text,
    raw_key      bytea,
    raw_value    bytea,
    raw_headers  json        NOT NULL DEFAULT '[]',
    state        text        NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'retried', 'discarded')),
    created_at   timestamptz NOT NULL DEFAULT now(),
    UNIQUE (pipeline, topic, generation, partition, "offset")
);
COMMENT ON TABLE cdc.dead_letter IS 'Records that could not be applied, each with its reason and its untouched bytes.';
COMMENT ON COLUMN cdc.dead_letter.stage IS 'Where it was refused: decode, rule, encode or apply.';
COMMENT ON COLUMN cdc.dead_letter.reason IS 'A stable word to group and filter by.';
COMMENT ON COLUMN cdc.dead_letter.message IS 'What was expected. Never holds values of the row.';
COMMENT ON COLUMN cdc.dead_letter.raw_headers IS 'The headers in order: [{"name": text, "value": hexadecimal text or null}].';
COMMENT ON COLUMN cdc.dead_letter.state IS 'open until somebody retries or discards it.';

CREATE TABLE IF NOT EXISTS cdc.table_event (
    pipeline     text        NOT NULL,
    topic        text        NOT NULL,
    generation   integer     NOT NULL,
    partition    integer     NOT NULL,
    "offset"     bigint      NOT NULL,
    ordinal      integer     NOT NULL,
    kind         text        NOT NULL CHECK (kind IN ('truncate')),
    source_table text        NOT NULL,
    target_table text        NOT NULL,
    source_lsn   pg_lsn,
    source_tx_id bigint,
    captured_at  timestamptz,
    created_at   timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (pipeline, topic, generation, partition, "offset", ordinal)
);
CREATE INDEX IF NOT EXISTS table_event_target ON cdc.table_event (target_table, kind);
COMMENT ON TABLE cdc.table_event IS 'Changes of whole tables, in the place of the log where they happened.';
COMMENT ON COLUMN cdc.table_event.target_table IS 'schema.name of the warehouse table.';
COMMENT ON COLUMN cdc.table_event.ordinal IS 'Place among the changes of one record.';

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

-- What an operator decided, so that later readers of the data know why it is as it is.
CREATE TABLE IF NOT EXISTS cdc.decision (
    id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    pipeline   text        NOT NULL,
    kind       text        NOT NULL CHECK (kind IN ('source_accepted')),
    reason     text        NOT NULL CHECK (reason <> ''),
    state      jsonb       NOT NULL,
    decided_by text        NOT NULL DEFAULT session_user,
    decided_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE cdc.decision IS 'What an operator decided about a pipeline, and why.';
COMMENT ON COLUMN cdc.decision.id IS 'The order of the decisions.';
COMMENT ON COLUMN cdc.decision.pipeline IS 'Whose data it is about.';
COMMENT ON COLUMN cdc.decision.kind IS 'source_accepted: a restored or replaced source is followed from where it stands.';
COMMENT ON COLUMN cdc.decision.reason IS 'Why, in the words of who decided.';
COMMENT ON COLUMN cdc.decision.state IS 'What the decision changed, as it was before.';
COMMENT ON COLUMN cdc.decision.decided_by IS 'The role that decided.';
COMMENT ON COLUMN cdc.decision.decided_at IS 'When.';

-- How many partitions each topic had when the pipeline began to follow it. With more of them keys move
-- to other partitions, and the offset, by which one version of a key follows another, says nothing any
-- more.

CREATE TABLE IF NOT EXISTS cdc.topic (
    pipeline   text        NOT NULL,
    topic      text        NOT NULL,
    generation integer     NOT NULL,
    partitions integer     NOT NULL CHECK (partitions > 0),
    since      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (pipeline, topic, generation)
);
COMMENT ON TABLE cdc.topic IS 'How many partitions each topic had when the pipeline began to follow it.';
COMMENT ON COLUMN cdc.topic.pipeline IS 'Which pipeline.';
COMMENT ON COLUMN cdc.topic.topic IS 'The topic.';
COMMENT ON COLUMN cdc.topic.generation IS 'How often the topic was created again or given more partitions.';
COMMENT ON COLUMN cdc.topic.partitions IS 'How many partitions it had.';
COMMENT ON COLUMN cdc.topic.since IS 'When it was written down.';

-- By which records a log is known again, and what an operator decided about logs that are not what they
-- were: records that retention removed before they were read, a topic that was created again, partitions
-- that were added.

ALTER TABLE cdc.ledger ADD COLUMN IF NOT EXISTS last_offset bigint;
ALTER TABLE cdc.ledger ADD COLUMN IF NOT EXISTS last_digest bigint;
ALTER TABLE cdc.ledger ADD COLUMN IF NOT EXISTS decision bigint;
COMMENT ON COLUMN cdc.ledger.last_offset IS 'Where the last record of the range stands; NULL where the range has none.';
COMMENT ON COLUMN cdc.ledger.last_digest IS 'FNV-1a, 64 bits, of the time, key and value of that record: a topic in which it is another one was created again.';
COMMENT ON COLUMN cdc.ledger.decision IS 'The cdc.decision by which the range was passed over unread, because the log had lost it.';

ALTER TABLE cdc.decision DROP CONSTRAINT IF EXISTS decision_kind_check;
ALTER TABLE cdc.decision ADD CONSTRAINT decision_kind_check
    CHECK (kind IN ('source_accepted', 'gap_accepted', 'incarnation_accepted', 'partitions_accepted'));
COMMENT ON COLUMN cdc.decision.kind IS 'source_accepted: a restored or replaced source is followed from where it stands. gap_accepted: offsets that a log had lost before they were read are passed over. incarnation_accepted: a topic that was created again is followed from its beginning, in a new generation. partitions_accepted: a topic that was given more partitions is followed, in a new generation.';

-- A program that remembers no records must not go on beside one that does.
DROP FUNCTION IF EXISTS cdc.advance_and_book(text, text[], integer[], integer[], bigint[], bigint[],
    bigint[], text[], bigint[], bigint[], bigint[], bigint[], jsonb[], bigint[]);

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
                            last_offset, last_digest,
                            read, written, folded, skipped, skipped_by, dead_lettered)
    SELECT of_pipeline, step.*
      FROM unnest(topics, generations, partitions, froms, untils, epochs, lasts, digests, reads, writes,
                  folds, skips, skips_by, letters)
           AS step (topic, generation, partition, first_offset, until_offset, epoch,
                    last_offset, last_digest,
                    read, written, folded, skipped, skipped_by, dead_lettered)
     WHERE step.first_offset < step.until_offset;
END
$function$;
COMMENT ON FUNCTION cdc.advance_and_book IS 'Moves the checkpoint of every named log, with how far connectors have sent, and enters the step into the ledger with the last record by which the log is known again, or raises CD001 and does nothing.';

-- What became of a dead letter, and what a retry has to know: when it was tried, who put it aside and
-- why, and whether its row was deleted since.

ALTER TABLE cdc.dead_letter
    ADD COLUMN IF NOT EXISTS timestamp_ms bigint,
    ADD COLUMN IF NOT EXISTS deleted_in   text[],
    ADD COLUMN IF NOT EXISTS overlaid_in  text[]  NOT NULL DEFAULT '{}',
    ADD COLUMN IF NOT EXISTS attempts     integer NOT NULL DEFAULT 0,
    ADD COLUMN IF NOT EXISTS attempted_at timestamptz,
    ADD COLUMN IF NOT EXISTS resolution   text,
    ADD COLUMN IF NOT EXISTS resolved_by  text,
    ADD COLUMN IF NOT EXISTS resolved_at  timestamptz;
COMMENT ON COLUMN cdc.dead_letter.timestamp_ms IS 'The log''s own time of the record, milliseconds since 1970.';
COMMENT ON COLUMN cdc.dead_letter.deleted_in IS 'Mirrors in which its row was deleted by a later record: nothing is left there that a retry could be compared with. NULL: nobody has watched, as before version 3.';
COMMENT ON COLUMN cdc.dead_letter.overlaid_in IS 'Mirrors in which a later record changed its row without all values: those that it left alone may be the letter''s.';
COMMENT ON COLUMN cdc.dead_letter.attempts IS 'How often it was retried.';
COMMENT ON COLUMN cdc.dead_letter.attempted_at IS 'When it was retried last.';
COMMENT ON COLUMN cdc.dead_letter.resolution IS 'Why it is open no longer.';
COMMENT ON COLUMN cdc.dead_letter.resolved_by IS 'The role that retried or discarded it.';
COMMENT ON COLUMN cdc.dead_letter.resolved_at IS 'When.';

ALTER TABLE cdc.dead_letter
    DROP CONSTRAINT IF EXISTS dead_letter_state_check,
    ADD CONSTRAINT dead_letter_state_check
        CHECK (state IN ('open', 'retried', 'superseded', 'discarded'));
COMMENT ON COLUMN cdc.dead_letter.state IS 'open until somebody retries or discards it; superseded: a mirror had a newer version of its row.';

-- By the key, of which a hash is kept: a key may be longer than a tree can hold.
CREATE INDEX IF NOT EXISTS dead_letter_open_key ON cdc.dead_letter USING hash (raw_key)
    WHERE state = 'open';

-- Changes of a mirror that wait behind a dead letter of their key, because a change that is applied
-- before an earlier one of its key would leave a row that the source never had.

-- Letters that are there already have let later changes pass; they go on doing so.
ALTER TABLE cdc.dead_letter ADD COLUMN IF NOT EXISTS holds boolean NOT NULL DEFAULT false;
ALTER TABLE cdc.dead_letter ALTER COLUMN holds SET DEFAULT true;
ALTER TABLE cdc.dead_letter ADD COLUMN IF NOT EXISTS blocked_by bigint;
COMMENT ON COLUMN cdc.dead_letter.holds IS 'Whether later changes of its key wait behind it, where its table is a mirror. False: it was kept before version 4, and later changes were applied.';
COMMENT ON COLUMN cdc.dead_letter.blocked_by IS 'The first open letter of its key and table, without which it must not be applied; NULL where it is the first itself.';

-- The first letter of a key. A hash of the key, because a key may be longer than a tree can hold.
CREATE INDEX IF NOT EXISTS dead_letter_first ON cdc.dead_letter
    (topic, sha256(raw_key), generation, "offset") WHERE state = 'open' AND holds;
-- How many wait, behind one letter and of one table.
CREATE INDEX IF NOT EXISTS dead_letter_blocked ON cdc.dead_letter (blocked_by)
    WHERE state = 'open' AND blocked_by IS NOT NULL;
CREATE INDEX IF NOT EXISTS dead_letter_waiting ON cdc.dead_letter (pipeline, target_table)
    WHERE state = 'open' AND blocked_by IS NOT NULL;

-- Snapshots as events of their tables: a connector that takes another snapshot sends no delete of what
-- is gone since the one before, so that the end of a complete one is what says it.

ALTER TABLE cdc.table_event
    ADD COLUMN IF NOT EXISTS connector text,
    ADD COLUMN IF NOT EXISTS begins_at bigint,
    ADD COLUMN IF NOT EXISTS note      text;

ALTER TABLE cdc.table_event
    DROP CONSTRAINT IF EXISTS table_event_kind_check,
    ADD CONSTRAINT table_event_kind_check
        CHECK (kind IN ('truncate', 'snapshot_begin', 'snapshot_end'));

-- A snapshot of one row begins and ends with the same record.
DO $block$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_catalog.pg_constraint AS held
          JOIN pg_catalog.pg_attribute AS part
            ON part.attrelid = held.conrelid AND part.attnum = ANY (held.conkey)
         WHERE held.conrelid = 'cdc.table_event'::regclass AND held.contype = 'p'
           AND part.attname = 'kind')
    THEN
        ALTER TABLE cdc.table_event
            DROP CONSTRAINT table_event_pkey,
            ADD PRIMARY KEY (pipeline, topic, generation, partition, "offset", ordinal, kind);
    END IF;
END
$block$;

COMMENT ON COLUMN cdc.table_event.kind IS 'truncate; snapshot_begin and snapshot_end: the first and the last record of a snapshot in a partition.';
COMMENT ON COLUMN cdc.table_event.source_lsn IS 'Where the source''s log stood; equal for all rows of a snapshot, whose number is that of cdc_wave in histories.';
COMMENT ON COLUMN cdc.table_event.connector IS 'Which connector took the snapshot.';
COMMENT ON COLUMN cdc.table_event.begins_at IS 'Of an end: the offset at which the snapshot begins in its partition.';
COMMENT ON COLUMN cdc.table_event.note IS 'Why nothing follows for rows that the snapshot did not show. NULL at an end: what stands before begins_at and not behind it is gone from the source.';

-- What is stored of a dead letter whose table has rules that hash or drop columns: a copy without their
-- values, and enough of the original to know it again where the log still has it.

ALTER TABLE cdc.dead_letter
    ADD COLUMN IF NOT EXISTS masked      boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS withheld    text,
    ADD COLUMN IF NOT EXISTS key_hidden  boolean NOT NULL DEFAULT false,
    ADD COLUMN IF NOT EXISTS key_bytes   bigint,
    ADD COLUMN IF NOT EXISTS value_bytes bigint,
    ADD COLUMN IF NOT EXISTS digest      bytea,
    ADD COLUMN IF NOT EXISTS hashed_by   bytea;
COMMENT ON TABLE cdc.dead_letter IS 'Records that could not be applied, each with its reason. Its bytes are those of the record unless it is masked.';
COMMENT ON COLUMN cdc.dead_letter.masked IS 'The bytes are those of a copy without the values of columns that rules hash or drop; the original is in the log alone.';
COMMENT ON COLUMN cdc.dead_letter.withheld IS 'Why nothing of the value is stored: not_json or unknown_shape. NULL: the value or its copy is.';
COMMENT ON COLUMN cdc.dead_letter.key_hidden IS 'raw_key is a keyed hash of the key, or NULL when the rules have no key to hash it with.';
COMMENT ON COLUMN cdc.dead_letter.key_bytes IS 'The length of the original key. Only where masked; NULL: it was null.';
COMMENT ON COLUMN cdc.dead_letter.value_bytes IS 'The length of the original value. Only where masked; NULL: it was null.';
COMMENT ON COLUMN cdc.dead_letter.digest IS 'HMAC-SHA-256 of the original key and value under a key of the rules. NULL: the rules have none.';
COMMENT ON COLUMN cdc.dead_letter.hashed_by IS 'Which key of the rules it was, by a hash that says nothing of it.';

INSERT INTO cdc.schema_version (version) VALUES (4);

INSERT INTO cdc.checkpoint (pipeline, topic, generation, partition, next_offset, epoch, owner, backend_pid,
                            backend_start)
VALUES ('orders', 'shop.public.orders', 0, 3, 100, 4, 'process 12 lane 0', 12, now());
INSERT INTO cdc.pipeline_table (pipeline, target, source)
VALUES ('orders', 'public.orders_fact', 'public.orders');
INSERT INTO cdc.topic (pipeline, topic, generation, partitions)
VALUES ('orders', 'shop.public.orders', 0, 5);
INSERT INTO cdc.ledger (pipeline, topic, generation, partition, first_offset, until_offset, read, written,
                        folded, skipped, dead_lettered, epoch, last_offset, last_digest)
VALUES ('orders', 'shop.public.orders', 0, 3, 42, 100, 57, 56, 0, 0, 1, 4, 98, -5);
INSERT INTO cdc.dead_letter (pipeline, topic, generation, partition, "offset", source_table, target_table,
                             stage, reason, message, raw_key, masked, withheld, value_bytes)
VALUES ('orders', 'shop.public.orders', 0, 3, 42, 'public.orders', 'public.orders_fact', 'apply', 'check',
        'the row breaks a constraint', 'key 1', true, 'not_json', 17);
