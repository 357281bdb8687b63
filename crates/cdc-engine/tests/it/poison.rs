//! Records that the sink's server refuses.

use cdc_core::Offset;
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
