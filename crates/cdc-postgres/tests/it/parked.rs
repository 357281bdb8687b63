//! Dead letters know what became of their rows in mirrors since, so that a retry brings nothing back.

use cdc_postgres::Mode;
use cdc_stack::postgres::Cluster;

use crate::mirror::{HARD, SOFT};
use crate::support::{Cell, Lane, Op, Warehouse, order, table};

const NOTES: &str = "SELECT \"offset\", deleted_in, overlaid_in FROM cdc.dead_letter ORDER BY 1";

/// A mirror or history with a letter of order 1 at the offset 100, as if it had been kept before later
/// changes waited behind letters.
async fn with_letter(target: &str, mode: Mode) -> (Warehouse, Lane) {
    let tables = vec![table(0, target, mode)];
    let warehouse = Warehouse::initialised(&tables).await;
    warehouse.sql(&format!("ALTER TABLE {target} ADD CONSTRAINT cheap CHECK (amount < 500)"));
    if mode == SOFT {
        warehouse.sql("ALTER TABLE orders_current ADD cdc_deleted boolean NOT NULL DEFAULT false");
    }
    let mut lane = warehouse.lane(tables).await;
    assert_eq!(lane.write(&[Op::Insert(order(1, 50_000, "dear"))]).await.len(), 1);
    warehouse.sql("UPDATE cdc.dead_letter SET holds = false");
    let lane = warehouse.lane(vec![table(0, target, mode)]).await;
    (warehouse, lane)
}

#[tokio::test]
async fn a_delete_is_noted_in_open_letters_of_its_key_in_hard_and_soft_mirrors() {
    for mode in [HARD, SOFT] {
        let (warehouse, mut lane) = with_letter("orders_current", mode).await;
        lane.write(&[Op::Update(None, order(2, 100, "another"))]).await;
        assert_eq!(warehouse.sql(NOTES), "100|{}|{}", "nothing was deleted");
        lane.write(&[Op::Delete(order(1, 100, "gone"))]).await;
        assert_eq!(warehouse.sql(NOTES), "100|{public.orders_current}|{}");
        // Once is enough, and what is not open any more is nobody's business.
        lane.write(&[Op::Delete(order(1, 100, "gone"))]).await;
        warehouse.sql("UPDATE cdc.dead_letter SET state = 'discarded', deleted_in = '{}'");
        lane.write(&[Op::Delete(order(1, 100, "gone"))]).await;
        assert_eq!(warehouse.sql(NOTES), "100|{}|{}");
    }
}

#[tokio::test]
async fn a_delete_after_a_restart_is_noted() {
    let (warehouse, _) = with_letter("orders_current", HARD).await;
    let mut lane = warehouse.lane(vec![table(0, "orders_current", HARD)]).await;
    lane.write(&[Op::Delete(order(1, 100, "gone"))]).await;
    assert_eq!(warehouse.sql(NOTES), "100|{public.orders_current}|{}");
}

#[tokio::test]
async fn a_history_keeps_its_rows_so_that_nothing_is_noted() {
    let (warehouse, mut lane) = with_letter("orders_fact", Mode::History).await;
    lane.write(&[Op::Delete(order(1, 100, "gone")), Op::Truncate]).await;
    assert_eq!(warehouse.sql(NOTES), "100|{}|{}");
}

#[tokio::test]
async fn a_truncate_is_noted_in_every_letter_before_it() {
    let (warehouse, mut lane) = with_letter("orders_current", HARD).await;
    lane.write(&[Op::Truncate]).await;
    assert_eq!(warehouse.sql(NOTES), "100|{public.orders_current}|{}");
}

#[tokio::test]
async fn a_change_without_all_values_is_noted() {
    let (warehouse, mut lane) = with_letter("orders_current", HARD).await;
    lane.write(&[Op::Insert(order(1, 100, "there"))]).await;
    let mut partial = order(1, 200, "partial");
    partial[2] = Cell::Unavailable;
    lane.write(&[Op::Update(None, partial)]).await;
    assert_eq!(warehouse.sql(NOTES), "100|{}|{public.orders_current}");
}

#[tokio::test]
async fn a_delete_waits_for_whoever_holds_the_letter_and_finds_its_row() {
    let (warehouse, mut lane) = with_letter("orders_current", HARD).await;
    let database = warehouse.database.clone();
    // As a retry does: the letter is held, then its row is written, then both are there at once.
    let retry = tokio::task::spawn_blocking(move || {
        let sql = "BEGIN; SELECT FROM cdc.dead_letter FOR UPDATE;
                   INSERT INTO orders_current (order_id, customer_id, cdc_generation, cdc_offset)
                   VALUES (1, 7, 0, 100);
                   UPDATE cdc.dead_letter SET state = 'retried'; SELECT pg_sleep(1); COMMIT";
        Cluster::shared().psql(&database, sql).unwrap();
    });
    let held = "SELECT count(*) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event = 'PgSleep'";
    while warehouse.sql(held) == "0" {}
    lane.write(&[Op::Delete(order(1, 100, "gone"))]).await;
    retry.await.unwrap();
    assert_eq!(warehouse.sql("SELECT count(*) FROM orders_current"), "0");
    assert_eq!(warehouse.sql(NOTES), "100|{}|{}", "it was retried already");
}
