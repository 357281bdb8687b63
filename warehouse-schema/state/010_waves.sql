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

-- In a topic of several partitions the marks of a snapshot stand in some of them, and its end in each is
-- known from several records.
ALTER TABLE cdc.table_event
    ADD COLUMN IF NOT EXISTS source_database text,
    ADD COLUMN IF NOT EXISTS opens           boolean,
    ADD COLUMN IF NOT EXISTS closes          boolean,
    ADD COLUMN IF NOT EXISTS passed_at       bigint,
    ADD COLUMN IF NOT EXISTS alone           boolean;

COMMENT ON COLUMN cdc.table_event.source_database IS 'Of which database the snapshot is.';
COMMENT ON COLUMN cdc.table_event.opens IS 'Of a begin: whether its record is marked as the first of the snapshot.';
COMMENT ON COLUMN cdc.table_event.closes IS 'Of a begin in one of several partitions: whether the last record of the snapshot stands in this one.';
COMMENT ON COLUMN cdc.table_event.passed_at IS 'Of a begin: the offset of that last record, or of a change that the connector sent behind the snapshot.';
COMMENT ON COLUMN cdc.table_event.alone IS 'Of an end: false where the topic has several partitions, so that it speaks of its own alone.';
