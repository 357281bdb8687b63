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
