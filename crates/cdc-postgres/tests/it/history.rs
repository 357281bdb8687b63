//! A history holds every change exactly, with its place in the log.

use cdc_core::ResumePoint;
use cdc_postgres::Mode;

use crate::support::{Cell, Op, Warehouse, order, table};

#[tokio::test]
async fn every_change_becomes_a_row_with_its_lineage() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    let letters = lane
        .write(&[
            Op::Insert(order(1, 12_345, "pending")),
            Op::Update(None, order(1, -5, "shipped")),
            Op::Delete(order(1, -5, "shipped")),
            Op::Snapshot(order(2, 99_999_999, "it's \\ done")),
        ])
        .await;
    assert_eq!(letters, []);
    let rows = warehouse.sql(
        "SELECT id, order_id, customer_id, product_name, amount, status, created_at, updated_at, \
                cdc_timestamp, processed_at IS NOT NULL, operation_type, cdc_generation, \
                cdc_partition, cdc_offset, cdc_ordinal, source_lsn, source_tx_id, unavailable \
           FROM orders_fact ORDER BY id",
    );
    insta::assert_snapshot!(rows, @r"
    1|1|7|Widget A|123.45|pending|2023-11-14 22:13:20.123456|2023-11-14 22:13:20.123456|2023-11-14 22:13:20.123|t|c|0|3|100|0|1/64|800|
    2|1|7|Widget A|-0.05|shipped|2023-11-14 22:13:20.123456|2023-11-14 22:13:20.123456|2023-11-14 22:13:20.123|t|u|0|3|101|0|1/65|801|
    3|1|7|Widget A|-0.05|shipped|2023-11-14 22:13:20.123456|2023-11-14 22:13:20.123456|2023-11-14 22:13:20.123|t|d|0|3|102|0|1/66|802|
    4|2|7|Widget A|999999.99|it's \ done|2023-11-14 22:13:20.123456|2023-11-14 22:13:20.123456|2023-11-14 22:13:20.123|t|r|0|3|103|0|1/67|803|
    ");
    let checkpoint = warehouse.sql("SELECT topic, partition, next_offset FROM cdc.checkpoint");
    assert_eq!(checkpoint, "shop.public.orders|3|104");
}

#[tokio::test]
async fn a_value_that_the_source_did_not_send_is_null_and_named() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    let mut row = order(1, 100, "pending");
    row[2] = Cell::Unavailable;
    row[4] = Cell::Unavailable;
    lane.write(&[Op::Update(None, row)]).await;
    let rows =
        warehouse.sql("SELECT product_name IS NULL, status IS NULL, unavailable FROM orders_fact");
    assert_eq!(rows, "t|t|{product_name,status}");
}

#[tokio::test]
async fn a_rejected_value_becomes_a_dead_letter_in_the_same_transaction() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    let letters = lane
        .write(&[
            Op::Insert(order(1, 100, "pending")),
            Op::Insert(order(2, 100, &"x".repeat(51))),
            Op::Insert(order(3, 100, "pending")),
        ])
        .await;
    assert_eq!(letters.len(), 1);
    assert_eq!(warehouse.sql("SELECT string_agg(order_id::text, ',') FROM orders_fact"), "1,3");
    let stored = warehouse.sql(
        "SELECT pipeline, topic, generation, partition, \"offset\", source_table, target_table, stage, \
                reason, column_name, sqlstate, convert_from(raw_key, 'UTF8'), \
                convert_from(raw_value, 'UTF8'), raw_headers, state FROM cdc.dead_letter",
    );
    insta::assert_snapshot!(stored, @r#"orders|shop.public.orders|0|3|101|public.orders|public.orders_fact|encode|too_long|status||key 2|raw value 1|[{"name":"trace","value":"01ff"},{"name":"empty","value":null}]|open"#);
    assert_eq!(warehouse.sql("SELECT next_offset FROM cdc.checkpoint"), "103");
}

#[tokio::test]
async fn a_truncate_is_an_event_and_no_row() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    lane.write(&[Op::Insert(order(1, 100, "pending")), Op::Truncate]).await;
    let events = warehouse.sql(
        "SELECT topic, partition, \"offset\", ordinal, kind, source_table, target_table, source_lsn, \
                source_tx_id, captured_at AT TIME ZONE 'UTC' FROM cdc.table_event",
    );
    assert_eq!(
        events,
        "shop.public.orders|3|101|0|truncate|public.orders|public.orders_fact|1/65|801|\
         2023-11-14 22:13:20.123"
    );
    assert_eq!(warehouse.sql("SELECT count(*) FROM orders_fact"), "1");
}

#[tokio::test]
async fn a_batch_beyond_one_chunk_arrives_whole() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    let ops: Vec<Op> = (0..5_000).map(|id| Op::Insert(order(id, 100, "pending"))).collect();
    lane.write(&ops).await;
    assert_eq!(
        warehouse.sql("SELECT count(*), count(DISTINCT order_id), sum(amount) FROM orders_fact"),
        "5000|5000|5000.00"
    );
    assert_eq!(
        lane.acquire().await,
        ResumePoint::At(cdc_core::NextOffset::try_new(5_100).unwrap())
    );
}
