//! A mirror is what the source holds, whatever way its changes took.

use std::sync::Arc;

use cdc_core::{Classify as _, Column, RowShape, SemanticType, Writer as _};
use cdc_postgres::{Deletes, Mode, PostgresError, Truncates};

use crate::support::{Cell, Cells, Lane, Op, Warehouse, order, table, text};

pub(crate) const HARD: Mode = Mode::Mirror { deletes: Deletes::Hard, truncates: Truncates::Apply };
pub(crate) const SOFT: Mode = Mode::Mirror { deletes: Deletes::Soft, truncates: Truncates::Apply };

const ROWS: &str =
    "SELECT order_id, amount, status, cdc_offset FROM orders_current ORDER BY order_id";

async fn mirror() -> (Warehouse, Lane) {
    let tables = vec![table(0, "orders_current", HARD)];
    let warehouse = Warehouse::initialised(&tables).await;
    let lane = warehouse.lane(tables).await;
    (warehouse, lane)
}

fn lacking(id: i32, cents: i128) -> Cells {
    let mut row = order(id, cents, "?");
    row[4] = Cell::Unavailable;
    row
}

#[tokio::test]
async fn the_last_state_of_each_key_is_left() {
    let (warehouse, mut lane) = mirror().await;
    lane.write(&[
        Op::Insert(order(1, 100, "pending")),
        Op::Insert(order(2, 200, "pending")),
        Op::Insert(order(3, 300, "pending")),
        Op::Update(None, order(1, 150, "shipped")),
        Op::Delete(order(2, 200, "pending")),
    ])
    .await;
    assert_eq!(warehouse.sql(ROWS), "1|1.50|shipped|103\n3|3.00|pending|102");
    lane.write(&[Op::Delete(order(3, 0, "")), Op::Update(None, order(1, 175, "delivered"))]).await;
    assert_eq!(warehouse.sql(ROWS), "1|1.75|delivered|106");
    assert_eq!(warehouse.sql("SELECT next_offset FROM cdc.checkpoint"), "107");
}

#[tokio::test]
async fn an_unavailable_value_leaves_the_column_alone() {
    let (warehouse, mut lane) = mirror().await;
    lane.write(&[Op::Insert(order(1, 100, "pending"))]).await;
    // From the table.
    lane.write(&[Op::Update(None, lacking(1, 110))]).await;
    assert_eq!(warehouse.sql(ROWS), "1|1.10|pending|101");
    // From the batch.
    lane.write(&[Op::Update(None, order(1, 120, "shipped")), Op::Update(None, lacking(1, 130))])
        .await;
    assert_eq!(warehouse.sql(ROWS), "1|1.30|shipped|103");
    // From both: the product from the batch, the status from the table.
    let mut neither = lacking(1, 140);
    neither[2] = Cell::Unavailable;
    let mut product = lacking(1, 150);
    product[2] = text("Gadget X");
    lane.write(&[Op::Update(None, product), Op::Update(None, neither)]).await;
    let row = "SELECT product_name, amount, status, cdc_offset FROM orders_current";
    assert_eq!(warehouse.sql(row), "Gadget X|1.40|shipped|105");
}

#[tokio::test]
async fn a_new_row_without_a_value_is_a_dead_letter_with_the_way_out() {
    let (warehouse, mut lane) = mirror().await;
    let letters = lane
        .write(&[
            Op::Insert(lacking(1, 100)),
            Op::Update(None, lacking(2, 200)),
            Op::Insert(order(3, 300, "pending")),
            Op::Delete(order(3, 300, "pending")),
            Op::Update(None, lacking(3, 310)),
            Op::Insert(order(4, 400, "pending")),
        ])
        .await;
    let mut records: Vec<u32> = letters.iter().map(|letter| letter.at.record).collect();
    records.sort_unstable();
    assert_eq!(records, [0, 1, 4]);
    for letter in &letters {
        assert_eq!(letter.rejection.reason, "unavailable_value");
        assert!(letter.rejection.hint.as_ref().unwrap().contains("REPLICA IDENTITY FULL"));
    }
    assert_eq!(warehouse.sql(ROWS), "4|4.00|pending|105");
    let stages = warehouse.sql("SELECT \"offset\", stage FROM cdc.dead_letter ORDER BY \"offset\"");
    assert_eq!(stages, "100|encode\n101|apply\n104|encode");
}

#[tokio::test]
async fn an_update_that_changes_the_key_moves_the_row() {
    let (warehouse, mut lane) = mirror().await;
    lane.write(&[Op::Insert(order(1, 100, "a")), Op::Insert(order(2, 200, "b"))]).await;
    lane.write(&[
        Op::Update(Some(order(1, 100, "a")), order(3, 300, "c")),
        Op::Update(Some(order(2, 200, "b")), order(2, 250, "b")),
    ])
    .await;
    assert_eq!(warehouse.sql(ROWS), "2|2.50|b|103\n3|3.00|c|102");
    // A move that is refused leaves the row where it was.
    let mut refused = order(4, 1, "d");
    refused[4] = Cell::Unavailable;
    let letters = lane.write(&[Op::Update(Some(order(3, 300, "c")), refused)]).await;
    assert_eq!(letters.len(), 1);
    assert_eq!(warehouse.sql(ROWS), "2|2.50|b|103\n3|3.00|c|102");
}

#[tokio::test]
async fn a_truncate_empties_the_mirror_and_what_follows_stays() {
    let (warehouse, mut lane) = mirror().await;
    lane.write(&[Op::Insert(order(1, 100, "a"))]).await;
    lane.write(&[
        Op::Insert(order(2, 200, "b")),
        Op::Truncate,
        Op::Insert(order(3, 300, "c")),
        Op::Truncate,
        Op::Insert(order(4, 400, "d")),
    ])
    .await;
    assert_eq!(warehouse.sql(ROWS), "4|4.00|d|105");
    assert_eq!(warehouse.sql("SELECT count(*) FROM cdc.table_event"), "2");
}

#[tokio::test]
async fn a_truncate_can_be_ignored() {
    let keeping = Mode::Mirror { deletes: Deletes::Hard, truncates: Truncates::Ignore };
    let tables = vec![table(0, "orders_current", keeping)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    lane.write(&[Op::Insert(order(1, 100, "a")), Op::Truncate]).await;
    assert_eq!(warehouse.sql(ROWS), "1|1.00|a|100");
    assert_eq!(warehouse.sql("SELECT count(*) FROM cdc.table_event"), "1");
}

#[tokio::test]
async fn soft_deletes_flag_rows_and_keep_their_last_values() {
    let tables = vec![table(0, "orders_current", SOFT)];
    let warehouse = Warehouse::initialised(&tables).await;
    warehouse.sql("ALTER TABLE orders_current ADD cdc_deleted boolean NOT NULL DEFAULT false");
    let mut lane = warehouse.lane(tables).await;
    lane.write(&[
        Op::Insert(order(1, 100, "a")),
        Op::Insert(order(2, 200, "b")),
        Op::Insert(order(3, 300, "c")),
        Op::Update(None, order(2, 250, "bb")),
        Op::Delete(order(2, 0, "")),
    ])
    .await;
    lane.write(&[Op::Delete(order(1, 0, "")), Op::Delete(order(9, 0, ""))]).await;
    let rows = "SELECT order_id, amount, status, cdc_offset, cdc_deleted FROM orders_current \
                 ORDER BY order_id";
    assert_eq!(warehouse.sql(rows), "1|1.00|a|105|t\n2|2.50|bb|104|t\n3|3.00|c|102|f");
    lane.write(&[Op::Insert(order(2, 222, "again"))]).await;
    lane.write(&[Op::Truncate, Op::Insert(order(3, 333, "new"))]).await;
    assert_eq!(warehouse.sql(rows), "1|1.00|a|105|t\n2|2.22|again|108|t\n3|3.33|new|109|f");
}

#[tokio::test]
async fn inserts_that_meet_existing_rows_fall_back_to_the_merge() {
    let (warehouse, mut lane) = mirror().await;
    let inserts = |from: i32, to: i32, status: &str| -> Vec<Op> {
        (from..to).map(|id| Op::Snapshot(order(id, 100, status))).collect()
    };
    lane.write(&inserts(0, 1_000, "first")).await;
    lane.write(&inserts(900, 1_900, "second")).await;
    lane.write(&inserts(1_900, 2_900, "third")).await;
    let counts = "SELECT status, count(*) FROM orders_current GROUP BY status ORDER BY status";
    assert_eq!(warehouse.sql(counts), "first|900\nsecond|1000\nthird|1000");
    assert_eq!(warehouse.sql("SELECT next_offset FROM cdc.checkpoint"), "3100");
}

#[tokio::test]
async fn an_older_change_leaves_a_newer_row_alone() {
    let (warehouse, mut lane) = mirror().await;
    lane.write(&[Op::Insert(order(1, 100, "a")), Op::Insert(order(2, 200, "b"))]).await;
    warehouse.sql(
        "UPDATE orders_current SET cdc_offset = 5000;
         INSERT INTO orders_current VALUES (3, 7, 'x', 1, 'before us', NULL, NULL, 0, 0);
         ALTER TABLE orders_current ALTER cdc_offset DROP NOT NULL;
         UPDATE orders_current SET cdc_offset = NULL WHERE order_id = 3",
    );
    lane.write(&[
        Op::Update(None, order(1, 101, "older")),
        Op::Update(None, lacking(2, 201)),
        Op::Update(None, order(3, 300, "ours")),
    ])
    .await;
    lane.write(&[Op::Delete(order(1, 0, ""))]).await;
    assert_eq!(warehouse.sql(ROWS), "1|1.00|a|5000\n2|2.00|b|5000\n3|3.00|ours|104");
}

#[tokio::test]
async fn columns_of_the_target_alone_keep_their_values_and_their_defaults() {
    let (warehouse, mut lane) = mirror().await;
    warehouse.sql(
        "ALTER TABLE orders_current ADD note text, ADD loaded_at timestamptz NOT NULL DEFAULT now(),
             ADD seen boolean NOT NULL DEFAULT true CHECK (seen),
             ADD doubled numeric GENERATED ALWAYS AS (amount * 2) STORED",
    );
    lane.write(&[Op::Insert(order(1, 100, "a")), Op::Insert(order(2, 100, "a"))]).await;
    warehouse.sql("UPDATE orders_current SET note = 'kept'");
    lane.write(&[
        Op::Update(None, order(1, 200, "b")),
        Op::Delete(order(2, 0, "")),
        Op::Insert(order(2, 300, "again")),
    ])
    .await;
    let rows = "SELECT order_id, note, loaded_at IS NOT NULL, seen, doubled FROM orders_current \
                 ORDER BY order_id";
    // Deleting and inserting again in one batch is not an update.
    assert_eq!(warehouse.sql(rows), "1|kept|t|t|4.00\n2||t|t|6.00");
}

#[tokio::test]
async fn rows_of_two_shapes_in_one_batch_follow_each_other() {
    let (warehouse, mut lane) = mirror().await;
    let wide = Arc::clone(&lane.shape);
    let narrow = Arc::new(RowShape::new(wide.columns()[..5].to_vec()));
    lane.write(&[Op::Insert(order(1, 100, "wide"))]).await;
    // One batch body takes both shapes: the second is staged into what the first left open.
    let records = Arc::new(lane.records(&[
        Op::Update(None, order(1, 200, "wide")),
        Op::Update(None, order(1, 300, "narrow")),
    ]));
    lane.shape = narrow;
    let narrow_row: Cells = order(1, 300, "narrow").into_iter().take(5).collect();
    let batch = lane
        .stage(&[Op::Update(None, narrow_row.clone()), Op::Update(None, narrow_row)], &records, &[])
        .await;
    lane.apply(batch).await.unwrap();
    assert_eq!(warehouse.sql(ROWS), "1|3.00|narrow|102");
}

#[tokio::test]
async fn everything_that_stands_against_a_mirror_is_reported_at_once() {
    let warehouse = Warehouse::initialised(&[]).await;
    warehouse.sql(
        "CREATE TABLE customers (customer_id integer PRIMARY KEY);
         CREATE TABLE bad (
             tenant integer, order_id integer, customer_id bigint REFERENCES customers (customer_id),
             amount numeric(8,1), status text NOT NULL UNIQUE, loaded_at timestamptz NOT NULL,
             PRIMARY KEY (tenant))",
    );
    let mut lane = warehouse.lane(vec![table(0, "bad", HARD)]).await;
    let shape = Arc::clone(&lane.shape);
    let error = lane.writer.plan(lane.table, &shape).await.unwrap_err();
    let PostgresError::Refused { refusals, .. } = &error else { panic!("{error}") };
    let all: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(all.join("\n"));
    assert_eq!(error.class(), cdc_core::ErrorClass::Fatal(cdc_core::Halt::Data));
}

#[tokio::test]
async fn a_history_refuses_what_it_cannot_hold() {
    let warehouse = Warehouse::initialised(&[]).await;
    warehouse.sql(
        "CREATE TABLE bad (order_id integer, source_lsn text, amount numeric(8,1));
         CREATE UNLOGGED TABLE loose (order_id integer);
         CREATE VIEW seen AS SELECT 1 AS order_id",
    );
    let mut lane = warehouse
        .lane(vec![
            table(0, "bad", Mode::History),
            table(1, "loose", Mode::History),
            table(2, "seen", Mode::History),
            table(3, "absent", Mode::History),
        ])
        .await;
    let shape = Arc::new(RowShape::new(vec![
        Column::new("order_id", SemanticType::Int32),
        Column::new("amount", SemanticType::Decimal { precision: Some(10), scale: 2 }),
        Column::new("cdc_offset", SemanticType::Int64),
    ]));
    let mut all = Vec::new();
    for index in 0..4 {
        let error = lane.writer.plan(cdc_core::TableId::new(index), &shape).await.unwrap_err();
        all.push(error.to_string());
    }
    insta::assert_snapshot!(all.join("\n"));
}
