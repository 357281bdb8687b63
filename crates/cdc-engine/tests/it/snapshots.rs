//! Snapshots that a connector takes again: the sink is told of every row of each, once.

use cdc_core::SnapshotFate::{self, Staged};
use cdc_core::SnapshotPlace::{self, First, Last, Within};

use crate::rig::{Rig, partition};

/// Row `key` of the snapshot that was taken at `lsn`.
fn read(lsn: u64, place: SnapshotPlace, key: i64, text: &str) -> String {
    let place = match place {
        First => "first",
        Within => "within",
        Last => "last",
    };
    format!("%{lsn}/{place} r {key} {text}")
}

fn notes(rig: &Rig) -> Vec<(i64, u64, SnapshotPlace, SnapshotFate)> {
    let notes = rig.warehouse.snapshot_notes().into_iter();
    notes.map(|note| (note.offset.get(), note.lsn, note.place, note.fate)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn f100_a_snapshot_begun_anew_is_told_from_the_one_before() {
    let rig = Rig::default();
    rig.log.assign(vec![partition(0)]);
    let rows = [
        read(50, First, 1, "row"),
        read(50, Within, 2, "row"),
        "c 9 between".to_owned(),
        read(60, First, 1, "row"),
        read(60, Last, 2, "row"),
        "c 3 behind".to_owned(),
    ];
    rig.log.append_together(&partition(0), &rows);
    rig.run_to_end(1).await;
    let expected = [
        (0, 50, First, Staged),
        (1, 50, Within, Staged),
        (3, 60, First, Staged),
        (4, 60, Last, Staged),
    ];
    assert_eq!(notes(&rig), expected);
    assert_eq!(rig.warehouse.rows().len(), 6);
}
