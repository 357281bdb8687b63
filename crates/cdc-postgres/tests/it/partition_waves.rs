//! Snapshots in topics of several partitions: each has its end of its own, in any order of what is applied.

use std::time::Duration;

use cdc_core::Partition;
use cdc_core::SnapshotPlace::{First, Last, Within};
use cdc_postgres::{Deletes, Mode, TableSettings, Truncates};

use crate::support::{Lane, Op, Warehouse, Wave, order, table};

const ONE: Wave = ("shop", 500);
const TWO: Wave = ("shop", 600);

const ORDERS: &str =
    "SELECT string_agg(order_id || status, ',' ORDER BY order_id) FROM orders_current";

const LATEST: &str =
    "SELECT string_agg(order_id || status, ',' ORDER BY order_id) FROM orders_latest";

/// Partition and note of each end.
const ENDS: &str = "SELECT string_agg(concat_ws(' ', partition, begins_at, note), ', ' \
                    ORDER BY partition, \"offset\") FROM cdc.table_event WHERE kind = 'snapshot_end'";

/// Longer than it takes until a lane looks at what others have applied.
const LOOK: Duration = Duration::from_millis(1_100);

fn mirror(deletes: Deletes) -> TableSettings {
    table(0, "orders_current", Mode::Mirror { deletes, truncates: Truncates::Ignore })
}

fn history() -> TableSettings {
    table(0, "orders_fact", Mode::History)
}

fn streamed(by: Wave, id: i32) -> Op {
    Op::Streamed(by, order(id, 100, "s"))
}

/// Rows of a snapshot in three partitions, whose keys begin with the number of the partition.
fn snapshot(wave: Wave, ids: [&[i32]; 3], status: &str) -> [Vec<Op>; 3] {
    let row = |place, id: &i32| Op::Wave(wave, place, order(*id, 100, status));
    let mut parts = ids.map(|ids| ids.iter().map(|id| row(Within, id)).collect::<Vec<_>>());
    if let Some(first) = parts[0].first_mut() {
        *first = row(First, &ids[0][0]);
    }
    if let Some(last) = parts[2].last_mut() {
        *last = row(Last, ids[2].last().unwrap());
    }
    parts
}

/// A lane for each partition, as three processes have them.
async fn lanes(warehouse: &Warehouse, settings: &TableSettings) -> [Lane; 3] {
    warehouse.sql(
        "INSERT INTO cdc.topic (pipeline, topic, generation, partitions) \
         VALUES ('orders', 'shop.public.orders', 0, 3) ON CONFLICT DO NOTHING",
    );
    let mut lanes = Vec::new();
    for number in 0..3 {
        let partition = Partition::new("shop.public.orders", 0, number).unwrap();
        lanes.push(warehouse.lane_of(vec![settings.clone()], partition).await);
    }
    lanes.try_into().ok().unwrap()
}

/// Applies the first snapshot, in which each partition has three orders.
async fn begun(warehouse: &Warehouse, settings: &TableSettings) -> [Lane; 3] {
    let mut lanes = lanes(warehouse, settings).await;
    let first = snapshot(ONE, [&[1, 2, 3], &[11, 12, 13], &[21, 22, 23]], "a");
    for (lane, ops) in lanes.iter_mut().zip(&first) {
        lane.write(ops).await;
    }
    lanes
}

/// Lets each lane see what the others have applied, by a change of which nothing follows.
async fn look(lanes: &mut [Lane; 3]) {
    tokio::time::sleep(LOOK).await;
    for lane in lanes {
        lane.write(&[Op::Delete(order(99, 100, "x"))]).await;
    }
}

#[tokio::test]
async fn f100_in_whatever_order_partitions_are_applied_no_row_goes_that_the_source_has() {
    // The source has lost 1, 3, 11, 13 and 23; 5, 15 and 25 come behind the second snapshot.
    let second = snapshot(TWO, [&[2], &[12], &[21, 22]], "b");
    for seed in 0..10_usize {
        let settings = mirror(if seed % 2 == 0 { Deletes::Hard } else { Deletes::Soft });
        let warehouse = Warehouse::initialised(&[mirror(Deletes::Hard)]).await;
        warehouse.sql(
            "ALTER TABLE orders_current ADD COLUMN cdc_deleted boolean NOT NULL DEFAULT false",
        );
        let alive = "SELECT string_agg(order_id::text, ',' ORDER BY order_id) FROM orders_current \
                     WHERE NOT cdc_deleted";
        let mut lanes = begun(&warehouse, &settings).await;
        let mut queues = second.clone();
        for (number, queue) in (0..).zip(&mut queues) {
            queue.push(streamed(("shop", 610), 5 + 10 * number));
            queue.reverse();
        }
        let mut draw = seed;
        while queues.iter().any(|queue| !queue.is_empty()) {
            draw = (draw * 5 + 3) % 64;
            let number = (draw / 3) % 3;
            let Some(op) = queues[number].pop() else { continue };
            lanes[number].write(&[op]).await;
            let shown = warehouse.sql(alive);
            for id in ["2", "12", "21", "22"] {
                assert!(shown.split(',').any(|held| held == id), "{id} is missing: {shown}");
            }
        }
        look(&mut lanes).await;
        assert_eq!(warehouse.sql(alive), "2,5,12,15,21,22,25", "seed {seed}");
    }
}

#[tokio::test]
async fn f100_a_snapshot_ends_with_its_last_row_in_one_partition_and_with_a_change_behind_it_in_others()
 {
    let warehouse = Warehouse::initialised(&[mirror(Deletes::Hard)]).await;
    let mut lanes = begun(&warehouse, &mirror(Deletes::Hard)).await;
    for (lane, ops) in lanes.iter_mut().zip(&snapshot(TWO, [&[2], &[12], &[22]], "b")) {
        lane.write(ops).await;
    }
    assert_eq!(
        warehouse.sql(ORDERS),
        "1a,2b,3a,11a,12b,13a,22b",
        "the last row ends its partition"
    );
    lanes[1].write(&[streamed(TWO, 14)]).await;
    assert_eq!(warehouse.sql(ORDERS), "1a,2b,3a,12b,14s,22b", "and a change behind it another");
    // Nothing comes in the first partition.
    assert_eq!(warehouse.sql(ENDS), "1 103, 2 100 nothing_before, 2 103");
}

#[tokio::test]
async fn a_partition_keeps_its_rows_until_a_change_stands_behind_the_snapshot() {
    let warehouse = Warehouse::initialised(&[mirror(Deletes::Hard)]).await;
    let mut lanes = begun(&warehouse, &mirror(Deletes::Hard)).await;
    for (lane, ops) in lanes.iter_mut().zip(&snapshot(TWO, [&[2], &[12], &[22]], "b")) {
        lane.write(ops).await;
    }
    // What the connector sent before stands before the snapshot in the source's log, and what another
    // sends says nothing.
    lanes[0].write(&[streamed(("shop", 599), 4), streamed(("other", 700), 5)]).await;
    look(&mut lanes).await;
    assert_eq!(warehouse.sql(ORDERS), "1a,2b,3a,4s,5s,11a,12b,13a,22b");
    lanes[0].write(&[streamed(TWO, 6)]).await;
    assert_eq!(warehouse.sql(ORDERS), "2b,4s,5s,6s,11a,12b,13a,22b");
}

#[tokio::test]
async fn f98_a_snapshot_that_was_given_up_ends_nowhere_and_the_next_one_does() {
    let warehouse = Warehouse::initialised(&[mirror(Deletes::Hard)]).await;
    let mut lanes = begun(&warehouse, &mirror(Deletes::Hard)).await;
    let broken = snapshot(TWO, [&[2, 3], &[12, 13], &[22, 23]], "b");
    lanes[0].write(&broken[0]).await;
    lanes[1].write(&broken[1][..1]).await;
    let three: Wave = ("shop", 700);
    for (lane, ops) in lanes.iter_mut().zip(&snapshot(three, [&[2], &[12], &[22]], "c")) {
        lane.write(ops).await;
    }
    lanes[0].write(&[streamed(three, 4)]).await;
    lanes[1].write(&[streamed(three, 14)]).await;
    look(&mut lanes).await;
    assert_eq!(warehouse.sql(ORDERS), "2c,4s,12c,14s,22c");
    let of_the_broken = "SELECT count(*) FROM cdc.table_event \
                         WHERE kind = 'snapshot_end' AND source_lsn - '0/0' = 600";
    assert_eq!(warehouse.sql(of_the_broken), "0");
}

#[tokio::test]
async fn rows_of_a_partition_stay_when_records_before_its_first_row_are_in_doubt() {
    let letter = "INSERT INTO cdc.dead_letter (pipeline, topic, generation, partition, \"offset\", \
                  stage, reason, message) \
                  VALUES ('orders', 'shop.public.orders', 0, 1, 103, 'decode', 'x', 'x')";
    let gap = "INSERT INTO cdc.ledger (pipeline, topic, generation, partition, first_offset, \
               until_offset, read, written, folded, skipped, dead_lettered, epoch, decision) \
               VALUES ('orders', 'shop.public.orders', 0, 1, 103, 104, 0, 0, 0, 0, 0, 1, 1)";
    for (note, sql) in [("dead_letters", letter), ("gap", gap)] {
        let warehouse = Warehouse::initialised(&[mirror(Deletes::Hard)]).await;
        let mut lanes = begun(&warehouse, &mirror(Deletes::Hard)).await;
        // It may have been the row of 11.
        warehouse.sql(sql);
        warehouse.sql("UPDATE cdc.checkpoint SET next_offset = 104 WHERE partition = 1");
        lanes[1].next += 1;
        for (lane, ops) in lanes.iter_mut().zip(&snapshot(TWO, [&[2], &[12], &[22]], "b")) {
            lane.write(ops).await;
        }
        lanes[0].write(&[streamed(TWO, 4)]).await;
        lanes[1].write(&[streamed(TWO, 14)]).await;
        look(&mut lanes).await;
        assert_eq!(warehouse.sql(ORDERS), "2b,4s,11a,12b,13a,14s,22b", "{note}");
        assert!(warehouse.sql(ENDS).contains(&format!("1 104 {note}")), "{}", warehouse.sql(ENDS));
    }
}

#[tokio::test]
async fn rows_stay_when_the_first_row_of_a_snapshot_was_not_read() {
    let warehouse = Warehouse::initialised(&[mirror(Deletes::Hard)]).await;
    let mut lanes = begun(&warehouse, &mirror(Deletes::Hard)).await;
    let mut second = snapshot(TWO, [&[1, 2], &[12], &[22]], "b");
    second[0].remove(0);
    for (lane, ops) in lanes.iter_mut().zip(&second) {
        lane.write(ops).await;
    }
    for lane in &mut lanes {
        lane.write(&[streamed(TWO, 50)]).await;
    }
    look(&mut lanes).await;
    let rows = warehouse.sql(ORDERS);
    assert_eq!(rows, "1a,2b,3a,11a,12b,13a,21a,22b,23a,50s");
}

#[tokio::test]
async fn a_mirror_that_does_not_keep_partitions_keeps_its_rows_and_says_why() {
    let warehouse = Warehouse::initialised(&[mirror(Deletes::Hard)]).await;
    warehouse.sql("ALTER TABLE orders_current DROP COLUMN cdc_partition");
    let mut lanes = begun(&warehouse, &mirror(Deletes::Hard)).await;
    for (lane, ops) in lanes.iter_mut().zip(&snapshot(TWO, [&[2], &[12], &[22]], "b")) {
        lane.write(ops).await;
    }
    assert_eq!(warehouse.sql(ORDERS), "1a,2b,3a,11a,12b,13a,21a,22b,23a");
    assert!(warehouse.sql(ENDS).contains("2 103 several_partitions"), "{}", warehouse.sql(ENDS));
}

#[tokio::test]
async fn f100_the_views_of_a_history_hide_what_a_partition_no_longer_shows() {
    let warehouse = Warehouse::initialised(&[history()]).await;
    let mut lanes = begun(&warehouse, &history()).await;
    for (lane, ops) in lanes.iter_mut().zip(&snapshot(TWO, [&[2], &[12], &[22]], "b")) {
        lane.write(ops).await;
    }
    assert_eq!(warehouse.sql(LATEST), "1a,2b,3a,11a,12b,13a,22b");
    lanes[0].write(&[streamed(TWO, 4)]).await;
    assert_eq!(warehouse.sql(LATEST), "2b,4s,11a,12b,13a,22b");
    lanes[1].write(&[streamed(TWO, 14)]).await;
    assert_eq!(warehouse.sql(LATEST), "2b,4s,12b,14s,22b");
}
