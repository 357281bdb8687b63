//! A history, folded to its newest rows.

use cdc_core::SnapshotPlace::{First, Last};
use cdc_core::SourceTable;
use cdc_postgres::{Difference, Mode, Verdict};

use super::{Sides, key};
use crate::support::{Cell, Lane, Op, Warehouse, order};

/// What [`order`] makes, in the source.
fn row(id: i32, cents: i32, status: &str) -> String {
    let at = "'2023-11-14 22:13:20.123456'";
    format!("({id}, 7, 'Widget A', {cents} / 100.0, '{status}', {at}, {at})")
}

fn source(sides: &Sides, rows: &[String]) {
    sides.source(&format!("INSERT INTO orders VALUES {}", rows.join(", ")));
}

async fn lane(sides: &Sides) -> Lane {
    sides.warehouse.lane(vec![sides.table.settings.clone()]).await
}

#[tokio::test]
async fn the_newest_version_of_each_key_counts_and_deleted_keys_do_not() {
    let sides = Sides::orders(Mode::History).await;
    let mut lane = lane(&sides).await;
    lane.write(&[
        Op::Snapshot(order(1, 100, "pending")),
        Op::Insert(order(2, 200, "pending")),
        Op::Update(None, order(1, 150, "shipped")),
        Op::Insert(order(3, 300, "pending")),
        Op::Delete(order(2, 200, "pending")),
        Op::Delete(order(3, 300, "pending")),
        Op::Insert(order(3, 350, "again")),
    ])
    .await;
    source(&sides, &[row(1, 150, "shipped"), row(3, 350, "again")]);
    let report = sides.verify().await;
    assert_eq!(report.verdict, Verdict::Equal, "{report:?}");
    assert_eq!((report.source_rows, report.warehouse_rows), (2, 2));
    assert_eq!(report.left_out, ["id, processed_at (only in the warehouse)"]);

    // Versions below the newest may be anything; the newest may not.
    sides.warehouse.sql("UPDATE orders_fact SET status = 'other' WHERE cdc_offset = 100");
    assert_eq!(sides.verify().await.verdict, Verdict::Equal);
    sides.warehouse.sql("UPDATE orders_fact SET status = 'other' WHERE cdc_offset = 102");
    sides.warehouse.sql("DELETE FROM orders_fact WHERE cdc_offset = 104");
    sides.source("DELETE FROM orders WHERE order_id = 3");
    let report = sides.verify().await;
    let expected = [
        key(1, Difference::Columns(vec!["status".to_owned()])),
        key(2, Difference::OnlyInWarehouse),
        key(3, Difference::OnlyInWarehouse),
    ];
    assert_eq!(report.listed, expected);
}

#[tokio::test]
async fn a_truncate_hides_what_came_before_it() {
    let sides = Sides::orders(Mode::History).await;
    let mut lane = lane(&sides).await;
    lane.write(&[
        Op::Insert(order(1, 100, "a")),
        Op::Insert(order(2, 200, "b")),
        Op::Truncate,
        Op::Insert(order(2, 250, "c")),
    ])
    .await;
    source(&sides, &[row(2, 250, "c")]);
    assert_eq!(sides.verify().await.verdict, Verdict::Equal);
    sides.warehouse.sql("DELETE FROM cdc.table_event");
    assert_eq!(sides.verify().await.listed, [key(1, Difference::OnlyInWarehouse)]);
}

#[tokio::test]
async fn f100_a_complete_snapshot_hides_what_it_did_not_show() {
    let sides = Sides::orders(Mode::History).await;
    let mut lane = lane(&sides).await;
    let (one, two) = (("shop", 500), ("shop", 600));
    lane.write(&[
        Op::Wave(one, First, order(1, 100, "a")),
        Op::Wave(one, Last, order(2, 200, "b")),
        Op::Wave(two, First, order(2, 200, "b")),
        Op::Insert(order(4, 400, "d")),
        Op::Wave(two, Last, order(3, 300, "c")),
    ])
    .await;
    source(&sides, &[row(2, 200, "b"), row(3, 300, "c"), row(4, 400, "d")]);
    assert_eq!(sides.verify().await.verdict, Verdict::Equal);
    sides.warehouse.sql("UPDATE cdc.table_event SET note = 'gap'");
    assert_eq!(sides.verify().await.listed, [key(1, Difference::OnlyInWarehouse)]);
}

#[tokio::test]
async fn values_that_were_not_sent_are_those_of_the_version_that_has_them() {
    let sides = Sides::orders(Mode::History).await;
    let mut lane = lane(&sides).await;
    let without_name = |cents, status| {
        let mut cells = order(1, cents, status);
        cells[2] = Cell::Unavailable;
        cells
    };
    lane.write(&[
        Op::Insert(order(1, 100, "a")),
        Op::Update(None, without_name(100, "b")),
        Op::Update(None, without_name(120, "c")),
    ])
    .await;
    assert_eq!(
        sides.warehouse.sql("SELECT count(*) FROM orders_fact WHERE product_name IS NULL"),
        "2"
    );
    source(&sides, &[row(1, 120, "c")]);
    assert_eq!(sides.verify().await.verdict, Verdict::Equal);
    sides.source("UPDATE orders SET product_name = 'Widget B'");
    let expected = key(1, Difference::Columns(vec!["product_name".to_owned()]));
    assert_eq!(sides.verify().await.listed, [expected]);
}

#[tokio::test]
async fn a_history_without_key_is_compared_while_it_only_grew() {
    let settings = super::table("events", Mode::History);
    let warehouse = Warehouse::initialised(&[]).await;
    let mut sides = Sides::with(settings, warehouse);
    sides.table.settings.source = SourceTable::new("public", "events");
    sides.source(
        "CREATE TABLE events (a integer, b text); INSERT INTO events VALUES (1, 'x'), (1, 'x')",
    );
    sides.warehouse.sql(
        "CREATE TABLE events (a integer, b text, operation_type text, cdc_generation integer,
                              cdc_partition integer, cdc_offset bigint, cdc_ordinal integer);
         INSERT INTO events VALUES (1, 'x', 'c', 0, 0, 1, 0)",
    );
    let report = sides.verify().await;
    assert_eq!(
        (report.verdict, report.warehouse_rows),
        (Verdict::Differs, 1),
        "one of two is missing"
    );
    sides.warehouse.sql("INSERT INTO events VALUES (1, 'x', 'r', 0, 0, 2, 0)");
    let report = sides.verify().await;
    assert_eq!(report.verdict, Verdict::Equal);
    assert!(report.notes.iter().any(|note| note.contains("no primary key")), "{:?}", report.notes);
    sides.warehouse.sql("INSERT INTO events VALUES (2, 'x', 'u', 0, 0, 3, 0)");
    let Verdict::NotComparable(reason) = sides.verify().await.verdict else { panic!("compared") };
    assert!(reason.contains("no primary key"), "{reason}");
}
