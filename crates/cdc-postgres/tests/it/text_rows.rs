//! A column that has only a text form makes no other difference: rows that travel as text arrive as
//! those in binary form do.

use std::sync::Arc;

use cdc_core::{Classify as _, Column, ErrorClass, Poison, RowShape, SemanticType, Writer as _};
use cdc_postgres::{Mode, PostgresError};

use crate::mirror::{HARD, SOFT};
use crate::support::{Cell, Cells, Lane, Op, Warehouse, order, table};

/// The orders table with a column that has no exact binary form.
async fn searched(target: &str, mode: Mode) -> (Warehouse, Lane) {
    let tables = vec![table(0, target, mode)];
    let warehouse = Warehouse::initialised(&tables).await;
    warehouse.sql(&format!("ALTER TABLE {target} ADD search tsquery"));
    if mode == SOFT {
        warehouse.sql(&format!("ALTER TABLE {target} ADD cdc_deleted bool NOT NULL DEFAULT false"));
    }
    let mut lane = warehouse.lane(tables).await;
    let mut columns = lane.shape.columns().to_vec();
    columns.push(Column::new("search", SemanticType::Bytes));
    lane.shape = Arc::new(RowShape::new(columns));
    (warehouse, lane)
}

fn searching(id: i32, cents: i128, status: &str, search: &str) -> Cells {
    let mut row = order(id, cents, status);
    row.push(Cell::Bytes(search.as_bytes().to_vec()));
    row
}

#[tokio::test]
async fn a_history_has_every_value_and_its_lineage() {
    let (warehouse, mut lane) = searched("orders_fact", Mode::History).await;
    let mut lacking = searching(2, -5, "it's \\ done\n\\.", "'x'");
    lacking[7] = Cell::Unavailable;
    lacking[2] = Cell::Null;
    let letters = lane
        .write(&[
            Op::Insert(searching(1, 12_345, "a\tb", "'fat' <-> 'c\\\\at'")),
            Op::Update(None, lacking),
        ])
        .await;
    assert_eq!(letters, []);
    let rows = warehouse.sql(
        "SELECT order_id, product_name, amount, to_json(status), search, created_at, \
                cdc_timestamp, operation_type, cdc_generation, cdc_partition, cdc_offset, \
                cdc_ordinal, source_lsn, source_tx_id, unavailable \
           FROM orders_fact ORDER BY id",
    );
    insta::assert_snapshot!(rows, @r#"
    1|Widget A|123.45|"a\tb"|'fat' <-> 'c\\at'|2023-11-14 22:13:20.123456|2023-11-14 22:13:20.123|c|0|3|100|0|1/64|800|
    2||-0.05|"it's \\ done\n\\."||2023-11-14 22:13:20.123456|2023-11-14 22:13:20.123|u|0|3|101|0|1/65|801|{search}
    "#);
}

#[tokio::test]
async fn a_text_that_its_type_cannot_read_is_a_dead_letter_with_the_column() {
    for (target, mode) in [("orders_fact", Mode::History), ("orders_current", HARD)] {
        let (warehouse, mut lane) = searched(target, mode).await;
        let ops = [
            Op::Update(None, searching(1, 100, "good", "'x'")),
            Op::Update(None, searching(2, 100, "secret", "'secret' & & 'x'")),
            Op::Update(None, searching(3, 100, "good", "'y'")),
        ];
        let error = lane.try_write(&ops).await.unwrap_err();
        let ErrorClass::Poison(Poison::Record(letter)) = error.class() else { panic!("{error}") };
        assert_eq!(letter.at.record, 1);
        assert_eq!(letter.rejection.reason, "invalid_text");
        assert_eq!(letter.rejection.column.as_deref(), Some("search"));
        assert!(!format!("{letter:?} {error}").contains("secret"), "{letter:?} {error}");
        assert_eq!(lane.write(&ops).await.len(), 1);
        let rows = warehouse
            .sql(&format!("SELECT string_agg(search::text, ',' ORDER BY order_id) FROM {target}"));
        assert_eq!(rows, "'x','y'");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_refused_before_they_are_sent() {
    let (_warehouse, mut lane) = searched("orders_fact", Mode::History).await;
    let mut row = order(1, 100, "good");
    row.push(Cell::Bytes(vec![0xff]));
    let letters = lane.write(&[Op::Insert(row)]).await;
    let letter = letters.first().unwrap();
    assert_eq!(letter.rejection.reason, "invalid_form");
    assert_eq!(letter.rejection.column.as_deref(), Some("search"));
}

#[tokio::test]
async fn a_mirror_follows_inserts_updates_deletes_and_what_was_not_sent() {
    for (mode, alive) in [(HARD, ""), (SOFT, " WHERE NOT cdc_deleted")] {
        let (warehouse, mut lane) = searched("orders_current", mode).await;
        // Enough rows to go straight into the target, then few enough to be merged.
        let all: Vec<Op> =
            (1..=500).map(|id| Op::Insert(searching(id, id.into(), "new", "'new'"))).collect();
        assert_eq!(lane.write(&all).await, []);
        let mut lacking = searching(2, 250, "changed", "");
        lacking[7] = Cell::Unavailable;
        lacking[4] = Cell::Unavailable;
        assert_eq!(
            lane.write(&[
                Op::Update(None, searching(1, 150, "changed", "'changed'")),
                Op::Update(None, lacking),
                Op::Delete(searching(3, 300, "new", "'new'")),
            ])
            .await,
            []
        );
        let rows = warehouse.sql(
            "SELECT order_id, amount, status, search, cdc_generation, cdc_offset \
               FROM orders_current WHERE order_id <= 2 OR order_id = 500 ORDER BY order_id",
        );
        assert_eq!(
            rows,
            "1|1.50|changed|'changed'|0|600\n2|2.50|new|'new'|0|601\n500|5.00|new|'new'|0|599"
        );
        let count = warehouse.sql(&format!("SELECT count(*) FROM orders_current{alive}"));
        assert_eq!(count, "499");
    }
}

#[tokio::test]
async fn money_beside_such_a_column_is_refused_with_a_way_out() {
    let (warehouse, lane) = searched("orders_fact", Mode::History).await;
    warehouse
        .sql("CREATE TABLE priced (LIKE orders_fact); ALTER TABLE priced ALTER amount TYPE money");
    let mut priced = warehouse.lane(vec![table(0, "priced", Mode::History)]).await;
    let error = priced.writer.plan(priced.table, &lane.shape).await.unwrap_err();
    let PostgresError::Refused { refusals, .. } = &error else { panic!("{error}") };
    let all: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    assert_eq!(all.len(), 2, "{all:?}");
    assert!(all[0].contains("public.priced.amount is money"), "{all:?}");
    assert!(all[0].contains("numeric"), "{all:?}");
}
