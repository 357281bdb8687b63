//! Source against warehouse, by SQL, cell by cell.

use std::collections::BTreeMap;

use cdc_workload::OperationCounts;

use super::{Deployment, Source};

const COLUMNS: &str = "order_id, customer_id, product_name, amount, status, created_at, updated_at";

/// How many rows of each kind a history must have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct HistoryCounts {
    pub(crate) read: u64,
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
}

impl HistoryCounts {
    /// The rows that streamed operations make: a changed key is a removal and a creation.
    pub(crate) fn of(counts: OperationCounts) -> Self {
        Self {
            read: 0,
            created: counts.inserts + counts.key_changes,
            updated: counts.updates - counts.key_changes,
            deleted: counts.deletes + counts.key_changes,
        }
    }

    /// Rows of two loads together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            read: self.read + other.read,
            created: self.created + other.created,
            updated: self.updated + other.updated,
            deleted: self.deleted + other.deleted,
        }
    }

    /// All rows.
    pub(crate) fn rows(self) -> u64 {
        self.read + self.created + self.updated + self.deleted
    }
}

/// Fails unless the mirror equals the source in every cell.
#[track_caller]
pub(crate) fn assert_mirror(source: &Source, deployment: &Deployment<'_>) {
    assert_equal(source, deployment, "public.orders_current");
}

/// Fails unless the current view equals the source in every cell, and the history has exactly one
/// row per change.
#[track_caller]
pub(crate) fn assert_history(source: &Source, deployment: &Deployment<'_>, counts: HistoryCounts) {
    let warehouse = &deployment.warehouse;
    let kinds = "select operation_type, count(*) from orders_fact group by 1 order by 1";
    let expected: Vec<String> =
        [("c", counts.created), ("d", counts.deleted), ("r", counts.read), ("u", counts.updated)]
            .into_iter()
            .filter(|(_, count)| *count > 0)
            .map(|(kind, count)| format!("{kind}|{count}"))
            .collect();
    assert_eq!(warehouse.ask(kinds), expected.join("\n"), "{}", deployment.name);
    let places = "select count(*) from (select distinct cdc_generation, cdc_partition, cdc_offset, \
                  cdc_ordinal from orders_fact) as places";
    assert_eq!(warehouse.count(places), counts.rows(), "rows stand at places of their own");
    let lost = "select count(*) from orders_fact where unavailable is not null or cdc_timestamp \
                is null or source_lsn is null";
    assert_eq!(warehouse.count(lost), 0, "rows without lineage or with unavailable columns");
    assert_equal(source, deployment, "public.orders_latest");
}

/// Fails if any record was rejected.
#[track_caller]
pub(crate) fn assert_no_dead_letters(deployment: &Deployment<'_>) {
    let sql = "select \"offset\", reason, message from cdc.dead_letter order by id limit 5";
    assert_eq!(deployment.warehouse.ask(sql), "", "{}", deployment.name);
}

/// The books balance, and account for every record of the log once.
#[track_caller]
pub(crate) fn assert_books_balance(deployment: &Deployment<'_>, records: u64) {
    let books = deployment.execute(&["ledger"]).expect_code(0).stdout;
    let expected = format!(", {records} records");
    let verdict = books.lines().last().unwrap_or_default();
    assert!(verdict.starts_with("books balance: ") && verdict.ends_with(&expected), "{books}");
}

/// Fails unless a table of the warehouse equals the source's orders in every cell.
#[track_caller]
pub(crate) fn assert_equal(source: &Source, deployment: &Deployment<'_>, table: &str) {
    let sum = |table: &str| format!("select count(*), sum(amount) from {table}");
    let totals = deployment.warehouse.ask(&sum(table));
    assert_eq!(totals, source.run(&sum("public.orders")), "rows and money of {table}");
    let copy = |table: &str| format!("copy (select {COLUMNS} from {table}) to stdout");
    let theirs = source.run(&copy("public.orders"));
    let ours = deployment.warehouse.ask(&copy(table));
    let (theirs, ours) = (by_key(&theirs), by_key(&ours));
    let differing = theirs.iter().filter(|(key, row)| ours.get(*key) != Some(row));
    let differing: Vec<_> = differing.map(|(key, row)| (key, row, ours.get(key))).take(5).collect();
    assert!(differing.is_empty(), "{table} differs, as (key, source, warehouse): {differing:#?}");
    assert_eq!(ours.len(), theirs.len(), "{table} has rows that the source does not have");
}

/// Rows of COPY's text form by their first column. The form escapes line ends and tabs in values.
fn by_key(text: &str) -> BTreeMap<&str, &str> {
    text.split('\n').filter_map(|line| line.split_once('\t')).collect()
}
