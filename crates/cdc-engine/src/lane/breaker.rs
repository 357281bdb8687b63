//! Stops a lane whose records are rejected by the hundred: then it is hardly the records that are wrong.
//!
//! A configuration for another table, or a target that somebody changed, rejects everything. Set aside
//! one by one it all would lie among the dead letters, the checkpoint would pass it, and the pipeline
//! would look well.

use std::collections::VecDeque;

use crate::RejectedShare;

/// Over how many records the share is taken; fewer count as so many, so that a few bad records at the
/// start stop nothing.
const WINDOW: u64 = 1_000;

/// Records, and how many of them were rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Counts {
    pub(crate) records: u64,
    pub(crate) rejected: u64,
}

impl Counts {
    fn plus(self, other: Self) -> Self {
        Self {
            records: self.records.saturating_add(other.records),
            rejected: self.rejected.saturating_add(other.rejected),
        }
    }

    fn exceed(self, max: RejectedShare) -> bool {
        let allowed = self.records.max(WINDOW).saturating_mul(u64::from(max.percent()));
        self.rejected.saturating_mul(100) > allowed
    }
}

/// What became of the last batches of a lane.
#[derive(Debug)]
pub(crate) struct Breaker {
    max: RejectedShare,
    /// The oldest first. Without the first it would be less than a window.
    applied: VecDeque<Counts>,
}

impl Breaker {
    pub(crate) fn new(max: RejectedShare) -> Self {
        Self { max, applied: VecDeque::new() }
    }

    /// Notes a batch that is durable.
    pub(crate) fn applied(&mut self, batch: Counts) {
        self.applied.push_back(batch);
        let mut records: u64 = self.applied.iter().map(|counts| counts.records).sum();
        while let Some(oldest) = self.applied.front()
            && records.saturating_sub(oldest.records) >= WINDOW
        {
            records = records.saturating_sub(oldest.records);
            self.applied.pop_front();
        }
    }

    /// What speaks against applying this batch: with what was applied before it, back to a window's
    /// size, more is rejected than may be.
    pub(crate) fn objection(&self, batch: Counts) -> Option<Counts> {
        let window = self.applied.iter().rev().fold(batch, |sum, earlier| {
            if sum.records < WINDOW { sum.plus(*earlier) } else { sum }
        });
        // With nothing rejected in the batch itself the worst is over.
        (batch.rejected > 0 && window.exceed(self.max)).then_some(window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(records: u64, rejected: u64) -> Counts {
        Counts { records, rejected }
    }

    #[test]
    fn a_few_rejected_records_at_the_start_stop_nothing() {
        let breaker = Breaker::new(RejectedShare::default());
        assert_eq!(breaker.objection(counts(200, 200)), None);
        assert_eq!(breaker.objection(counts(201, 201)), Some(counts(201, 201)));
    }

    #[test]
    fn a_fifth_may_be_rejected_and_no_more() {
        let breaker = Breaker::new(RejectedShare::default());
        assert_eq!(breaker.objection(counts(10_000, 2_000)), None);
        assert_eq!(breaker.objection(counts(10_000, 2_001)), Some(counts(10_000, 2_001)));
    }

    #[test]
    fn small_batches_are_judged_together_with_those_before_them() {
        let mut breaker = Breaker::new(RejectedShare::default());
        let mut applied = 0;
        while breaker.objection(counts(1, 1)).is_none() {
            breaker.applied(counts(1, 1));
            applied += 1;
        }
        assert_eq!(applied, 200);
    }

    #[test]
    fn what_went_well_long_ago_does_not_hide_what_goes_wrong_now() {
        let mut breaker = Breaker::new(RejectedShare::default());
        for _ in 0..50 {
            breaker.applied(counts(1_000, 0));
        }
        assert_eq!(breaker.objection(counts(1_000, 300)), Some(counts(1_000, 300)));
        breaker.applied(counts(400, 0));
        breaker.applied(counts(600, 0));
        assert_eq!(breaker.objection(counts(100, 100)), None);
        assert!(breaker.applied.len() < 5, "only a window is kept");
    }

    #[test]
    fn a_batch_without_rejected_records_is_never_held_back() {
        let mut breaker = Breaker::new(RejectedShare::new(0).unwrap());
        breaker.applied(counts(10, 10));
        assert_eq!(breaker.objection(counts(10, 0)), None);
        assert_eq!(breaker.objection(counts(10, 1)), Some(counts(20, 11)));
    }

    #[test]
    fn everything_may_be_rejected_where_that_is_wanted() {
        let mut breaker = Breaker::new(RejectedShare::new(100).unwrap());
        breaker.applied(counts(5_000, 5_000));
        assert_eq!(breaker.objection(counts(5_000, 5_000)), None);
    }
}
