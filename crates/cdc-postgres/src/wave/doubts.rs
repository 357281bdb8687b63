//! Why nothing follows from the end of a wave, as conditions over what the warehouse holds.

/// Whether the topic of `begun` has several partitions.
pub(super) const SEVERAL: &str = r"
      (EXISTS (SELECT FROM cdc.topic AS known
                WHERE (known.pipeline, known.topic, known.generation)
                    = (begun.pipeline, begun.topic, begun.generation)
                  AND known.partitions > 1)
    OR EXISTS (SELECT FROM cdc.checkpoint AS other
                WHERE (other.pipeline, other.topic, other.generation)
                    = (begun.pipeline, begun.topic, begun.generation)
                  AND other.partition <> begun.partition))";

/// Why nothing follows from an end at the offset `at`, as far as the begin did not know, for a wave that
/// is the row `begun` of `cdc.table_event`; `placed` is whether the target knows the partition of each row.
///
/// Where the first row of a partition is not marked, records before it may have been rows of the wave:
/// those that could not be read, or are lost, behind what was known of the table before.
pub(super) fn doubts(at: &str, placed: &str) -> String {
    format!(
        r#"
       CASE WHEN NOT ({placed}) THEN 'several_partitions'
            WHEN EXISTS (SELECT FROM cdc.table_event AS other
                          WHERE other.pipeline = begun.pipeline
                            AND other.target_table = begun.target_table
                            AND other.kind = 'snapshot_begin' AND other.topic <> begun.topic)
              OR EXISTS (SELECT FROM cdc.checkpoint AS other
                          WHERE other.pipeline = begun.pipeline AND other.topic <> begun.topic
                            AND right(other.topic, length(begun.source_table) + 1)
                              = '.' || begun.source_table)
            THEN 'several_topics'
            WHEN EXISTS (SELECT FROM cdc.table_event AS other
                          WHERE other.pipeline = begun.pipeline
                            AND other.target_table = begun.target_table
                            AND other.kind = 'snapshot_begin' AND other.connector <> begun.connector)
              OR EXISTS (SELECT FROM cdc.checkpoint AS own,
                                jsonb_array_elements(own.source_marks -> 'marks') AS mark
                          WHERE (own.pipeline, own.topic, own.generation, own.partition)
                              = (begun.pipeline, begun.topic, begun.generation, begun.partition)
                            AND (mark ->> 'connector', mark ->> 'database')
                             <> (begun.connector, begun.source_database))
            THEN 'several_connectors'
            WHEN EXISTS (SELECT FROM cdc.dead_letter AS letter
                          WHERE (letter.pipeline, letter.topic, letter.generation, letter.partition)
                              = (begun.pipeline, begun.topic, begun.generation, begun.partition)
                            AND letter."offset" BETWEEN {AFTER} AND {at})
            THEN 'dead_letters'
            WHEN EXISTS (SELECT FROM cdc.ledger AS entry
                          WHERE (entry.pipeline, entry.topic, entry.generation, entry.partition)
                              = (begun.pipeline, begun.topic, begun.generation, begun.partition)
                            AND entry.decision IS NOT NULL
                            AND entry.first_offset <= {at} AND entry.until_offset > {AFTER})
            THEN 'gap'
       END"#
    )
}

/// The offset from which on records may be rows of the wave.
const AFTER: &str = r#"
            CASE WHEN begun.opens THEN begun."offset"
                 ELSE coalesce((SELECT max(earlier."offset") FROM cdc.table_event AS earlier
                                 WHERE (earlier.pipeline, earlier.topic, earlier.generation,
                                        earlier.partition, earlier.target_table)
                                     = (begun.pipeline, begun.topic, begun.generation,
                                        begun.partition, begun.target_table)
                                   AND earlier."offset" < begun."offset"), -1)
            END"#;
