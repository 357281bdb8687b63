//! Rows of a history go straight into the target, in one COPY per table and shape.

use std::collections::BTreeSet;

use cdc_core::{ErrorClass, Halt, Partition, RecordRef};

use crate::blame::{Copied, duplicate_of};
use crate::body::HistoryRows;
use crate::checkpoint::generation;
use crate::error::{PostgresError, from_driver};
use crate::plan::{Filled, HistoryPlan};
use crate::session::Session;
use crate::settings::TableSettings;

/// Writes the rows; the caller owns the transaction.
pub(crate) async fn apply(session: &mut Session, rows: &HistoryRows) -> Result<(), PostgresError> {
    let Err(error) = session.copy_buffer(&rows.plan.copy, &rows.buffer).await else {
        return Ok(());
    };
    Err(blame(rows, error, |row| rows.records.get(row).copied()))
}

/// Writes the rows whose records are not left out; the caller owns the transaction and holds the
/// [`lock`] of the place.
pub(crate) async fn apply_without(
    session: &mut Session,
    rows: &HistoryRows,
    left_out: impl Fn(RecordRef) -> bool,
) -> Result<(), PostgresError> {
    let all = rows.records.iter().copied().zip(rows.buffer.rows());
    let kept: Vec<(RecordRef, &[u8])> = all.filter(|(at, _)| !left_out(*at)).collect();
    if kept.is_empty() {
        return Ok(());
    }
    let copied = async {
        let mut stream = session.copy_rows(&rows.plan.copy).await?;
        for (_, row) in &kept {
            stream.push(row).await?;
        }
        stream.finish().await
    };
    let Err(error) = copied.await else { return Ok(()) };
    Err(blame(rows, error, |row| kept.get(row).map(|(at, _)| *at)))
}

/// Keeps everybody else who may find rows of this place in the log missing from writing them, until the
/// transaction ends. A pipeline does not take it: what it reads is new by its checkpoint.
pub(crate) async fn lock(
    session: &mut Session,
    target: &str,
    partition: &Partition,
) -> Result<(), PostgresError> {
    let place = format!("cdc history {target} {partition}");
    sqlx::query("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))")
        .bind(place)
        .execute(session.driver())
        .await
        .map_err(|error| from_driver("locking a place of a history", error))?;
    Ok(())
}

/// Which of these records have rows in a history, by their offsets.
pub(crate) async fn present(
    session: &mut Session,
    table: &TableSettings,
    partition: &Partition,
    offsets: &[i64],
) -> Result<BTreeSet<i64>, PostgresError> {
    let target = table.target.0.to_string();
    let statement = format!(
        "SELECT DISTINCT cdc_offset FROM {target} WHERE cdc_generation = $1 AND cdc_partition = $2 \
         AND cdc_offset = ANY ($3)"
    );
    let found: Vec<i64> = sqlx::query_scalar(&statement)
        .bind(generation(partition))
        .bind(partition.number().get())
        .bind(offsets)
        .fetch_all(session.driver())
        .await
        .map_err(|error| from_driver(format!("looking for rows in {target}"), error))?;
    Ok(found.into_iter().collect())
}

/// Why a row that a unique index refuses is not at fault.
struct Objection {
    reason: &'static str,
    class: ErrorClass,
    hint: String,
}

fn objection(plan: &HistoryPlan, index: &str, table: &str) -> Option<Objection> {
    match plan.filled(index) {
        Some(Filled::ByServer) => Some(Objection {
            reason: "sequence_behind",
            class: ErrorClass::Fatal(Halt::Environment),
            hint: format!(
                "set the sequence behind {index} beyond the largest number in {}, with setval",
                plan.target
            ),
        }),
        // Whether the server fills its columns is known when the table has been planned again.
        None if table == plan.relation => Some(Objection {
            reason: "unique_index_added",
            class: ErrorClass::Outdated,
            hint: format!(
                "drop the unique index {index} of {}, which it did not have when it was planned: a \
                 history has a row for each change",
                plan.target
            ),
        }),
        // An index of another table is one into which a trigger writes.
        Some(Filled::ByPipeline) | None => None,
    }
}

fn blame(
    rows: &HistoryRows,
    error: sqlx::Error,
    record: impl FnOnce(usize) -> Option<RecordRef>,
) -> PostgresError {
    let plan = &rows.plan;
    let doing = format!("copying into {}", plan.target);
    if let Some((index, table)) = duplicate_of(&error)
        && let Some(objection) = objection(plan, index, table)
    {
        return PostgresError::Server {
            hint: Some(objection.hint),
            doing,
            sqlstate: "23505".to_owned(),
            reason: objection.reason,
            class: objection.class,
            source: None,
        };
    }
    let (relation, checks) = (&*plan.relation, &plan.checks);
    let copied = Copied { doing: &doing, relation, table: plan.table, checks };
    copied.error(error, record)
}
