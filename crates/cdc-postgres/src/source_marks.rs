//! How far connectors have sent, stored beside the checkpoint, and what is asked when it does not say
//! enough.

use std::collections::BTreeMap;

use cdc_core::{
    CheckpointDelta, ErrorClass, Found, Halt, NextOffset, Partition, SourceMarks, SourcePosition,
};
use sqlx::Row as _;

use crate::checkpoint::{Parameters, generation};
use crate::error::{PostgresError, from_driver};
use crate::session::Session;
use crate::settings::{Mode, PipelineName, PostgresSettings, TableSettings};
use crate::{sql, state};

const LOAD: &str = "
SELECT held.source_marks::text
  FROM unnest($2::text[], $3::int4[], $4::int4[])
       WITH ORDINALITY AS wanted (topic, generation, partition, place)
  LEFT JOIN cdc.checkpoint AS held
    ON held.pipeline = $1
   AND (held.topic, held.generation, held.partition)
     = (wanted.topic, wanted.generation, wanted.partition)
 ORDER BY wanted.place";

/// One statement, so that the decision and what it changes are there together.
const ACCEPT: &str = "
WITH before AS (
    SELECT topic, generation, partition, source_marks
      FROM cdc.checkpoint
     WHERE pipeline = $1 AND source_marks IS NOT NULL
       FOR UPDATE
), forgotten AS (
    UPDATE cdc.checkpoint AS held
       SET source_marks = NULL
      FROM before
     WHERE held.pipeline = $1
       AND (held.topic, held.generation, held.partition)
         = (before.topic, before.generation, before.partition)
)
INSERT INTO cdc.decision (pipeline, kind, reason, state)
SELECT $1, 'source_accepted', $2, jsonb_agg(to_jsonb(before) ORDER BY topic, generation, partition)
  FROM before
HAVING count(*) > 0
RETURNING jsonb_array_length(state)";

/// The argument of `cdc.advance_and_book` that keeps the marks of a batch, in the order of the step's
/// ranges; NULL where they have not moved.
pub(crate) fn argument(
    delta: &CheckpointDelta,
    marks: &BTreeMap<Partition, SourceMarks>,
) -> String {
    let stored = |partition| marks.get(partition).map(SourceMarks::to_stored);
    let stored: Vec<_> = delta.ranges().map(|(partition, _)| stored(partition)).collect();
    sql::optional_texts(stored.iter().map(Option::as_deref))
}

/// The marks of partitions, as the last batch of each kept them.
pub(crate) async fn load(
    session: &mut Session,
    pipeline: &PipelineName,
    partitions: &[Partition],
) -> Result<Vec<(Partition, SourceMarks)>, PostgresError> {
    let doing = "reading how far the source was followed";
    let parameters = Parameters::of(partitions);
    let rows = sqlx::query(LOAD)
        .bind(pipeline.as_str())
        .bind(&parameters.topics)
        .bind(&parameters.generations)
        .bind(&parameters.numbers)
        .fetch_all(session.driver())
        .await
        .map_err(|error| from_driver(doing, error))?;
    let mut marks = Vec::with_capacity(rows.len());
    for (partition, row) in partitions.iter().zip(&rows) {
        let stored: Option<String> = row.try_get(0).map_err(|error| from_driver(doing, error))?;
        if let Some(stored) = stored {
            let read = SourceMarks::from_stored(&stored).map_err(|source| {
                PostgresError::StoredMarks { partition: partition.clone(), source }
            })?;
            marks.push((partition.clone(), read));
        }
    }
    Ok(marks)
}

/// Whether a transaction has left rows in a history, before a place in the log if one is given. A mirror keeps no lineage, and needs none: the
/// changes of a key applied in their order once more end in the same row.
pub(crate) async fn find(
    session: &mut Session,
    table: &TableSettings,
    partition: &Partition,
    (from, before): (SourcePosition, Option<NextOffset>),
) -> Result<Option<Found>, PostgresError> {
    match table.mode {
        Mode::Mirror { .. } => return Ok(None),
        Mode::History => {}
    }
    let target = table.target.0.to_string();
    let doing = format!("looking for a transaction of the source in {target}");
    let statement = format!(
        "SELECT EXISTS (SELECT FROM {target} WHERE source_tx_id = $1 AND source_lsn >= $2::pg_lsn \
         AND cdc_partition = $4 AND (cdc_generation < $3 OR cdc_generation = $3{}))",
        before.map_or_else(String::new, |before| format!(" AND cdc_offset < {}", before.get()))
    );
    let found: Result<bool, _> = sqlx::query_scalar(&statement)
        .bind(from.tx_id)
        .bind(sql::lsn(from.lsn))
        .bind(generation(partition))
        .bind(partition.number().get())
        .fetch_one(session.driver())
        .await;
    match found.map_err(|error| from_driver(&doing, error)) {
        Ok(true) => Ok(Some(Found::Present)),
        Ok(false) => Ok(Some(Found::Absent)),
        Err(PostgresError::Server { sqlstate, source, .. }) if sqlstate == NO_SUCH_COLUMN => {
            Err(PostgresError::Server {
                doing,
                sqlstate,
                reason: "no_lineage",
                class: ErrorClass::Fatal(Halt::Configuration),
                hint: Some(format!(
                    "add the lineage that tells whether a connector sends something again: ALTER \
                     TABLE {target} ADD COLUMN source_lsn pg_lsn, ADD COLUMN source_tx_id bigint; \
                     rows written before have none, so what is sent again of them is written again; \
                     or write `sent_again = \"apply\"` in [pipeline]"
                )),
                source,
            })
        }
        Err(error) => Err(error),
    }
}

/// The server's code for a column that does not exist.
const NO_SUCH_COLUMN: &str = "42703";

/// Follows the source from where it stands now: forgets how far each connector of a pipeline has sent,
/// and records why. Gives the number of logs that had something to forget.
///
/// For a source that was restored or replaced, whose positions a running pipeline refuses. Nothing else
/// is changed: what the warehouse holds of the time that the source has forgotten stays there.
///
/// # Errors
///
/// When the warehouse cannot be reached or lacks the state tables.
pub async fn accept_source(
    settings: &PostgresSettings,
    reason: &str,
) -> Result<usize, PostgresError> {
    let mut session = state::open(settings).await?;
    let forgotten: Option<i32> = sqlx::query_scalar(ACCEPT)
        .bind(settings.pipeline.as_str())
        .bind(reason)
        .fetch_optional(session.driver())
        .await
        .map_err(|error| from_driver("accepting the source as it is", error))?;
    Ok(forgotten.and_then(|count| usize::try_from(count).ok()).unwrap_or(0))
}
