//! Rows and progress: together, once, in order.

use std::sync::Arc;

use cdc_core::Partition;

use super::SinkUnderTest;
use super::lane::{Trial, Wanted, next, partition, records, records_until};
use crate::StoredRow;
use crate::conformance::{Finding, ensure};

/// Enough rows to fill the buffers of a bulk protocol several times.
const LARGE_ROWS: usize = 5_000;

pub(super) async fn applies_rows_and_progress_together<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    trial.holds("in a fresh place", &Wanted::default()).await?;
    let log = partition(0);
    let mut lane = trial.owner(std::slice::from_ref(&log)).await?;
    trial.holds("after acquiring", &Wanted::default()).await?;
    let first = lane.stage(&[records(&log, 0, &["c 1 one", "c 2 two", "u 1 uno"])]).await?;
    trial.holds("after staging", &Wanted::default()).await?;
    lane.apply(&first).await?;
    let wanted = Wanted::default().with(&first);
    trial.holds("after the first batch", &wanted).await?;
    let second = lane.stage(&[records(&log, 3, &["d 2", "c 3 three"])]).await?;
    lane.apply(&second).await?;
    trial.holds("after the second batch", &wanted.with(&second)).await
}

pub(super) async fn a_second_application_changes_nothing<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    let log = partition(0);
    let mut lane = trial.owner(std::slice::from_ref(&log)).await?;
    let batch = lane.stage(&[records(&log, 0, &["c 1 one", "c 2 two", "broken"])]).await?;
    lane.apply(&batch).await?;
    let wanted = Wanted::default().with(&batch);
    lane.fenced("it was applied before", &batch).await?;
    trial.holds("after the second application", &wanted).await?;
    lane.acquire(std::slice::from_ref(&log)).await?;
    lane.fenced("it was applied before the partition was acquired again", &batch).await?;
    trial.holds("after the third application", &wanted).await
}

/// Applies `[0, 2)`, then tries one that does not join.
async fn refuses<U: SinkUnderTest>(u: &U, why: &str, from: i64) -> Finding {
    let trial = Trial::open(u).await;
    let log = partition(0);
    let mut lane = trial.owner(std::slice::from_ref(&log)).await?;
    let first = lane.stage(&[records(&log, 0, &["c 1 one", "c 2 two"])]).await?;
    lane.apply(&first).await?;
    let wanted = Wanted::default().with(&first);
    let misplaced = lane.stage(&[records(&log, from, &["c 3 three", "c 4 four"])]).await?;
    lane.fenced(why, &misplaced).await?;
    trial.holds("after the refusal", &wanted).await?;
    lane.acquire(std::slice::from_ref(&log)).await?;
    let right = lane.stage(&[records(&log, 2, &["c 3 three"])]).await?;
    lane.apply(&right).await?;
    trial.holds("after the right batch", &wanted.with(&right)).await
}

pub(super) async fn refuses_a_batch_that_leaves_a_gap<U: SinkUnderTest>(u: &U) -> Finding {
    refuses(u, "it leaves out offset 2", 3).await
}

pub(super) async fn refuses_a_batch_that_overlaps<U: SinkUnderTest>(u: &U) -> Finding {
    refuses(u, "offset 1 is applied already", 1).await
}

pub(super) async fn several_partitions_advance_all_or_none<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    let logs: Vec<Partition> = (0..3).map(partition).collect();
    let mut lane = trial.owner(&logs).await?;
    let part = |log: usize, from, value| {
        let log = logs.get(log).expect("there are three logs");
        records(log, from, &[value])
    };
    let first =
        lane.stage(&[part(0, 0, "c 1 a"), part(1, 10, "c 2 b"), part(2, 20, "c 3 c")]).await?;
    lane.apply(&first).await?;
    let wanted = Wanted::default().with(&first);
    trial.holds("after a batch of three partitions", &wanted).await?;
    for bad in 0..3 {
        let from =
            |log: usize, right: i64| if log == bad { right.saturating_add(1) } else { right };
        let batch = lane
            .stage(&[
                part(0, from(0, 1), "c 4 d"),
                part(1, from(1, 11), "c 5 e"),
                part(2, from(2, 21), "c 6 f"),
            ])
            .await?;
        lane.fenced("one of its partitions leaves a gap", &batch).await?;
        trial.holds("after a batch with one gap", &wanted).await?;
        lane.acquire(&logs).await?;
    }
    let two = lane.stage(&[part(0, 1, "c 4 d"), part(2, 21, "c 6 f")]).await?;
    lane.apply(&two).await?;
    trial.holds("after a batch of two partitions", &wanted.with(&two)).await
}

pub(super) async fn skipped_records_alone_move_progress<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    let log = partition(0);
    let mut lane = trial.owner(std::slice::from_ref(&log)).await?;
    let tombstones = lane.stage(&[records(&log, 0, &["", "", ""])]).await?;
    lane.apply(&tombstones).await?;
    let wanted = Wanted::default().with(&tombstones);
    trial.holds("after three tombstones", &wanted).await?;
    let nothing = lane.stage(&[records_until(&log, 3, &[], 9)]).await?;
    lane.apply(&nothing).await?;
    let wanted = wanted.with(&nothing);
    trial.holds("after a range without records", &wanted).await?;
    lane.fenced("its range was applied before", &nothing).await?;
    trial.holds("after the same range again", &wanted).await
}

pub(super) async fn progress_ends_where_the_range_ends<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    let log = partition(0);
    let mut lane = trial.owner(std::slice::from_ref(&log)).await?;
    let first = lane.stage(&[records_until(&log, 5, &["c 1 one"], 12)]).await?;
    lane.apply(&first).await?;
    let wanted = Wanted::default().with(&first);
    trial.holds("after a range that ends behind its last record", &wanted).await?;
    let second = lane.stage(&[records(&log, 12, &["c 2 two"])]).await?;
    lane.apply(&second).await?;
    trial.holds("after the batch that joins it", &wanted.with(&second)).await
}

pub(super) async fn a_large_batch_arrives_whole<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    let log = partition(0);
    let mut lane = trial.owner(std::slice::from_ref(&log)).await?;
    let filler = "x".repeat(200);
    let values: Vec<String> =
        (0..LARGE_ROWS).map(|key| format!("c {key} {key} {filler}")).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let mut from = 0;
    let mut logs = Vec::new();
    for part in values.chunks(701) {
        let records = records(&log, from, part);
        from = records.range().until().get();
        logs.push(records);
    }
    let batch = lane.stage(&logs).await?;
    lane.apply(&batch).await?;
    let wanted = Wanted::default().with(&batch);
    let durable = trial.durable().await;
    ensure(durable.rows.len() == LARGE_ROWS, || {
        format!("expected {LARGE_ROWS} rows, found {}", durable.rows.len())
    })?;
    trial.holds("after a large batch", &wanted).await?;
    let one = lane.stage(&[records(&log, from, &["c 1 one"])]).await?;
    lane.apply(&one).await?;
    trial.holds("after a small batch behind it", &wanted.with(&one)).await
}

/// The changes of one key in the order in which they were stored.
fn of_key(rows: &[StoredRow], key: i64) -> Vec<&StoredRow> {
    rows.iter().filter(|row| row.key == key).collect()
}

pub(super) async fn the_order_of_a_key_is_kept<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    let log = partition(0);
    let mut lane = trial.owner(std::slice::from_ref(&log)).await?;
    let mut wanted = Wanted::default();
    for round in 0..3_i64 {
        let from = round.saturating_mul(8);
        let values = ["c 7 a", "c 8 b", "u 7 c", "u 8 d", "u 7 e", "d 8", "d 7", "c 8 f"];
        let logs = [
            records(&log, from, &values[..5]),
            records(&log, from.saturating_add(5), &values[5..]),
        ];
        let batch = lane.stage(&logs).await?;
        lane.apply(&batch).await?;
        wanted = wanted.with(&batch);
    }
    trial.holds("after three batches", &wanted).await?;
    let rows = trial.durable().await.rows;
    for key in [7, 8] {
        let (found, right) = (of_key(&rows, key), of_key(&wanted.rows, key));
        ensure(found == right, || {
            let offsets: Vec<_> = found.iter().map(|row| row.offset.get()).collect();
            format!("changes of key {key} were stored in the order of offsets {offsets:?}")
        })?;
    }
    Ok(())
}

pub(super) async fn texts_and_operations_survive<U: SinkUnderTest>(u: &U) -> Finding {
    let trial = Trial::open(u).await;
    let log = partition(0);
    let mut lane = trial.owner(std::slice::from_ref(&log)).await?;
    let lengthy = format!("c 9 {}", "long ".repeat(20_000));
    let values = [
        "c 1 text",
        "r 2 read by a snapshot",
        "u 3",
        "u 4 ",
        "d 5",
        "c 6 \\N",
        "c 7 tab\tline\nquote\"back\\slash'",
        "c 8 größer 🦀 ok",
        "c -9223372036854775808 smallest",
        "c 9223372036854775807 largest",
        lengthy.as_str(),
    ];
    let batch = lane.stage(&[records(&log, 0, &values)]).await?;
    ensure(batch.dead_letters().is_empty(), || {
        format!("values that fit were rejected: {:?}", batch.dead_letters())
    })?;
    lane.apply(&batch).await?;
    let wanted = Wanted::default().with(&batch);
    trial.holds("after unusual texts", &wanted).await?;
    let stands = trial.durable().await.checkpoint.next(&log);
    let end = i64::try_from(values.len()).ok().map(next);
    ensure(stands == end, || format!("stands at {stands:?}, expected {end:?}"))?;
    let again = Arc::clone(batch.records().first().expect("the batch has records"));
    ensure(again.len() == values.len(), || "the batch lost records".to_owned())
}
