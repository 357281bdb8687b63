//! Comparing source and warehouse, row by row and cell by cell, as text.

use std::collections::BTreeMap;

use cdc_stack::postgres::Cluster;
use cdc_workload::Oracle;

use super::stage::Stage;
use crate::failure::Failure;

const COLUMNS: &str = "order_id, customer_id, product_name, amount, status, created_at, updated_at";

/// What the comparison found.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// Orders that live in the source.
    pub(crate) orders: usize,
    /// Changes made, each of which has to be one row of the history.
    pub(crate) changes: u64,
    /// Orders that differ or are on one side only, and history rows too many or too few.
    pub(crate) differences: u64,
}

impl Verdict {
    /// The verdict in one line.
    pub(crate) fn describe(&self) -> String {
        let word = if self.differences == 0 { "verified" } else { "NOT verified" };
        format!(
            "{word}: {} orders, {} changes, {} differences",
            self.orders, self.changes, self.differences
        )
    }
}

/// Compares the source's table with the warehouse's current view, and the length of the history
/// with the number of changes made.
pub(crate) fn compare(stage: &Stage, oracle: &Oracle) -> Result<Verdict, Failure> {
    let source = rows(stage.stack.source(), "orders_db", "orders")?;
    let warehouse = rows(stage.stack.warehouse(), "analytics", "orders_latest")?;
    let changes = oracle.counts().events();
    let stored = scalar(stage.stack.warehouse(), "analytics", "SELECT count(*) FROM orders_fact")?;
    let only_or_other = |mine: &BTreeMap<String, String>, theirs: &BTreeMap<String, String>| {
        mine.iter().filter(|(key, row)| theirs.get(*key) != Some(row)).count()
    };
    let missing_or_other = only_or_other(&source, &warehouse);
    let surplus = warehouse.keys().filter(|key| !source.contains_key(*key)).count();
    let unexpected = oracle.rows().len().abs_diff(source.len());
    let cells = missing_or_other.saturating_add(surplus).saturating_add(unexpected);
    let differences =
        u64::try_from(cells).unwrap_or(u64::MAX).saturating_add(stored.abs_diff(changes));
    Ok(Verdict { orders: source.len(), changes, differences })
}

/// All rows as text, by key.
fn rows(
    cluster: &Cluster,
    database: &str,
    table: &str,
) -> Result<BTreeMap<String, String>, Failure> {
    let sql = format!("COPY (SELECT {COLUMNS} FROM public.{table}) TO STDOUT");
    let text = cluster.psql(database, &sql).map_err(Failure::stack("read rows to compare"))?;
    let keyed = text.lines().filter_map(|line| line.split_once('\t'));
    Ok(keyed.map(|(key, row)| (key.to_owned(), row.to_owned())).collect())
}

fn scalar(cluster: &Cluster, database: &str, sql: &str) -> Result<u64, Failure> {
    let text = cluster.psql(database, sql).map_err(Failure::stack("count rows"))?;
    text.parse().map_err(|_| Failure::Differs(format!("expected a number, not {text:?}")))
}
