//! Changes of whole tables, stored where they happened in the log.

use cdc_core::WriteBatch;

use crate::body::PostgresBody;
use crate::error::{PostgresError, from_driver};
use crate::session::Session;
use crate::settings::PipelineName;
use crate::sql;
use crate::tables::Tables;

const INSERT: &str = r#"
INSERT INTO cdc.table_event
       (pipeline, topic, generation, partition, "offset", ordinal, kind, source_table, target_table,
        source_lsn, source_tx_id, captured_at)
SELECT $1, event.topic, event.generation, event.partition, event."offset", event.ordinal, 'truncate',
       event.source_table, event.target_table, event.source_lsn::pg_lsn, event.source_tx_id,
       timestamptz 'epoch' + event.captured_ms * interval '1 millisecond'
  FROM unnest($2::text[], $3::int4[], $4::int4[], $5::int8[], $6::int4[], $7::text[], $8::text[],
              $9::text[], $10::int8[], $11::int8[])
       AS event (topic, generation, partition, "offset", ordinal, source_table, target_table,
                 source_lsn, source_tx_id, captured_ms)
    ON CONFLICT DO NOTHING"#;

/// Milliseconds since 1970 that PostgreSQL can show; others are lineage of no use.
const SHOWN_MS: std::ops::RangeInclusive<i64> = -200_000_000_000_000..=9_000_000_000_000_000;

#[derive(Debug, Default)]
struct Events<'b> {
    topic: Vec<&'b str>,
    generation: Vec<i32>,
    partition: Vec<i32>,
    offset: Vec<i64>,
    ordinal: Vec<i32>,
    source_table: Vec<String>,
    target_table: Vec<String>,
    source_lsn: Vec<Option<String>>,
    source_tx_id: Vec<Option<i64>>,
    captured_ms: Vec<Option<i64>>,
}

/// Stores the truncates of a batch; the caller owns the transaction.
pub(crate) async fn insert(
    session: &mut Session,
    pipeline: &PipelineName,
    tables: &Tables,
    batch: &WriteBatch<PostgresBody>,
) -> Result<(), PostgresError> {
    let mut events = Events::default();
    for event in batch.body().events() {
        let (Some(record), Some(table)) = (batch.record(event.at), tables.get(event.table)) else {
            continue;
        };
        let generation = record.partition.generation().get();
        events.topic.push(record.partition.topic().as_str());
        events.generation.push(i32::try_from(generation).unwrap_or(i32::MAX));
        events.partition.push(record.partition.number().get());
        events.offset.push(record.offset.get());
        events.ordinal.push(i32::try_from(event.ordinal).unwrap_or(i32::MAX));
        events.source_table.push(table.source.to_string());
        events.target_table.push(table.target.to_string());
        events.source_lsn.push(event.origin.lsn.map(sql::lsn));
        events.source_tx_id.push(event.origin.tx_id);
        let captured = event.origin.captured_at_ms;
        events.captured_ms.push(captured.filter(|captured| SHOWN_MS.contains(captured)));
    }
    if events.topic.is_empty() {
        return Ok(());
    }
    sqlx::query(INSERT)
        .bind(pipeline.as_str())
        .bind(events.topic)
        .bind(events.generation)
        .bind(events.partition)
        .bind(events.offset)
        .bind(events.ordinal)
        .bind(events.source_table)
        .bind(events.target_table)
        .bind(events.source_lsn)
        .bind(events.source_tx_id)
        .bind(events.captured_ms)
        .execute(session.driver())
        .await
        .map_err(|error| from_driver("storing table events", error))?;
    Ok(())
}
