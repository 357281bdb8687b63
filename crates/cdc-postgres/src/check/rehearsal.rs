//! Encoding without writing: what a run would refuse of a row is known before the run.

use std::sync::Arc;

use cdc_core::{Body as _, ChangeEvent, RecordRef, Rejection, Staged, Stager as _};

use super::ExpectedTable;
use crate::body::PostgresBody;
use crate::plan::{PostgresPlan, TablePlan};
use crate::settings::TableSettings;
use crate::stager::PostgresStager;
use crate::tables::Tables;

/// Encodes changes as a run would, into memory that is thrown away.
#[derive(Debug)]
pub struct Rehearsal {
    stager: PostgresStager,
    body: PostgresBody,
}

impl Rehearsal {
    pub(super) fn new(tables: &[TableSettings]) -> Self {
        let tables = Arc::new(Tables::new(tables.to_vec()));
        Self { stager: PostgresStager::new(tables), body: PostgresBody::default() }
    }

    pub(super) fn adopt(&mut self, expected: &ExpectedTable, plan: TablePlan) {
        self.stager.adopt(expected.table, Arc::clone(&expected.shape), PostgresPlan(plan));
    }

    /// Why a run would keep the record of this change as a dead letter; `None` when its values fit,
    /// and when there is no plan for its columns, which the check has reported.
    ///
    /// The server has the last word: what it alone knows, such as its constraints, is not looked at.
    pub fn refuses(&mut self, event: &ChangeEvent<'_>) -> Option<Box<Rejection>> {
        let staged = self.stager.stage(&mut self.body, RecordRef { batch: 0, record: 0 }, event);
        self.body.clear();
        match staged {
            Staged::Rejected(rejection) => Some(rejection),
            Staged::Row | Staged::NeedsPlan => None,
        }
    }
}
