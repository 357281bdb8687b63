//! Snapshots that are taken again: what a complete one does not show is gone, and nothing else.

use cdc_core::SnapshotPlace::{First, Last, Within};
use cdc_core::{Partition, Writer as _};
use cdc_postgres::{Deletes, Mode, SnapshotSweep, TableSettings, Truncates};

use crate::support::{Op, Warehouse, Wave, order, table};

const ONE: Wave = ("shop", 500);
const TWO: Wave = ("shop", 600);

const ORDERS: &str =
    "SELECT string_agg(order_id || status, ',' ORDER BY order_id) FROM orders_current";

const LATEST: &str =
    "SELECT string_agg(order_id || status, ',' ORDER BY order_id) FROM orders_latest";

/// Kind, offset, begin and note of each event of a snapshot.
const EVENTS: &str = "SELECT kind, \"offset\", begins_at, note FROM cdc.table_event \
                      WHERE kind <> 'truncate' ORDER BY \"offset\", kind";

fn mirror(deletes: Deletes) -> TableSettings {
    table(0, "orders_current", Mode::Mirror { deletes, truncates: Truncates::Apply })
}

fn history() -> TableSettings {
    table(0, "orders_fact", Mode::History)
}

/// Rows of a whole snapshot.
fn snapshot(wave: Wave, rows: &[(i32, &str)]) -> Vec<Op> {
    let last = rows.len() - 1;
    let rows = rows.iter().enumerate().map(|(index, (id, status))| {
        let place = match index {
            _ if index == last => Last,
            0 => First,
            _ => Within,
        };
        Op::Wave(wave, place, order(*id, 100, status))
    });
    rows.collect()
}

fn changed(id: i32, status: &str) -> Op {
    Op::Update(None, order(id, 100, status))
}

#[tokio::test]
async fn f100_a_second_snapshot_removes_what_it_does_not_show_and_keeps_what_came_behind_it() {
    // In one batch, in one for each row, and cut within the second snapshot.
    for sizes in [vec![64], vec![1; 64], vec![7, 1, 64]] {
        let warehouse = Warehouse::initialised(&[mirror(Deletes::Hard)]).await;
        let mut lane = warehouse.lane(vec![mirror(Deletes::Hard)]).await;
        let first = snapshot(ONE, &[(1, "a"), (2, "a"), (3, "a"), (4, "a")]);
        let mut ops = [first, vec![changed(2, "b"), changed(3, "b")]].concat();
        // 1 and 3 are gone; 5 is new, 6 comes while the second snapshot is sent, 7 behind it.
        let second = snapshot(TWO, &[(2, "b"), (4, "a"), (5, "c")]);
        ops.extend(second);
        ops.insert(7, Op::Insert(order(6, 100, "between")));
        ops.push(Op::Insert(order(7, 100, "behind")));
        let mut rest = &ops[..];
        for size in sizes {
            let (now, later) = rest.split_at(usize::min(size, rest.len()));
            assert!(now.is_empty() || lane.write(now).await.is_empty());
            rest = later;
        }
        assert_eq!(warehouse.sql(ORDERS), "2b,4a,5c,6between,7behind");
        let expected = "snapshot_begin|100||nothing_before\n\
                        snapshot_end|103|100|nothing_before\n\
                        snapshot_begin|106||\n\
                        snapshot_end|109|106|";
        assert_eq!(warehouse.sql(EVENTS), expected);
    }
}

#[tokio::test]
async fn f98_a_snapshot_begun_anew_midway_counts_from_its_own_begin() {
    let warehouse = Warehouse::initialised(&[mirror(Deletes::Hard)]).await;
    let mut lane = warehouse.lane(vec![mirror(Deletes::Hard)]).await;
    lane.write(&snapshot(ONE, &[(1, "a"), (2, "a"), (3, "a")])[..2]).await;
    assert_eq!(warehouse.sql(ORDERS), "1a,2a", "nothing is known before the end");
    // Another process goes on.
    let mut lane = warehouse.lane(vec![mirror(Deletes::Hard)]).await;
    let second = snapshot(TWO, &[(2, "a"), (3, "a"), (4, "a")]);
    lane.write(&second[..2]).await;
    assert_eq!(warehouse.sql(ORDERS), "1a,2a,3a");
    let mut lane = warehouse.lane(vec![mirror(Deletes::Hard)]).await;
    lane.write(&second[2..]).await;
    assert_eq!(warehouse.sql(ORDERS), "2a,3a,4a");
    // The same end again, as a producer sends it when an answer was lost.
    lane.write(&[Op::Insert(order(9, 100, "x")), second[2].clone()]).await;
    assert_eq!(warehouse.sql(ORDERS), "2a,3a,4a,9x");
    let expected =
        "snapshot_begin|100||nothing_before\nsnapshot_begin|102||\nsnapshot_end|104|102|";
    assert_eq!(warehouse.sql(EVENTS), expected);
}

#[tokio::test]
async fn f100_a_soft_mirror_flags_what_a_snapshot_does_not_show() {
    let warehouse = Warehouse::empty();
    warehouse.sql(
        "CREATE TABLE orders_current (order_id int PRIMARY KEY, customer_id int, product_name text, \
         amount numeric(10,2), status text, created_at timestamp, updated_at timestamp, \
         cdc_generation int NOT NULL, cdc_offset bigint NOT NULL, \
         cdc_deleted boolean NOT NULL DEFAULT false)",
    );
    cdc_postgres::init(&warehouse.settings(), &[], cdc_postgres::Adopt::No).await.unwrap();
    let mut lane = warehouse.lane(vec![mirror(Deletes::Soft)]).await;
    lane.write(&snapshot(ONE, &[(1, "a"), (2, "a"), (3, "a")])).await;
    lane.write(&[Op::Delete(order(3, 100, "a"))]).await;
    lane.write(&snapshot(TWO, &[(2, "b"), (4, "b")])).await;
    let rows = "SELECT order_id, status, cdc_deleted, cdc_offset FROM orders_current ORDER BY 1";
    assert_eq!(warehouse.sql(rows), "1|a|t|105\n2|b|f|104\n3|a|t|103\n4|b|f|105");
    lane.write(&[Op::Insert(order(1, 100, "again"))]).await;
    assert_eq!(warehouse.sql(rows), "1|again|f|106\n2|b|f|104\n3|a|t|103\n4|b|f|105");
}

#[tokio::test]
async fn f100_a_history_tells_snapshots_apart_and_its_view_shows_the_last_one() {
    let warehouse = Warehouse::initialised(&[history()]).await;
    let mut lane = warehouse.lane(vec![history()]).await;
    lane.write(&snapshot(ONE, &[(1, "a"), (2, "a"), (3, "a")])).await;
    lane.write(&[changed(2, "b"), Op::Insert(order(4, 100, "b"))]).await;
    let second = snapshot(TWO, &[(2, "b"), (3, "a"), (5, "c")]);
    lane.write(&second[..2]).await;
    assert_eq!(warehouse.sql(LATEST), "1a,2b,3a,4b", "an incomplete snapshot hides nothing");
    lane.write(&second[2..]).await;
    lane.write(&[Op::Insert(order(6, 100, "behind"))]).await;
    assert_eq!(warehouse.sql(LATEST), "2b,3a,5c,6behind");
    let waves = "SELECT cdc_wave, operation_type, string_agg(order_id::text, ',' ORDER BY cdc_offset) \
                 FROM orders_fact GROUP BY 1, 2 ORDER BY 1, 2";
    assert_eq!(warehouse.sql(waves), "500|r|1,2,3\n600|r|2,3,5\n|c|4,6\n|u|2");
    let lsn =
        "SELECT bool_and(source_lsn - '0/0' = 600) FROM cdc.table_event WHERE \"offset\" >= 105";
    assert_eq!(warehouse.sql(lsn), "t", "events and rows name a snapshot by the same number");
}

#[tokio::test]
async fn a_history_without_the_column_works_as_before() {
    let warehouse = Warehouse::initialised(&[history()]).await;
    warehouse.sql("ALTER TABLE orders_fact DROP COLUMN cdc_wave CASCADE");
    let mut lane = warehouse.lane(vec![history()]).await;
    lane.write(&snapshot(ONE, &[(1, "a"), (2, "a")])).await;
    lane.write(&snapshot(TWO, &[(2, "a"), (3, "a")])).await;
    let rows = "SELECT string_agg(order_id::text, ',' ORDER BY cdc_offset) FROM orders_fact";
    assert_eq!(warehouse.sql(rows), "1,2,2,3");
    assert_eq!(warehouse.sql("SELECT count(*) FROM cdc.table_event"), "4");
}

#[tokio::test]
async fn rows_stay_when_the_snapshot_is_not_certain_to_have_shown_all() {
    let [a, b, c] = [(1, "a"), (2, "a"), (3, "a")];
    let whole = || snapshot(TWO, &[b, c]);
    let unmarked =
        vec![Op::Wave(TWO, Within, order(2, 100, "a")), Op::Wave(TWO, Last, order(3, 100, "a"))];
    let refused = vec![
        Op::Wave(TWO, First, order(2, 100, "a")),
        Op::Refused(TWO, Within, order(1, 100, "a")),
        Op::Wave(TWO, Last, order(3, 100, "a")),
    ];
    let cases: [(&str, Vec<Op>, &str); 5] = [
        ("begin_unseen", unmarked, ""),
        ("rows_left_out", refused, ""),
        ("several_connectors", snapshot(("other", 600), &[b, c]), ""),
        (
            "several_connectors",
            whole(),
            "UPDATE cdc.checkpoint SET source_marks = \
             '{\"version\":1,\"marks\":[{\"connector\":\"shop\",\"database\":\"west\"}]}'",
        ),
        (
            "several_topics",
            whole(),
            "INSERT INTO cdc.checkpoint (pipeline, topic, generation, partition) \
             VALUES ('orders', 'west.public.orders', 0, 0)",
        ),
    ];
    for settings in [mirror(Deletes::Hard), history()] {
        for (note, second, before) in &cases {
            let warehouse = Warehouse::initialised(std::slice::from_ref(&settings)).await;
            let mut lane = warehouse.lane(vec![settings.clone()]).await;
            lane.write(&snapshot(ONE, &[a, b, c])).await;
            if !before.is_empty() {
                warehouse.sql(before);
            }
            lane.write(second).await;
            let shown = if settings.mode == Mode::History { LATEST } else { ORDERS };
            assert_eq!(warehouse.sql(shown), "1a,2a,3a", "{note}");
            let noted = "SELECT note FROM cdc.table_event WHERE kind = 'snapshot_end' \
                         ORDER BY \"offset\" DESC LIMIT 1";
            assert_eq!(warehouse.sql(noted), *note, "{second:?}");
        }
    }
}

#[tokio::test]
async fn records_that_were_lost_or_unreadable_leave_a_snapshot_in_doubt() {
    let cases = [
        (
            "dead_letters",
            "INSERT INTO cdc.dead_letter (pipeline, topic, generation, partition, \"offset\", stage, \
             reason, message) VALUES ('orders', 'shop.public.orders', 0, 3, 103, 'decode', 'x', 'x')",
        ),
        (
            "gap",
            "INSERT INTO cdc.ledger (pipeline, topic, generation, partition, first_offset, \
             until_offset, read, written, folded, skipped, dead_lettered, epoch, decision) \
             VALUES ('orders', 'shop.public.orders', 0, 3, 103, 104, 0, 0, 0, 0, 0, 1, 1)",
        ),
    ];
    for (note, sql) in cases {
        let warehouse = Warehouse::initialised(&[mirror(Deletes::Hard)]).await;
        let mut lane = warehouse.lane(vec![mirror(Deletes::Hard)]).await;
        lane.write(&snapshot(ONE, &[(1, "a"), (2, "a")])).await;
        let second = snapshot(TWO, &[(2, "a"), (3, "a")]);
        lane.write(&second[..1]).await;
        warehouse.sql(sql);
        lane.next += 1;
        warehouse.sql("UPDATE cdc.checkpoint SET next_offset = 104");
        lane.write(&second[1..]).await;
        assert_eq!(warehouse.sql(ORDERS), "1a,2a,3a", "{note}");
        let expected = format!(
            "snapshot_begin|100||nothing_before\nsnapshot_end|101|100|nothing_before\n\
             snapshot_begin|102||\nsnapshot_end|104|102|{note}"
        );
        assert_eq!(warehouse.sql(EVENTS), expected);
    }
}

#[tokio::test]
async fn a_table_that_ignores_snapshots_keeps_its_rows() {
    for settings in [mirror(Deletes::Hard), history()] {
        let settings = TableSettings { snapshot_sweep: SnapshotSweep::Ignore, ..settings };
        let warehouse = Warehouse::initialised(std::slice::from_ref(&settings)).await;
        let mut lane = warehouse.lane(vec![settings.clone()]).await;
        lane.write(&snapshot(ONE, &[(1, "a"), (2, "a")])).await;
        lane.write(&snapshot(TWO, &[(2, "b")])).await;
        let shown = if settings.mode == Mode::History { LATEST } else { ORDERS };
        assert_eq!(warehouse.sql(shown), "1a,2b");
        assert_eq!(warehouse.sql("SELECT DISTINCT note FROM cdc.table_event"), "ignored");
    }
}

#[tokio::test]
async fn a_row_that_says_nothing_of_its_snapshot_begins_none() {
    let warehouse = Warehouse::initialised(&[mirror(Deletes::Hard)]).await;
    let mut lane = warehouse.lane(vec![mirror(Deletes::Hard)]).await;
    lane.write(&snapshot(ONE, &[(1, "a"), (2, "a")])).await;
    // As an incremental snapshot does.
    lane.write(&[Op::Snapshot(order(2, 100, "b"))]).await;
    assert_eq!(warehouse.sql(ORDERS), "1a,2b");
    assert_eq!(warehouse.sql("SELECT count(*) FROM cdc.table_event"), "2");
}

#[tokio::test]
async fn f100_a_topic_made_anew_removes_what_its_snapshot_no_longer_shows() {
    let warehouse = Warehouse::initialised(&[mirror(Deletes::Hard)]).await;
    let mut lane = warehouse.lane(vec![mirror(Deletes::Hard)]).await;
    lane.write(&snapshot(ONE, &[(1, "a"), (2, "a"), (3, "a")])).await;
    let again = Partition::new("shop.public.orders", 1, 0).unwrap();
    let mut lane = warehouse.lane_of(vec![mirror(Deletes::Hard)], again).await;
    lane.next = 0;
    lane.write(&snapshot(TWO, &[(3, "b"), (4, "b")])).await;
    assert_eq!(warehouse.sql(ORDERS), "3b,4b");
}

#[tokio::test]
async fn f100_a_pipeline_that_starts_over_ends_with_the_same_rows() {
    let warehouse = Warehouse::initialised(&[mirror(Deletes::Hard)]).await;
    let ops = [
        snapshot(ONE, &[(1, "a"), (2, "a"), (3, "a")]),
        vec![changed(2, "b")],
        snapshot(TWO, &[(2, "b"), (4, "a")]),
    ]
    .concat();
    for _ in 0..2 {
        let mut lane = warehouse.lane(vec![mirror(Deletes::Hard)]).await;
        for op in &ops {
            lane.write(std::slice::from_ref(op)).await;
        }
        assert_eq!(warehouse.sql(ORDERS), "2b,4a");
        warehouse.sql("DELETE FROM cdc.checkpoint; DELETE FROM cdc.ledger");
    }
}

#[tokio::test]
async fn a_batch_that_fails_sweeps_nothing() {
    let warehouse = Warehouse::initialised(&[mirror(Deletes::Hard)]).await;
    let mut lane = warehouse.lane(vec![mirror(Deletes::Hard)]).await;
    lane.write(&snapshot(ONE, &[(1, "a"), (2, "a")])).await;
    let batch = lane.staged(&snapshot(TWO, &[(2, "b"), (3, "b")])).await;
    // Somebody else has taken the partition over.
    let mut other = warehouse.lane(vec![mirror(Deletes::Hard)]).await;
    lane.writer.apply(&batch).await.unwrap_err();
    assert_eq!(warehouse.sql(ORDERS), "1a,2a");
    other.write(&snapshot(TWO, &[(2, "b"), (3, "b")])).await;
    assert_eq!(warehouse.sql(ORDERS), "2b,3b");
}
