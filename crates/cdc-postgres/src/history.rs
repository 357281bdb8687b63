//! Rows of a history go straight into the target, in one COPY per table and shape.

use cdc_core::{ErrorClass, Halt};

use crate::blame::{Copied, duplicate_of};
use crate::body::HistoryRows;
use crate::error::PostgresError;
use crate::session::Session;

/// Writes the rows; the caller owns the transaction.
pub(crate) async fn apply(session: &mut Session, rows: &HistoryRows) -> Result<(), PostgresError> {
    let plan = &rows.plan;
    let Err(error) = session.copy_buffer(&plan.copy, &rows.buffer).await else { return Ok(()) };
    let doing = format!("copying into {}", plan.target);
    if let Some(index) = duplicate_of(&error).filter(|index| plan.is_server_filled(index)) {
        return Err(PostgresError::Server {
            hint: Some(format!(
                "set the sequence behind {index} beyond the largest number in {}, with setval",
                plan.target
            )),
            doing,
            sqlstate: "23505".to_owned(),
            reason: "sequence_behind",
            class: ErrorClass::Fatal(Halt::Environment),
            source: None,
        });
    }
    let (relation, checks) = (&*plan.relation, &plan.checks);
    let copied = Copied { doing: &doing, relation, table: plan.table, checks };
    Err(copied.error(error, |row| rows.records.get(row).copied()))
}
