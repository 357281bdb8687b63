//! What is staged of letters: everything that a pipeline would stage, but for what could only be right
//! in its own turn.

use std::sync::Arc;

use cdc_core::{
    Change, ChangeEvent, Record, RecordRef, Rejection, RowShape, Stage, Staged, Stager, TableId,
};

use super::Moot;
use super::writer::is_settled;
use crate::body::PostgresBody;
use crate::chain::Heads;
use crate::plan::PostgresPlan;
use crate::settings::{Mode, Truncates};
use crate::stager::PostgresStager;
use crate::tables::Tables;

/// Encodes the changes of letters; see [`Stager`].
#[derive(Debug)]
pub struct RetryStager {
    inner: PostgresStager,
    tables: Arc<Tables>,
    moot: Moot,
}

impl RetryStager {
    pub(super) fn new(tables: Arc<Tables>, heads: Arc<Heads>, moot: Moot) -> Self {
        Self { inner: PostgresStager::beside(Arc::clone(&tables), heads), tables, moot }
    }

    /// Why this change is not written, whatever it says.
    fn objection(&self, event: &ChangeEvent<'_>) -> Option<Rejection> {
        let record = &event.record;
        if let Some(rejection) = self.moot.lock().get(&(record.partition.clone(), record.offset)) {
            return Some(rejection.clone());
        }
        let truncates = match self.tables.get(event.table)?.mode {
            Mode::History => return None,
            Mode::Mirror { truncates, .. } => truncates,
        };
        let (reason, message) = match event.change {
            Change::Truncate if truncates == Truncates::Apply => (
                "truncate_out_of_turn",
                "a mirror cannot be emptied later than its source was: rows have come since",
            ),
            Change::Insert { .. } | Change::Snapshot { .. } | Change::Update { .. }
                if record.key.is_none() =>
            {
                (
                    "key_unknown",
                    "the record has no key, so that nobody knows whether its row was deleted since",
                )
            }
            Change::Truncate
            | Change::Insert { .. }
            | Change::Snapshot { .. }
            | Change::Update { .. }
            | Change::Delete { .. } => return None,
        };
        let rejection = Rejection::new(Stage::Apply, reason, message).in_table(event.table);
        Some(rejection.with_hint("compare with `cdc-pipeline verify`, then discard the letter"))
    }
}

impl Stager for RetryStager {
    type Body = PostgresBody;
    type Plan = PostgresPlan;

    fn stage(&mut self, body: &mut PostgresBody, at: RecordRef, event: &ChangeEvent<'_>) -> Staged {
        match self.objection(event) {
            Some(rejection) => Staged::Rejected(Box::new(rejection)),
            None => self.inner.stage(body, at, event),
        }
    }

    fn rejected(&mut self, record: &Record<'_>, rejection: &Rejection) {
        // What is done with holds nothing back.
        if !is_settled(rejection) {
            self.inner.rejected(record, rejection);
        }
    }

    fn adopt(&mut self, table: TableId, shape: Arc<RowShape>, plan: PostgresPlan) {
        self.inner.adopt(table, shape, plan);
    }

    fn forget_plans(&mut self) {
        self.inner.forget_plans();
    }
}
