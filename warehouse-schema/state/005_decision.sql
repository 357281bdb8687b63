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
