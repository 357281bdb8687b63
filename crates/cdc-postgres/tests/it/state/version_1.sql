-- The state tables as version 1 created them, with what a pipeline keeps in them. Never changes.

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

INSERT INTO cdc.schema_version (version) VALUES (1);

INSERT INTO cdc.checkpoint (pipeline, topic, generation, partition, next_offset, epoch, owner, backend_pid,
                            backend_start)
VALUES ('orders', 'shop.public.orders', 0, 3, 100, 4, 'process 12 lane 0', 12, now()),
       ('orders', 'shop.public.orders', 0, 4, NULL, 0, NULL, NULL, NULL);
INSERT INTO cdc.pipeline_table (pipeline, target, source)
VALUES ('orders', 'public.orders_fact', 'public.orders');
INSERT INTO cdc.dead_letter (pipeline, topic, generation, partition, "offset", stage, reason, message)
VALUES ('orders', 'shop.public.orders', 0, 3, 42, 'decode', 'missing_after', 'expected a row');
INSERT INTO cdc.table_event (pipeline, topic, generation, partition, "offset", ordinal, kind, source_table,
                             target_table)
VALUES ('orders', 'shop.public.orders', 0, 3, 43, 0, 'truncate', 'public.orders', 'public.orders_fact');
