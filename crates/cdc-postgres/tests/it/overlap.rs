//! Two writers of one lane: a batch is prepared while the one in front of it is applied.

use std::process::Command;
use std::time::{Duration, Instant};

use cdc_core::{Classify as _, ErrorClass, Writer as _};
use cdc_postgres::{Mode, PostgresWriter};

use crate::mirror::HARD;
use crate::support::{Lane, Op, Warehouse, order, table};

const COUNT: &str = "SELECT count(*) FROM orders_fact";
const NEXT: &str = "SELECT next_offset FROM cdc.checkpoint";

async fn two_writers(target: &str, mode: Mode) -> (Warehouse, Lane, PostgresWriter) {
    let tables = vec![table(0, target, mode)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    // The first batch plans the table, and is out of the way then.
    lane.write(&[Op::Insert(order(0, 0, "first"))]).await;
    let second = lane.writer.second().await.unwrap().expect("a second writer");
    (warehouse, lane, second)
}

/// Inserted orders of these numbers.
fn inserts(ids: std::ops::Range<i32>, status: &str) -> Vec<Op> {
    ids.map(|id| Op::Insert(order(id, i128::from(id), status))).collect()
}

#[tokio::test]
async fn a_prepared_batch_is_seen_only_when_it_is_applied_in_its_turn() {
    let (warehouse, mut lane, mut second) = two_writers("orders_fact", Mode::History).await;
    let front = lane.staged(&inserts(1..301, "front")).await;
    let behind = lane.staged(&inserts(301..601, "behind")).await;
    lane.writer.prepare(&front).await.unwrap();
    second.prepare(&behind).await.unwrap();
    assert_eq!(warehouse.sql(COUNT), "1");
    let error = second.apply(&behind).await.unwrap_err();
    assert!(matches!(error.class(), ErrorClass::Indeterminate), "{error}");
    assert_eq!((warehouse.sql(COUNT), warehouse.sql(NEXT)), ("1".into(), "101".into()));
    lane.writer.apply(&front).await.unwrap();
    assert_eq!((warehouse.sql(COUNT), warehouse.sql(NEXT)), ("301".into(), "401".into()));
    second.prepare(&behind).await.unwrap();
    second.apply(&behind).await.unwrap();
    assert_eq!((warehouse.sql(COUNT), warehouse.sql(NEXT)), ("601".into(), "701".into()));
}

#[tokio::test]
async fn an_abandoned_batch_leaves_nothing_and_can_be_applied_later() {
    let (warehouse, mut lane, mut second) = two_writers("orders_fact", Mode::History).await;
    let batch = lane.staged(&inserts(1..11, "late")).await;
    second.prepare(&batch).await.unwrap();
    second.abandon().await;
    assert_eq!(warehouse.sql(COUNT), "1");
    lane.writer.apply(&batch).await.unwrap();
    assert_eq!((warehouse.sql(COUNT), warehouse.sql(NEXT)), ("11".into(), "111".into()));
}

#[tokio::test]
async fn another_batch_than_the_prepared_one_is_applied_alone() {
    let (warehouse, mut lane, _second) = two_writers("orders_fact", Mode::History).await;
    let front = lane.staged(&inserts(1..11, "front")).await;
    let behind = lane.staged(&inserts(11..21, "behind")).await;
    lane.writer.prepare(&behind).await.unwrap();
    lane.writer.apply(&front).await.unwrap();
    assert_eq!((warehouse.sql(COUNT), warehouse.sql(NEXT)), ("11".into(), "111".into()));
}

#[tokio::test]
async fn a_mirror_that_is_prepared_early_is_merged_on_top_of_the_batch_in_front() {
    let (warehouse, mut lane, mut second) = two_writers("orders_current", HARD).await;
    let front = lane.staged(&inserts(1..6, "front")).await;
    let behind = [
        Op::Update(None, order(1, 11, "updated")),
        Op::Delete(order(2, 2, "front")),
        Op::Update(Some(order(3, 3, "front")), order(33, 3, "moved")),
    ];
    let behind = lane.staged(&behind).await;
    lane.writer.prepare(&front).await.unwrap();
    second.prepare(&behind).await.unwrap();
    lane.writer.apply(&front).await.unwrap();
    second.apply(&behind).await.unwrap();
    assert_eq!(
        warehouse.sql("SELECT order_id, status FROM orders_current ORDER BY order_id"),
        "0|first\n1|updated\n4|front\n5|front\n33|moved"
    );
}

#[tokio::test]
async fn rows_that_both_batches_insert_wait_for_the_first_and_then_replace_it() {
    let (warehouse, mut lane, mut second) = two_writers("orders_current", HARD).await;
    // Many, so that both go straight into the target.
    let front = lane.staged(&inserts(1..601, "front")).await;
    let behind = lane.staged(&inserts(301..901, "behind")).await;
    lane.writer.prepare(&front).await.unwrap();
    let (applied, prepared) = tokio::join!(lane.writer.apply(&front), second.prepare(&behind));
    applied.unwrap();
    prepared.unwrap();
    second.apply(&behind).await.unwrap();
    assert_eq!(
        warehouse.sql(
            "SELECT status, count(*), min(order_id), max(order_id) FROM orders_current
              GROUP BY status ORDER BY status"
        ),
        "behind|600|301|900\nfirst|1|0|0\nfront|300|1|300"
    );
}

#[tokio::test]
async fn a_batch_that_waits_for_the_one_prepared_behind_it_gives_way_soon() {
    let (warehouse, mut lane, mut second) = two_writers("orders_current", HARD).await;
    // Few rows are merged when they are applied, many are inserted when they are prepared.
    let front = lane.staged(&inserts(1..6, "front")).await;
    let behind = lane.staged(&inserts(5..405, "behind")).await;
    lane.writer.prepare(&front).await.unwrap();
    second.prepare(&behind).await.unwrap();
    let began = Instant::now();
    let error = lane.writer.apply(&front).await.unwrap_err();
    assert!(matches!(error.class(), ErrorClass::Transient), "{error}");
    assert!(began.elapsed() < Duration::from_secs(5), "it waited as for anybody else's lock");
    second.abandon().await;
    lane.writer.apply(&front).await.unwrap();
    second.prepare(&behind).await.unwrap();
    second.apply(&behind).await.unwrap();
    assert_eq!(
        warehouse.sql(
            "SELECT status, count(*), min(order_id), max(order_id) FROM orders_current
              GROUP BY status ORDER BY status"
        ),
        "behind|400|5|404\nfirst|1|0|0\nfront|4|1|4"
    );
}

#[tokio::test]
async fn new_rows_that_collide_with_a_row_which_moves_out_of_their_way_are_no_dead_letters() {
    let (warehouse, mut lane, _second) = two_writers("orders_current", HARD).await;
    warehouse.sql(
        "ALTER TABLE orders_current ADD CONSTRAINT amounts_differ
         EXCLUDE USING btree (amount WITH =) DEFERRABLE INITIALLY IMMEDIATE",
    );
    let mut batch = vec![Op::Update(None, order(0, 99_999, "moved"))];
    batch.extend(inserts(1..401, "new"));
    batch.push(Op::Insert(order(401, 0, "in its place")));
    assert_eq!(lane.write(&batch).await, []);
    assert_eq!(
        warehouse.sql("SELECT order_id, status FROM orders_current WHERE amount IN (0, 999.99)"),
        "0|moved\n401|in its place"
    );
}

#[tokio::test]
async fn preparing_again_replaces_what_was_prepared() {
    let (warehouse, mut lane, _second) = two_writers("orders_fact", Mode::History).await;
    let batch = lane.staged(&inserts(1..11, "once")).await;
    lane.writer.prepare(&batch).await.unwrap();
    lane.writer.prepare(&batch).await.unwrap();
    lane.writer.apply(&batch).await.unwrap();
    assert_eq!((warehouse.sql(COUNT), warehouse.sql(NEXT)), ("11".into(), "111".into()));
}

/// A frozen process of the server; it goes on when this is dropped.
struct Frozen(String);

impl Frozen {
    fn new(pid: String) -> Self {
        signal("-STOP", &pid);
        Self(pid)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

fn signal(signal: &str, pid: &str) {
    let sent = Command::new("kill").args([signal, pid]).status().unwrap();
    assert!(sent.success(), "kill {signal} {pid}");
}

#[tokio::test]
async fn f68_a_frozen_session_is_given_up_when_its_batch_is_abandoned() {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut settings = warehouse.settings();
    settings.apply_timeout = Duration::from_secs(1);
    let mut lane = Lane::open(settings, tables).await;
    lane.write(&[Op::Insert(order(0, 0, "first"))]).await;
    let mut second = lane.writer.second().await.unwrap().expect("a second writer");
    let batch = lane.staged(&inserts(1..11, "late")).await;
    second.prepare(&batch).await.unwrap();
    let pid = warehouse.sql(
        "SELECT pid FROM pg_stat_activity
          WHERE datname = current_database() AND state = 'idle in transaction'",
    );
    let frozen = Frozen::new(pid);
    let abandoned = tokio::time::timeout(Duration::from_secs(20), second.abandon()).await;
    drop(frozen);
    assert!(abandoned.is_ok(), "abandoning waits for a server that does not answer");
    second.apply(&batch).await.unwrap_err();
    lane.writer.apply(&batch).await.unwrap();
    assert_eq!((warehouse.sql(COUNT), warehouse.sql(NEXT)), ("11".into(), "111".into()));
}
