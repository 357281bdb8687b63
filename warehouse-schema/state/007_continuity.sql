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
