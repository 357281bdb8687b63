//! Which tables a pipeline has followed from its beginning.
//!
//! Progress belongs to partitions, not to tables: behind a checkpoint that has moved, a table that
//! joins later would stay without everything before it, and nothing would look wrong. So the tables
//! are written down while nothing has been applied, and any other is refused afterwards.

use cdc_core::SourceTable;

use crate::error::{PostgresError, Refusal, from_driver};
use crate::session::Session;
use crate::settings::{PipelineName, TableSettings};
use crate::sql::literal;

const DOING: &str = "reading which tables the pipeline follows";

/// The places of the configured tables that the pipeline does not follow, from 1.
const UNKNOWN: &str = "
SELECT wanted.place
  FROM unnest($2::text[], $3::text[]) WITH ORDINALITY AS wanted (target, source, place)
 WHERE NOT EXISTS (SELECT FROM cdc.pipeline_table AS held
                    WHERE (held.pipeline, held.target, held.source)
                        = ($1, wanted.target, wanted.source))
 ORDER BY wanted.place";

const ADMIT: &str = "
INSERT INTO cdc.pipeline_table AS held (pipeline, target, source)
SELECT $1, wanted.target, wanted.source
  FROM unnest($2::text[], $3::text[]) AS wanted (target, source)
    ON CONFLICT (pipeline, target) DO UPDATE SET source = excluded.source, since = excluded.since
 WHERE held.source <> excluded.source";

const FORGET_OTHERS: &str = "
DELETE FROM cdc.pipeline_table AS held
 WHERE held.pipeline = $1
   AND NOT EXISTS (SELECT FROM unnest($2::text[], $3::text[]) AS wanted (target, source)
                    WHERE (held.target, held.source) = (wanted.target, wanted.source))";

/// How many partitions the pipeline has applied a part of.
pub(crate) async fn moved(
    session: &mut Session,
    pipeline: &PipelineName,
) -> Result<i64, PostgresError> {
    sqlx::query_scalar(
        "SELECT count(*) FROM cdc.checkpoint WHERE pipeline = $1 AND next_offset IS NOT NULL",
    )
    .bind(pipeline.as_str())
    .fetch_one(session.driver())
    .await
    .map_err(|error| from_driver("reading the checkpoint", error))
}

/// The statement that lets a pipeline start again from the beginning.
pub(crate) fn forget_progress(pipeline: &PipelineName) -> String {
    format!("DELETE FROM cdc.checkpoint WHERE pipeline = {};", literal(pipeline.as_str()))
}

/// The configured tables that joined after the pipeline's beginning, each with the ways out.
pub(crate) async fn newcomers(
    session: &mut Session,
    pipeline: &PipelineName,
    tables: &[TableSettings],
) -> Result<Vec<Refusal>, PostgresError> {
    let moved = moved(session, pipeline).await?;
    if moved == 0 {
        return Ok(Vec::new());
    }
    let (targets, sources) = names(tables);
    let places: Vec<i64> = sqlx::query_scalar(UNKNOWN)
        .bind(pipeline.as_str())
        .bind(targets)
        .bind(sources)
        .fetch_all(session.driver())
        .await
        .map_err(|error| from_driver(DOING, error))?;
    let at = |place: i64| tables.get(usize::try_from(place).ok()?.checked_sub(1)?);
    Ok(places.into_iter().filter_map(at).map(|table| refusal(pipeline, table, moved)).collect())
}

/// Writes the tables down while the pipeline has no progress; afterwards it changes nothing.
///
/// # Errors
///
/// [`PostgresError::Occupied`] for the first table that joined after the beginning.
pub(crate) async fn admit(
    session: &mut Session,
    pipeline: &PipelineName,
    tables: &[TableSettings],
) -> Result<(), PostgresError> {
    if let Some(refusal) = newcomers(session, pipeline, tables).await?.into_iter().next() {
        return Err(PostgresError::Occupied { message: refusal.message, fix: refusal.fix });
    }
    execute(session, ADMIT, pipeline, tables).await
}

/// Strikes out what a run is about to follow no longer: what it passes over would be missing if
/// that table came back.
pub(crate) async fn forget_others(
    session: &mut Session,
    pipeline: &PipelineName,
    tables: &[TableSettings],
) -> Result<(), PostgresError> {
    execute(session, FORGET_OTHERS, pipeline, tables).await
}

async fn execute(
    session: &mut Session,
    statement: &'static str,
    pipeline: &PipelineName,
    tables: &[TableSettings],
) -> Result<(), PostgresError> {
    let (targets, sources) = names(tables);
    sqlx::query(statement)
        .bind(pipeline.as_str())
        .bind(targets)
        .bind(sources)
        .execute(session.driver())
        .await
        .map_err(|error| from_driver("writing down which tables the pipeline follows", error))?;
    Ok(())
}

fn names(tables: &[TableSettings]) -> (Vec<String>, Vec<String>) {
    tables.iter().map(|table| (table.target.to_string(), table.source.to_string())).unzip()
}

fn refusal(pipeline: &PipelineName, table: &TableSettings, moved: i64) -> Refusal {
    let TableSettings { source, target, .. } = table;
    let message = format!(
        "the table {target} (from {source}) is new to the pipeline {pipeline}, which has already \
         applied a part of {moved} partitions: what came before would be missing in it"
    );
    let fix = format!(
        "give the [[table]] of {source} a pipeline of its own: a configuration with another `name` in \
         [pipeline] and another `group` in [source.kafka]\n\
         or let this pipeline start over while it is stopped, as \"Starting over\" in the README \
         says: {}\n\
         or, only if the pipeline has read nothing from the topic with the changes of {source} yet: \
         {}",
        forget_progress(pipeline),
        admission(pipeline, source, &target.to_string()),
    );
    Refusal { message, fix }
}

/// The statement with which somebody who knows that nothing is missed admits a table.
fn admission(pipeline: &PipelineName, source: &SourceTable, target: &str) -> String {
    format!(
        "INSERT INTO cdc.pipeline_table (pipeline, target, source) VALUES ({}, {}, {}) ON CONFLICT \
         (pipeline, target) DO UPDATE SET source = excluded.source, since = excluded.since;",
        literal(pipeline.as_str()),
        literal(target),
        literal(&source.to_string()),
    )
}
