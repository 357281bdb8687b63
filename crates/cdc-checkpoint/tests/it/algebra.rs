//! The algebra's laws, as tables and as properties.

use cdc_checkpoint::{
    Checkpoint, CheckpointDelta, CheckpointError, NextOffset, Offset, OffsetRange, Partition,
};
use proptest::prelude::*;

fn partition(number: i32) -> Partition {
    Partition::new("t", 0, number).unwrap()
}

fn range(from: i64, until: i64) -> OffsetRange {
    OffsetRange::try_new(NextOffset::try_new(from).unwrap(), NextOffset::try_new(until).unwrap())
        .unwrap()
}

#[test]
fn rejects_a_gap_or_an_overlap_without_changing_anything() {
    let mut checkpoint = Checkpoint::default();
    checkpoint.advance(&CheckpointDelta::single(partition(0), range(0, 10))).unwrap();
    for bad in [range(11, 12), range(9, 12), range(0, 10)] {
        let before = checkpoint.clone();
        let mut delta = CheckpointDelta::single(partition(1), range(0, 5));
        delta.extend(&partition(0), bad).unwrap();
        assert!(matches!(
            checkpoint.advance(&delta),
            Err(CheckpointError::Gap { .. } | CheckpointError::Overlap { .. })
        ));
        assert_eq!(checkpoint, before);
    }
}

#[test]
fn an_empty_range_moves_nothing_and_is_allowed() {
    let mut checkpoint = Checkpoint::default();
    checkpoint.restore(partition(0), NextOffset::try_new(7).unwrap());
    let before = checkpoint.clone();
    checkpoint.advance(&CheckpointDelta::single(partition(0), range(7, 7))).unwrap();
    assert_eq!(checkpoint, before);
}

#[test]
fn a_position_cannot_be_negative_and_a_range_cannot_run_backwards() {
    assert_eq!(Offset::try_new(-1), Err(CheckpointError::NegativeOffset { found: -1 }));
    assert!(NextOffset::try_new(-1001).is_err());
    assert!(Partition::new("t", 0, -1).is_err());
    assert!(Partition::new("", 0, 0).is_err());
    assert!(
        OffsetRange::try_new(NextOffset::try_new(2).unwrap(), NextOffset::try_new(1).unwrap())
            .is_err()
    );
}

proptest! {
    /// Any way of cutting a log into consecutive steps ends at the same checkpoint.
    #[test]
    fn cutting_a_log_differently_ends_at_the_same_place(cuts in prop::collection::vec(0_i64..50, 1..20)) {
        let mut stepwise = Checkpoint::default();
        let mut whole = CheckpointDelta::default();
        let mut at = 0;
        for cut in cuts {
            let step = range(at, at + cut);
            stepwise.advance(&CheckpointDelta::single(partition(0), step)).unwrap();
            whole.extend(&partition(0), step).unwrap();
            at += cut;
        }
        let mut at_once = Checkpoint::default();
        at_once.advance(&whole).unwrap();
        prop_assert_eq!(stepwise, at_once);
    }

    /// No delta, however odd, moves a partition back.
    #[test]
    fn nothing_moves_back(from in 0_i64..20, length in 0_i64..20, start in 0_i64..20) {
        let mut checkpoint = Checkpoint::default();
        let start = NextOffset::try_new(start).unwrap();
        checkpoint.restore(partition(0), start);
        let moved = checkpoint.advance(&CheckpointDelta::single(partition(0), range(from, from + length)));
        let now = checkpoint.next(&partition(0)).unwrap();
        prop_assert!(now >= start);
        prop_assert_eq!(moved.is_ok(), start.get() == from);
    }
}
