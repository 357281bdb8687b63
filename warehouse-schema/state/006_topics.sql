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
