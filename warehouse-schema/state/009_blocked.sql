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
