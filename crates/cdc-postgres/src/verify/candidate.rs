//! Keys that differed once, and what has been seen of them since.
//!
//! Pure: what is read and when comes from outside, so each rule can be tried without a server.

use std::time::{Duration, Instant};

use hashbrown::HashMap;

use super::reading::Hashes;

/// The parts of a key as text, in the key's order.
pub(super) type Key = Vec<String>;

/// More keys are not read again. Beyond this the tables do not differ in some rows, but altogether.
const KEYS_MAX: usize = 100_000;

/// States of the source that are remembered of one key: one for each round of the longest patience
/// would be too many, and the newest are those that the warehouse can still show.
const SEEN_MAX: usize = 256;

/// What a row is, by hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RowState {
    /// Of the whole row.
    pub(super) hash: i64,
    /// Of each compared column.
    pub(super) columns: Vec<i64>,
}

impl RowState {
    /// Another row of the same key.
    pub(super) fn add(&mut self, other: &Self) {
        self.hash = self.hash.wrapping_add(other.hash);
        for (held, more) in self.columns.iter_mut().zip(&other.columns) {
            *held = held.wrapping_add(*more);
        }
    }
}

/// A key that has not been seen equal yet.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    /// What the source had, oldest first; `None` is no row.
    seen: Vec<Option<i64>>,
    /// The newest readings; none before the first round.
    latest: Option<(Option<RowState>, Option<RowState>)>,
    /// Since when the warehouse has shown the same.
    since: Instant,
    /// When the warehouse was read last.
    until: Instant,
}

/// What is to be said about a key that is not equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Finding {
    /// The source alone has it.
    OnlyInSource,
    /// The warehouse alone has it.
    OnlyInWarehouse,
    /// The compared columns at these places differ.
    Columns(Vec<usize>),
}

/// What the rounds came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Settled {
    /// Lasting differences by key, in the keys' order.
    pub(super) differing: Vec<(Key, Finding)>,
    /// Keys that still change.
    pub(super) moving: usize,
}

/// The keys that have not been seen equal yet.
#[derive(Debug, Default)]
pub(super) struct Candidates {
    keys: HashMap<Key, Candidate>,
    left_out: bool,
}

impl Candidates {
    /// Adds what differs between the rows of some buckets.
    pub(super) fn add(&mut self, ours: Hashes, mut theirs: Hashes) {
        let now = Instant::now();
        for (key, hash) in ours {
            if theirs.remove(&key) != Some(hash) {
                self.insert(key, Some(hash), now);
            }
        }
        for key in theirs.into_keys() {
            self.insert(key, None, now);
        }
    }

    fn insert(&mut self, key: Key, source: Option<i64>, now: Instant) {
        if self.is_full() {
            self.left_out = true;
            return;
        }
        self.keys
            .insert(key, Candidate { seen: vec![source], latest: None, since: now, until: now });
    }

    /// Whether further keys would not be followed.
    pub(super) fn is_full(&self) -> bool {
        self.keys.len() >= KEYS_MAX
    }

    /// Remembers that there are more than are followed.
    pub(super) fn leave_out(&mut self) {
        self.left_out = true;
    }

    /// Whether there are more than are followed.
    pub(super) fn has_left_out(&self) -> bool {
        self.left_out
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.keys.keys()
    }

    /// Takes a round: the source was read first, and the warehouse later, at `now`. Keys that are
    /// equal go. `has_passed` says whether the warehouse held everything that the log did when the
    /// source was read; otherwise nothing counts as lasting.
    pub(super) fn round(
        &mut self,
        mut ours: HashMap<Key, RowState>,
        mut theirs: HashMap<Key, RowState>,
        has_passed: bool,
        now: Instant,
    ) {
        self.keys.retain(|key, held| {
            let (ours, theirs) = (ours.remove(key), theirs.remove(key));
            let hash = ours.as_ref().map(|row| row.hash);
            if held.seen.last() != Some(&hash) {
                if held.seen.len() >= SEEN_MAX {
                    held.seen.remove(0);
                }
                held.seen.push(hash);
            }
            if held.seen.contains(&theirs.as_ref().map(|row| row.hash)) {
                return false;
            }
            let is_same = held.latest.as_ref().is_some_and(|(_, earlier)| *earlier == theirs);
            if !is_same || !has_passed {
                held.since = now;
            }
            held.until = now;
            held.latest = Some((ours, theirs));
            true
        });
    }

    /// Whether every key has been the same in the warehouse for so long.
    pub(super) fn are_stable(&self, stable_for: Duration) -> bool {
        self.keys.values().all(|held| held.is_stable(stable_for))
    }

    /// What they come to.
    pub(super) fn settle(self, stable_for: Duration) -> Settled {
        let mut settled = Settled::default();
        for (key, held) in self.keys {
            match held.finding().filter(|_| held.is_stable(stable_for)) {
                Some(finding) => settled.differing.push((key, finding)),
                None => settled.moving = settled.moving.saturating_add(1),
            }
        }
        // Numbers without leading zeros are then in their own order.
        let order = |key: &Key| -> Vec<(usize, String)> {
            key.iter().map(|part| (part.len(), part.clone())).collect()
        };
        settled.differing.sort_by_cached_key(|(key, _)| order(key));
        settled
    }
}

impl Candidate {
    fn is_stable(&self, stable_for: Duration) -> bool {
        self.latest.is_some() && self.until.saturating_duration_since(self.since) >= stable_for
    }

    fn finding(&self) -> Option<Finding> {
        match self.latest.as_ref()? {
            (Some(ours), Some(theirs)) => {
                let columns = ours.columns.iter().zip(&theirs.columns).enumerate();
                let differing = columns.filter(|(_, (ours, theirs))| ours != theirs);
                Some(Finding::Columns(differing.map(|(place, _)| place).collect()))
            }
            (Some(_), None) => Some(Finding::OnlyInSource),
            (None, Some(_)) => Some(Finding::OnlyInWarehouse),
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn key(text: &str) -> Key {
        vec![text.to_owned()]
    }

    fn one(state: Option<i64>) -> HashMap<Key, RowState> {
        let row = |hash| (key("1"), RowState { hash, columns: vec![7, hash] });
        state.map(row).into_iter().collect()
    }

    /// A key that had these states in the snapshot and in the first reading of the warehouse.
    fn candidate(ours: Option<i64>, theirs: Option<i64>) -> Candidates {
        let hashes = |state: Option<i64>| state.map(|hash| (key("1"), hash)).into_iter().collect();
        let mut candidates = Candidates::default();
        candidates.add(hashes(ours), hashes(theirs));
        candidates
    }

    #[test]
    fn rows_alike_are_no_candidates() {
        assert_eq!(candidate(Some(1), Some(1)).len(), 0);
        for (ours, theirs) in [(Some(1), Some(2)), (Some(1), None), (None, Some(1))] {
            assert_eq!(candidate(ours, theirs).len(), 1);
        }
    }

    #[test]
    fn a_key_is_equal_when_the_warehouse_shows_any_state_that_the_source_had() {
        let now = Instant::now();
        // The snapshot's state arrives while the source has moved on.
        let mut candidates = candidate(Some(1), Some(0));
        candidates.round(one(Some(2)), one(Some(1)), true, now);
        assert_eq!(candidates.len(), 0);
        // A later state; and a row that was deleted on both sides.
        let mut candidates = candidate(Some(1), Some(0));
        candidates.round(one(Some(2)), one(Some(0)), true, now);
        candidates.round(one(Some(3)), one(Some(2)), true, now);
        assert_eq!(candidates.len(), 0);
        let mut candidates = candidate(Some(1), Some(0));
        candidates.round(one(None), one(None), true, now);
        assert_eq!(candidates.len(), 0);
    }

    #[test]
    fn a_state_that_the_warehouse_had_before_the_source_is_no_excuse() {
        // The warehouse shows 0, which the source never had while it was read.
        let now = Instant::now();
        let mut candidates = candidate(Some(1), Some(0));
        for round in 0..3 {
            candidates.round(
                one(Some(i64::from(round) + 10)),
                one(Some(0)),
                true,
                now + round * SECOND,
            );
        }
        assert!(candidates.are_stable(2 * SECOND));
        let settled = candidates.settle(2 * SECOND);
        assert_eq!(settled.differing, [(key("1"), Finding::Columns(vec![1]))]);
        assert_eq!(settled.moving, 0);
    }

    #[test]
    fn what_changes_in_the_warehouse_is_moving() {
        let now = Instant::now();
        let mut candidates = candidate(Some(100), Some(0));
        for round in 1..10 {
            let moment = now + round * SECOND;
            candidates.round(one(Some(100)), one(Some(i64::from(round))), true, moment);
            assert!(!candidates.are_stable(2 * SECOND));
        }
        let settled = candidates.settle(2 * SECOND);
        assert_eq!((settled.differing, settled.moving), (Vec::new(), 1));
    }

    #[test]
    fn nothing_lasts_while_the_log_has_not_been_applied() {
        let now = Instant::now();
        let mut candidates = candidate(Some(1), None);
        for round in 0..5 {
            candidates.round(one(Some(1)), one(None), false, now + round * SECOND);
        }
        assert_eq!(candidates.settle(SECOND).moving, 1);
        let mut candidates = candidate(Some(1), None);
        for round in 0..5 {
            candidates.round(one(Some(1)), one(None), true, now + round * SECOND);
        }
        let settled = candidates.settle(SECOND);
        assert_eq!(settled.differing, [(key("1"), Finding::OnlyInSource)]);
    }
}
