//! What explains differences: dead letters of the table, and a connector that does not read.

use crate::error::{PostgresError, from_driver};
use crate::session::Session;
use crate::settings::PipelineName;

use super::report::TableReport;
use super::source;

/// Adds what is known, if the table is not equal.
pub(super) async fn add(
    source: &mut Session,
    warehouse: &mut Session,
    pipeline: &PipelineName,
    report: &mut TableReport,
) -> Result<(), PostgresError> {
    if report.is_equal() {
        return Ok(());
    }
    let letters: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM cdc.dead_letter
          WHERE pipeline = $1 AND target_table = $2 AND state = 'open'",
    )
    .bind(pipeline.as_str())
    .bind(report.target.to_string())
    .fetch_one(warehouse.driver())
    .await
    .map_err(|error| from_driver("counting dead letters", error))?;
    if letters > 0 {
        report.notes.push(format!(
            "{letters} records of this table are open dead letters: the warehouse lacks them"
        ));
    }
    let idle: bool = sqlx::query_scalar(
        "SELECT count(*) > 0 AND NOT bool_or(active) FROM pg_catalog.pg_replication_slots
          WHERE slot_type = 'logical' AND database = current_database()",
    )
    .fetch_one(source.driver())
    .await
    .map_err(|error| source::from_driver("looking at the replication slots", error))?;
    if idle {
        report.notes.push(
            "no connector reads the source's replication slot now: changes may not have left the source"
                .to_owned(),
        );
    }
    Ok(())
}
