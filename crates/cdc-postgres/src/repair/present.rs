//! Which rows of a batch a history lacks.

use cdc_core::CheckpointDelta;

use crate::blame::Copied;
use crate::body::HistoryRows;
use crate::checkpoint::generation;
use crate::error::{PostgresError, from_driver};
use crate::history;
use crate::plan::{HistoryPlan, Lineage};
use crate::session::Session;
use crate::sql::{Copy, Staging};

/// Rows of one history in a batch.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    pub(super) present: u64,
    pub(super) restored: u64,
}

/// The staging table of a plan: the columns that are written, with what the target checks of a row, so
/// that a row which cannot be written is refused with its line.
pub(super) fn staging(plan: &HistoryPlan) -> Staging {
    let name = format!("cdc_repair_{:016x}", super::digest(&plan.copy.sql));
    let like = format!(
        "CREATE TEMP TABLE {name} (LIKE {} INCLUDING CONSTRAINTS) ON COMMIT DELETE ROWS",
        plan.relation_sql
    );
    // What the server fills would be missing here.
    let drop = |column: &String| format!("ALTER TABLE {name} DROP COLUMN {column} CASCADE");
    let statements: Vec<String> =
        std::iter::once(like).chain(plan.unwritten.iter().map(drop)).collect();
    let create = statements.join("; ");
    let columns = plan.columns.join(", ");
    let form = if plan.copy.text.is_some() { "text" } else { "binary" };
    let copy = Copy {
        sql: format!("COPY {name} ({columns}) FROM STDIN (FORMAT {form})"),
        text: plan.copy.text.clone(),
    };
    Staging { clear: format!("TRUNCATE {name}"), name, create, copy }
}

/// Brings the rows and takes out those that the history has; inserts the rest. The caller owns the
/// transaction.
pub(super) async fn restore(
    session: &mut Session,
    rows: &HistoryRows,
    delta: &CheckpointDelta,
) -> Result<Found, PostgresError> {
    let plan = &rows.plan;
    let staging = staging(plan);
    if let Err(error) = session.copy_buffer(&staging.copy, &rows.buffer).await {
        let doing = format!("copying rows for {}", plan.target);
        let (table, checks) = (plan.table, &plan.checks);
        let copied = Copied { doing: &doing, relation: &staging.name, table, checks };
        return Err(copied.error(error, |row| rows.records.get(row).copied()));
    }
    let doing = format!("looking for rows of {}", plan.target);
    for (partition, _) in delta.ranges() {
        history::lock(session, &plan.target, partition).await?;
    }
    let mut found = Found::default();
    for (partition, range) in delta.ranges() {
        let place = format!("({}, {})", generation(partition), partition.number().get());
        let (from, until) = (range.from().get(), range.until().get());
        let there = format!(
            "DELETE FROM pg_temp.{name} AS brought USING {target} AS held \
             WHERE (brought.cdc_generation, brought.cdc_partition) = {place} \
             AND (held.cdc_generation, held.cdc_partition) = {place} \
             AND held.cdc_offset >= {from} AND held.cdc_offset < {until} \
             AND (held.cdc_offset, held.cdc_ordinal) = (brought.cdc_offset, brought.cdc_ordinal)",
            name = staging.name,
            target = plan.relation_sql,
        );
        found.present = found.present.saturating_add(run(session, &doing, &there).await?);
    }
    if count(rows) > found.present {
        if let Some(sent) = sent_before(plan, &staging) {
            let sent = run(session, &doing, &sent).await?;
            found.present = found.present.saturating_add(sent);
        }
        let columns = plan.columns.join(", ");
        let insert = format!(
            "INSERT INTO {target} ({columns}) SELECT {columns} FROM pg_temp.{name}",
            target = plan.relation_sql,
            name = staging.name,
        );
        let doing = format!("restoring rows of {}", plan.target);
        found.restored = run(session, &doing, &insert).await?;
    }
    Ok(found)
}

fn count(rows: &HistoryRows) -> u64 {
    u64::try_from(rows.records.len()).unwrap_or(u64::MAX)
}

/// Takes out streamed changes that stand earlier in the history, from the same place of the source: a
/// part that begins in the middle of a log does not know what a connector had sent before it.
fn sent_before(plan: &HistoryPlan, staging: &Staging) -> Option<String> {
    let has = |column| plan.lineage.contains(&column);
    if !(has(Lineage::SourceLsn) && has(Lineage::SourceTxId) && has(Lineage::OperationType)) {
        return None;
    }
    let row = |side: &str| {
        let cells = plan.columns.iter().take(plan.cells.len());
        let cells: Vec<String> = cells.map(|column| format!("{side}.{column}")).collect();
        format!("ROW({})::text", cells.join(", "))
    };
    Some(format!(
        "DELETE FROM pg_temp.{name} AS brought USING {target} AS held \
         WHERE held.source_tx_id = brought.source_tx_id AND held.source_lsn = brought.source_lsn \
         AND held.operation_type = brought.operation_type AND held.operation_type <> 'r' \
         AND held.cdc_generation = brought.cdc_generation \
         AND held.cdc_partition = brought.cdc_partition AND held.cdc_offset < brought.cdc_offset \
         AND held.cdc_ordinal = brought.cdc_ordinal AND {} = {}",
        row("held"),
        row("brought"),
        name = staging.name,
        target = plan.relation_sql,
    ))
}

async fn run(session: &mut Session, doing: &str, statement: &str) -> Result<u64, PostgresError> {
    let done = sqlx::query(statement).persistent(false).execute(session.driver()).await;
    done.map(|done| done.rows_affected()).map_err(|error| from_driver(doing, error))
}
