//! Records that the sink's server refuses.

use cdc_core::{Halt, Offset};
use cdc_engine::{PipelineError, RejectedShare, StopWhen};
use cdc_testkit::Warehouse;

use crate::rig::{Rig, partition};

/// A log in which the records at `bad` carry a text that the server refuses.
fn rig_with(text: &str, count: i64, bad: &[i64]) -> Rig {
    let rig = Rig::default();
    for key in 0..count {
        let text = if bad.contains(&key) { text } else { "row" };
        rig.log.append(&partition(0), Some(&format!("c {key} {text}")));
    }
    rig.log.assign(vec![partition(0)]);
    rig
}

fn dead_offsets(warehouse: &Warehouse) -> Vec<i64> {
    let mut offsets: Vec<_> =
        warehouse.dead_letters().iter().map(|(_, offset, _)| Offset::get(*offset)).collect();
    offsets.sort_unstable();
    offsets
}

fn assert_only_the_bad_are_missing(rig: &Rig, count: i64, bad: &[i64]) {
    let keys: Vec<_> = rig.warehouse.rows().iter().map(|row| row.key).collect();
    let good: Vec<_> = (0..count).filter(|key| !bad.contains(key)).collect();
    assert_eq!(keys, good);
    assert_eq!(dead_offsets(&rig.warehouse), bad);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_becomes_a_dead_letter_and_its_neighbours_are_written() {
    let bad = [3, 4, 77];
    let rig = rig_with("poison", 100, &bad);
    let reading = rig.run_to_end(1).await;
    assert_only_the_bad_are_missing(&rig, 100, &bad);
    assert_eq!((reading.rows, reading.dead_lettered, reading.records), (97, 3, 100));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_meter_tells_rows_by_table_and_what_the_records_weighed() {
    let rig = rig_with("poison", 100, &[3]);
    let running = rig.open(1, StopWhen::CaughtUp).await;
    let meter = std::sync::Arc::clone(&running.meter);
    running.end().await.unwrap();
    let rows: Vec<_> = meter.tables().iter().map(|table| table.rows).collect();
    assert_eq!(rows, [99], "refused records are no rows, however often their batch was cut");
    let reading = meter.read();
    assert!(reading.bytes >= 100 * 8, "{reading:?}");
    assert!((1..=100).contains(&reading.batch_records), "{reading:?}");
    assert!((1..=reading.bytes).contains(&reading.batch_bytes), "{reading:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_refused_without_a_name_are_found_by_halving() {
    let bad = [0, 31, 32, 99];
    let rig = rig_with("curse", 100, &bad);
    rig.run_to_end(1).await;
    assert_only_the_bad_are_missing(&rig, 100, &bad);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_full_of_refused_records_is_halved_instead_of_sent_once_per_record() {
    let bad: Vec<_> = (0..200).collect();
    let rig = rig_with("poison", 400, &bad);
    rig.run_to_end(1).await;
    assert_only_the_bad_are_missing(&rig, 400, &bad);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_cannot_be_understood_are_dead_letters_and_tombstones_are_not() {
    let rig = Rig::default();
    for value in [Some("c 1 row"), Some("what"), None, Some("x 2 row"), Some("d 1")] {
        rig.log.append(&partition(0), value);
    }
    rig.log.assign(vec![partition(0)]);
    let reading = rig.run_to_end(1).await;
    assert_eq!(dead_offsets(&rig.warehouse), [1, 3]);
    assert_eq!((reading.rows, reading.skipped, reading.dead_lettered), (2, 1, 2));
}

/// Runs until the lane halts, because more was rejected than may be.
async fn assert_halts_over(rig: &Rig) {
    let running = rig.open(1, StopWhen::CaughtUp).await;
    let error = running.end().await.unwrap_err();
    let PipelineError::TooManyRejected { rejected, records, .. } = &error else {
        panic!("{error}");
    };
    assert!(rejected * 5 > *records.max(&1_000), "{rejected} of {records} is not too much");
    assert_eq!(error.halt(), Halt::Data);
    assert!(error.hint().unwrap().contains("rejected_percent_max"));
}

#[tokio::test(flavor = "multi_thread")]
async fn f108_a_log_that_the_sink_refuses_from_end_to_end_halts_before_it_is_all_dead_letters() {
    let rig = rig_with("poison", 5_000, &(0..5_000).collect::<Vec<_>>());
    assert_halts_over(&rig).await;
    let dead = dead_offsets(&rig.warehouse);
    assert!(dead.len() <= 200, "{} dead letters", dead.len());
    assert!((0..).zip(&dead).all(|(offset, dead)| offset == *dead), "{dead:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn f108_a_log_that_cannot_be_understood_halts_before_it_is_all_dead_letters() {
    let rig = Rig::default();
    for _ in 0..5_000 {
        rig.log.append(&partition(0), Some("what"));
    }
    rig.log.assign(vec![partition(0)]);
    assert_halts_over(&rig).await;
    assert!(dead_offsets(&rig.warehouse).len() <= 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn f108_what_was_good_before_is_written_when_a_lane_halts() {
    let bad: Vec<_> = (3_000..5_000).collect();
    let rig = rig_with("poison", 5_000, &bad);
    assert_halts_over(&rig).await;
    let keys: Vec<_> = rig.warehouse.rows().iter().map(|row| row.key).collect();
    assert!(keys.iter().copied().eq(0..3_000), "{} rows", keys.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn f107_a_tenth_of_refused_records_is_set_aside_and_the_rest_written() {
    let bad: Vec<_> = (0..10_000).step_by(10).collect();
    let rig = rig_with("poison", 10_000, &bad);
    rig.run_to_end(1).await;
    assert_only_the_bad_are_missing(&rig, 10_000, &bad);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_may_become_dead_letters_where_that_is_wanted() {
    let bad: Vec<_> = (0..2_000).collect();
    let rejected_max = RejectedShare::new(100).unwrap();
    let rig = Rig { rejected_max, ..rig_with("poison", 2_000, &bad) };
    rig.run_to_end(1).await;
    assert_only_the_bad_are_missing(&rig, 2_000, &bad);
}
