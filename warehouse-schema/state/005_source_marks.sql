-- How far each connector has sent into a log, kept beside the checkpoint and moved together with it: by
-- that, what a connector sends again after a crash is known. What its form is, cdc-checkpoint says.

ALTER TABLE cdc.checkpoint ADD COLUMN IF NOT EXISTS source_marks jsonb;
COMMENT ON COLUMN cdc.checkpoint.source_marks IS 'How far each connector has sent of each source database: what comes again is skipped.';

CREATE OR REPLACE FUNCTION cdc.keep_marks(
    of_pipeline text,
    topics      text[],
    generations integer[],
    partitions  integer[],
    marks       text[]
) RETURNS void
LANGUAGE sql
AS $function$
    -- Who owns the logs is seen to by cdc.advance_and_book, which ends the same transaction.
    UPDATE cdc.checkpoint AS held
       SET source_marks = step.marks::jsonb
      FROM unnest(topics, generations, partitions, marks)
           AS step (topic, generation, partition, marks)
     WHERE held.pipeline = of_pipeline
       AND held.topic = step.topic
       AND held.generation = step.generation
       AND held.partition = step.partition
$function$;
COMMENT ON FUNCTION cdc.keep_marks IS 'Keeps how far connectors have sent; runs in front of cdc.advance_and_book.';

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
