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

/// Rows as text, by key.
type Rows = BTreeMap<String, String>;

/// What a source and its warehouse hold.
#[derive(Debug)]
struct Sides {
    source: Rows,
    warehouse: Rows,
    /// How many rows the history has.
    history: u64,
}

impl Verdict {
    /// Judges two sides after so many changes that should have left so many orders.
    fn of(sides: &Sides, orders: usize, changes: u64) -> Self {
        let Sides { source, warehouse, history } = sides;
        let missing_or_other =
            source.iter().filter(|(key, row)| warehouse.get(*key) != Some(row)).count();
        let surplus = warehouse.keys().filter(|key| !source.contains_key(*key)).count();
        let unexpected = orders.abs_diff(source.len());
        let rows = missing_or_other.saturating_add(surplus).saturating_add(unexpected);
        let rows = u64::try_from(rows).unwrap_or(u64::MAX);
        let differences = rows.saturating_add(history.abs_diff(changes));
        Self { orders: source.len(), changes, differences }
    }

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
    let sides = Sides {
        source: rows(stage.databases().source(), "orders_db", "orders")?,
        warehouse: rows(stage.databases().warehouse(), "analytics", "orders_latest")?,
        history: scalar(
            stage.databases().warehouse(),
            "analytics",
            "SELECT count(*) FROM orders_fact",
        )?,
    };
    Ok(Verdict::of(&sides, oracle.rows().len(), oracle.counts().events()))
}

/// All rows as text, by key.
fn rows(cluster: &Cluster, database: &str, table: &str) -> Result<Rows, Failure> {
    let sql = format!("COPY (SELECT {COLUMNS} FROM public.{table}) TO STDOUT");
    let text = cluster.psql(database, &sql).map_err(Failure::stack("read rows to compare"))?;
    let keyed = text.lines().filter_map(|line| line.split_once('\t'));
    Ok(keyed.map(|(key, row)| (key.to_owned(), row.to_owned())).collect())
}

fn scalar(cluster: &Cluster, database: &str, sql: &str) -> Result<u64, Failure> {
    let text = cluster.psql(database, sql).map_err(Failure::stack("count rows"))?;
    text.parse().map_err(|_| Failure::Differs(format!("expected a number, not {text:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three orders on both sides, of five changes.
    fn equal() -> Sides {
        let rows: Rows =
            (1..=3).map(|key| (key.to_string(), format!("7\ttea\t{key}.50"))).collect();
        Sides { source: rows.clone(), warehouse: rows, history: 5 }
    }

    fn differences(sides: &Sides) -> u64 {
        Verdict::of(sides, 3, 5).differences
    }

    #[test]
    fn equal_sides_are_verified() {
        let verdict = Verdict::of(&equal(), 3, 5);
        assert_eq!(verdict.describe(), "verified: 3 orders, 5 changes, 0 differences");
    }

    #[test]
    fn each_way_to_differ_is_counted() {
        let mut sides = equal();
        sides.warehouse.remove("2");
        assert_eq!(differences(&sides), 1, "a row is missing");
        sides.warehouse.insert("2".to_owned(), "7\ttea\t0.00".to_owned());
        assert_eq!(differences(&sides), 1, "a cell is another");
        sides.warehouse.insert("4".to_owned(), "7\ttea\t4.50".to_owned());
        assert_eq!(differences(&sides), 2, "a row is beyond the source's");
        sides.history = 6;
        assert_eq!(differences(&sides), 3, "a change is there twice");
        sides.history = 4;
        assert_eq!(differences(&sides), 3, "a change is missing");
    }

    #[test]
    fn equal_sides_that_both_lack_what_was_made_are_not_verified() {
        let empty = Sides { source: Rows::new(), warehouse: Rows::new(), history: 5 };
        let verdict = Verdict::of(&empty, 3, 5);
        assert_eq!(verdict.describe(), "NOT verified: 0 orders, 5 changes, 3 differences");
    }
}
