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
