//! The views over the history show what the source shows.

use cdc_core::Partition;
use cdc_postgres::{Mode, PipelineName};

use crate::support::{Lane, Op, Warehouse, order, table};

const LATEST: &str = "SELECT order_id, amount, status FROM orders_latest ORDER BY order_id";

async fn history() -> (Warehouse, Lane) {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let lane = warehouse.lane(tables).await;
    (warehouse, lane)
}

#[tokio::test]
async fn the_newest_version_is_shown_even_if_all_were_written_at_one_instant() {
    let (warehouse, mut lane) = history().await;
    lane.write(&[
        Op::Insert(order(1, 100, "pending")),
        Op::Update(None, order(1, 100, "shipped")),
        Op::Update(None, order(1, 150, "delivered")),
        Op::Insert(order(2, 200, "pending")),
    ])
    .await;
    assert_eq!(warehouse.sql(LATEST), "1|1.50|delivered\n2|2.00|pending");
    assert_eq!(
        warehouse.sql("SELECT count(DISTINCT processed_at) FROM orders_fact"),
        "1",
        "one batch is one instant"
    );
}

#[tokio::test]
async fn deleted_orders_go_and_inserted_again_they_come_back() {
    let (warehouse, mut lane) = history().await;
    lane.write(&[Op::Insert(order(1, 100, "a")), Op::Delete(order(1, 100, "a"))]).await;
    assert_eq!(warehouse.sql(LATEST), "");
    lane.write(&[Op::Insert(order(1, 300, "b"))]).await;
    assert_eq!(warehouse.sql(LATEST), "1|3.00|b");
}

#[tokio::test]
async fn a_truncate_hides_what_came_before_it_and_nothing_else() {
    let (warehouse, mut lane) = history().await;
    lane.write(&[
        Op::Insert(order(1, 100, "a")),
        Op::Insert(order(2, 200, "b")),
        Op::Truncate,
        Op::Insert(order(2, 250, "c")),
    ])
    .await;
    assert_eq!(warehouse.sql(LATEST), "2|2.50|c");
}

#[tokio::test]
async fn a_truncate_hides_rows_of_other_partitions_by_the_sources_position() {
    let (warehouse, mut lane) = history().await;
    // Positions in the source follow the offset in these tests.
    lane.next = 200;
    lane.write(&[Op::Truncate]).await;
    let mut settings = warehouse.settings();
    settings.pipeline = PipelineName::parse("other").unwrap();
    let mut other = Lane::open(settings, vec![table(0, "orders_fact", Mode::History)]).await;
    other.partition = Partition::new("shop.public.orders", 0, 4).unwrap();
    other.acquire().await;
    other.next = 150;
    other.write(&[Op::Insert(order(1, 100, "before"))]).await;
    other.next = 250;
    warehouse.sql("UPDATE cdc.checkpoint SET next_offset = NULL WHERE pipeline = 'other'");
    other.write(&[Op::Insert(order(2, 200, "after"))]).await;
    assert_eq!(warehouse.sql(LATEST), "2|2.00|after");
}

#[tokio::test]
async fn a_truncate_hides_rows_without_a_position_by_the_connectors_clock() {
    let (warehouse, mut lane) = history().await;
    lane.write(&[Op::Insert(order(1, 100, "before")), Op::Insert(order(2, 200, "after"))]).await;
    lane.write(&[Op::Truncate]).await;
    // As an incremental snapshot sends them, into another partition than the truncate.
    warehouse.sql(
        "UPDATE orders_fact SET cdc_partition = 7, source_lsn = NULL, cdc_timestamp = cdc_timestamp \
         + CASE status WHEN 'after' THEN 1 ELSE -1 END * interval '1 second'",
    );
    assert_eq!(warehouse.sql(LATEST), "2|2.00|after");
}

#[tokio::test]
async fn the_dashboard_sums_the_orders_that_exist() {
    let (warehouse, mut lane) = history().await;
    lane.write(&[
        Op::Insert(order(1, 100, "pending")),
        Op::Insert(order(2, 250, "pending")),
        Op::Insert(order(3, 999, "pending")),
        Op::Delete(order(3, 999, "pending")),
        Op::Snapshot(order(4, 1, "pending")),
        Op::Update(None, order(4, 400, "shipped")),
    ])
    .await;
    let dashboard = "SELECT status, order_count, total_revenue, avg_order_value::numeric(10,2), \
                     last_updated FROM sales_dashboard ORDER BY status";
    assert_eq!(
        warehouse.sql(dashboard),
        "pending|2|3.50|1.75|2023-11-14 22:13:20.123456\n\
         shipped|1|4.00|4.00|2023-11-14 22:13:20.123456"
    );
    let changes = "SELECT operation_type, count(*) FROM orders_changes GROUP BY 1 ORDER BY 1";
    assert_eq!(warehouse.sql(changes), "c|3\nr|1\nu|1");
}
