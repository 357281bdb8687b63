//! The books: what an entry says, when they balance, and who notices when they do not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cdc_core::{
    ByteBudget, CheckpointDelta, Classify as _, DeadLetter, ErrorClass, Halt, Partition, RecordRef,
    Rejection, ResumePoint, SkipReason, Stage, Staged, Tally, WriteBatch, Writer as _,
};
use cdc_postgres::{Mismatch, Mode, PostgresBody, PostgresError, read_ledger, watch_ledger};
use cdc_stack::postgres::Cluster;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use crate::mirror::HARD;
use crate::support::{Lane, Op, Warehouse, order, table};

const ENTRIES: &str = "
SELECT partition, first_offset, until_offset, read, written, folded, skipped, skipped_by,
       dead_lettered, epoch
  FROM cdc.ledger ORDER BY partition, first_offset";

/// A partition beside the lane's own.
fn other() -> Partition {
    Partition::new("shop.public.orders", 0, 4).unwrap()
}

/// Changes of one partition, with records that are skipped or refused in front of them.
struct Part<'o> {
    partition: Partition,
    skipped: &'o [SkipReason],
    refused: usize,
    ops: &'o [Op],
}

/// One batch of several partitions, each from offset 100 on.
async fn batch_of(lane: &mut Lane, parts: &[Part<'_>]) -> WriteBatch<PostgresBody> {
    let own = lane.partition.clone();
    let mut body = PostgresBody::default();
    let (mut delta, mut letters) = (CheckpointDelta::default(), Vec::new());
    let (mut batches, mut tallies) = (Vec::new(), Vec::new());
    for (batch, part) in (0..).zip(parts) {
        lane.partition = part.partition.clone();
        let before = part.skipped.len() + part.refused;
        let total = vec![Op::Truncate; before + part.ops.len()];
        let records = Arc::new(lane.records(&total));
        let mut tally = Tally::default();
        tally.read = u64::try_from(total.len()).unwrap();
        part.skipped.iter().for_each(|reason| tally.skip(reason.clone()));
        for (index, op) in
            (0..).zip(std::iter::repeat_n(None, before).chain(part.ops.iter().map(Some)))
        {
            let at = RecordRef { batch, record: index };
            let place = usize::try_from(index).unwrap();
            let Some(op) = op else {
                if place >= part.skipped.len() {
                    let rejection = Box::new(Rejection::new(Stage::Decode, "test", "refused"));
                    letters.push(DeadLetter { at, rejection });
                }
                continue;
            };
            let record = records.get(place).unwrap();
            let staged = lane.stage_one(&mut body, at, op, record).await;
            assert!(matches!(staged, Staged::Row), "{staged:?}");
            tally.staged += 1;
        }
        delta.extend(records.partition(), records.range()).unwrap();
        batches.push(records);
        tallies.push(tally);
    }
    lane.partition = own;
    let lease = ByteBudget::new(1 << 20).charge(0);
    WriteBatch::new(batches, body, delta, letters, tallies, lease)
}

/// A history with some entries: offsets 100 to 105, one each.
async fn kept_books() -> (Warehouse, Lane) {
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    for id in 0..5 {
        lane.write(&[Op::Insert(order(id, 100, "kept"))]).await;
    }
    (warehouse, lane)
}

async fn mismatches(warehouse: &Warehouse) -> Vec<Mismatch> {
    read_ledger(&warehouse.settings()).await.unwrap().mismatches
}

#[tokio::test]
async fn an_entry_says_what_became_of_the_records_of_each_partition() {
    let tables = vec![table(0, "orders_current", HARD)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    lane.writer.acquire(&[other()]).await.unwrap();
    let thrice: Vec<_> = (1..=3).map(|cents| Op::Insert(order(1, cents, "a"))).collect();
    let skipped = [SkipReason::Tombstone, SkipReason::Filtered(Arc::from("no \"tests\""))];
    let parts = [
        Part { partition: lane.partition.clone(), skipped: &[], refused: 0, ops: &thrice },
        Part {
            partition: other(),
            skipped: &skipped,
            refused: 1,
            ops: &[Op::Insert(order(2, 1, "b"))],
        },
    ];
    let batch = batch_of(&mut lane, &parts).await;
    assert_eq!((batch.tally().read, batch.tally().folded, batch.tally().dead_lettered), (7, 2, 1));
    lane.writer.apply(&batch).await.unwrap();
    assert_eq!(
        warehouse.sql(ENTRIES),
        "3|100|103|3|1|2|0|{}|0|1\n\
         4|100|104|4|1|0|2|{\"tombstone\": 1, \"no \\\"tests\\\"\": 1}|1|1"
    );
    let books = read_ledger(&warehouse.settings()).await.unwrap();
    assert_eq!(books.mismatches, []);
    let second = &books.logs[1];
    assert_eq!((second.partition.clone(), second.range), (other(), Some((100, 104))));
    assert_eq!((second.entries, second.read, second.written, second.skipped), (1, 4, 1, 2));
    assert_eq!(second.skipped_by["no \"tests\""], 1);
    assert_eq!((second.dead_lettered, second.checkpoint), (1, Some(104)));
}

#[tokio::test]
async fn what_a_truncate_makes_void_is_folded_in_its_own_partition() {
    let tables = vec![table(0, "orders_current", HARD)];
    let warehouse = Warehouse::initialised(&tables).await;
    let mut lane = warehouse.lane(tables).await;
    lane.writer.acquire(&[other()]).await.unwrap();
    let twice = [Op::Insert(order(1, 1, "a")), Op::Insert(order(1, 2, "a"))];
    let parts = [
        Part { partition: lane.partition.clone(), skipped: &[], refused: 0, ops: &twice },
        Part { partition: other(), skipped: &[], refused: 0, ops: &[Op::Truncate] },
    ];
    let batch = batch_of(&mut lane, &parts).await;
    lane.writer.apply(&batch).await.unwrap();
    assert_eq!(warehouse.sql(ENTRIES), "3|100|102|2|0|2|0|{}|0|1\n4|100|101|1|1|0|0|{}|0|1");
}

#[tokio::test]
async fn a_refused_batch_leaves_no_entry() {
    let (warehouse, mut lane) = kept_books().await;
    let before = warehouse.sql(ENTRIES);
    lane.next = 103;
    lane.try_write(&[Op::Insert(order(9, 1, "again"))]).await.unwrap_err();
    assert_eq!(warehouse.sql(ENTRIES), before);
    assert_eq!(mismatches(&warehouse).await, []);
}

#[tokio::test]
async fn the_server_refuses_an_entry_that_does_not_account_for_its_records() {
    let (warehouse, _lane) = kept_books().await;
    let lost = "UPDATE cdc.ledger SET written = 0 WHERE first_offset = 102";
    let error = Cluster::shared().psql(&warehouse.database, lost).unwrap_err();
    assert!(format!("{error:?}").contains("ledger_conserves"), "{error:?}");
}

#[tokio::test]
async fn each_mismatch_is_found_in_its_place() {
    let drop = "ALTER TABLE cdc.ledger DROP CONSTRAINT ledger_conserves;";
    let cases = [
        ("DELETE FROM cdc.ledger WHERE first_offset = 102", "hole", 102),
        ("UPDATE cdc.ledger SET until_offset = 104 WHERE first_offset = 102", "overlap", 103),
        (&format!("{drop} UPDATE cdc.ledger SET written = 0 WHERE first_offset = 101"), "sum", 101),
        (
            "UPDATE cdc.ledger SET written = 0, skipped = 1, skipped_by = '{\"tombstone\": 2}'
              WHERE first_offset = 103",
            "reasons",
            103,
        ),
        ("UPDATE cdc.checkpoint SET next_offset = 104", "head", 105),
        ("UPDATE cdc.checkpoint SET next_offset = NULL", "head", 105),
        ("DELETE FROM cdc.checkpoint", "head", 105),
    ];
    for (damage, kind, place) in cases {
        let (warehouse, lane) = kept_books().await;
        assert_eq!(mismatches(&warehouse).await, []);
        warehouse.sql(damage);
        let found = mismatches(&warehouse).await;
        let said: Vec<_> = found.iter().map(|found| (found.kind.name(), found.place)).collect();
        assert_eq!(said, [(kind, place)], "{damage}: {found:?}");
        assert_eq!(found[0].partition, lane.partition);
    }
}

#[tokio::test]
async fn nothing_is_applied_behind_a_checkpoint_that_was_moved_by_hand() {
    let (warehouse, mut lane) = kept_books().await;
    warehouse.sql("UPDATE cdc.checkpoint SET next_offset = 102");
    let error = lane.try_write(&[Op::Insert(order(9, 1, "late"))]).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Indeterminate, "{error}");
    let acquired = lane.writer.acquire(std::slice::from_ref(&lane.partition)).await;
    let error = acquired.unwrap_err();
    assert!(matches!(error, PostgresError::Books { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Fatal(Halt::Data));
    // Each way out is a statement that works as it stands.
    let hint = error.hint().unwrap();
    let (back, anew) = hint.split_once("; or, ").unwrap();
    let back = back.split_once(": ").unwrap().1;
    let anew = anew.split_once(": ").unwrap().1;
    warehouse.sql(back);
    assert_eq!(mismatches(&warehouse).await, []);
    assert_eq!(lane.acquire().await, ResumePoint::At(position(105)));
    warehouse.sql("UPDATE cdc.checkpoint SET next_offset = 102");
    warehouse.sql(anew);
    assert_eq!(lane.acquire().await, ResumePoint::At(position(102)));
    lane.next = 102;
    lane.write(&[Op::Insert(order(2, 1, "once more"))]).await;
    assert_eq!(mismatches(&warehouse).await, []);
}

fn position(raw: i64) -> cdc_core::NextOffset {
    cdc_core::NextOffset::try_new(raw).unwrap()
}

#[tokio::test]
async fn starting_over_begins_new_books_but_not_under_a_running_pipeline() {
    let (warehouse, mut lane) = kept_books().await;
    warehouse.sql("DELETE FROM cdc.checkpoint WHERE pipeline = 'orders'");
    let acquired = lane.writer.acquire(std::slice::from_ref(&lane.partition)).await;
    let error = acquired.unwrap_err();
    assert!(matches!(error, PostgresError::Books { checkpoint: None, .. }), "{error}");
    drop(lane);
    warehouse.sql("DELETE FROM cdc.checkpoint WHERE pipeline = 'orders'");
    let tables = vec![table(0, "orders_fact", Mode::History)];
    let mut lane = warehouse.lane(tables).await;
    assert_eq!(lane.next, 100, "from the beginning");
    lane.write(&[Op::Insert(order(1, 100, "again"))]).await;
    assert_eq!(warehouse.sql("SELECT first_offset, until_offset FROM cdc.ledger"), "100|101");
    assert_eq!(mismatches(&warehouse).await, []);
}

#[tokio::test]
async fn an_alarm_is_raised_within_ten_seconds_and_old_entries_go_but_for_the_newest() {
    let (warehouse, mut lane) = kept_books().await;
    warehouse.sql("UPDATE cdc.ledger SET committed_at = now() - interval '8 days'");
    let (alarms, mut raised) = mpsc::unbounded_channel();
    let watch = tokio::spawn(watch_ledger(warehouse.settings(), move |error| {
        alarms.send((error.to_string(), error.hint())).ok();
    }));
    let entries = "SELECT string_agg(first_offset::text, ',') FROM cdc.ledger";
    let began = Instant::now();
    while warehouse.sql(entries) != "104" {
        assert!(began.elapsed() < Duration::from_secs(10), "{}", warehouse.sql(entries));
        sleep(Duration::from_millis(20)).await;
    }
    lane.write(&[Op::Insert(order(9, 100, "goes on"))]).await;
    assert_eq!(mismatches(&warehouse).await, []);
    assert!(raised.try_recv().is_err(), "nothing is wrong yet");
    warehouse.sql("UPDATE cdc.checkpoint SET next_offset = 99");
    let (said, hint) = timeout(Duration::from_secs(10), raised.recv()).await.unwrap().unwrap();
    assert_eq!(
        said,
        "the checkpoint of shop.public.orders/0/3 stands at 99, while its ledger ends at 106"
    );
    assert!(hint.unwrap().contains("SET next_offset = 106"));
    watch.abort();
}
