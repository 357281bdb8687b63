//! Snapshots that a connector takes again: the sink is told of every row of each, once, whatever becomes
//! of the row.

use cdc_core::SnapshotFate::{self, LeftOut, Staged};
use cdc_core::SnapshotPlace::{self, First, Last, Within};
use cdc_testkit::Fault;

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

#[tokio::test(flavor = "multi_thread")]
async fn f100_rows_of_a_snapshot_that_are_refused_are_told_of_all_the_same() {
    for text in ["poison", "curse"] {
        let rig = Rig::default();
        rig.log.assign(vec![partition(0)]);
        rig.script([Fault::Busy, Fault::LostBefore, Fault::None, Fault::Outdated]);
        let rows: Vec<_> = (0..40)
            .map(|key| match key {
                0 => read(50, First, key, "row"),
                17 => read(50, Within, key, text),
                39 => read(50, Last, key, text),
                _ => read(50, Within, key, "row"),
            })
            .collect();
        for rows in rows.chunks(8) {
            rig.log.append_together(&partition(0), rows);
        }
        rig.run_to_end(1).await;
        assert_eq!(rig.warehouse.dead_letters().len(), 2, "{text}");
        let expected: Vec<_> = (0..40)
            .map(|offset| {
                let place = match offset {
                    0 => First,
                    39 => Last,
                    _ => Within,
                };
                let fate = if matches!(offset, 17 | 39) { LeftOut } else { Staged };
                (offset, 50, place, fate)
            })
            .collect();
        assert_eq!(notes(&rig), expected, "{text}");
    }
}
