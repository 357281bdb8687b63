//! Random numbers that follow from a seed alone, so that a campaign can be drawn again.

use std::time::Duration;

/// `SplitMix64`: any generator would do whose numbers are the same on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Draw(u64);

impl Draw {
    /// The numbers of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Numbers that follow from these and differ from them.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.bits())
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// A number below `bound`, which is taken for 1 when it is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound.max(1)
    }

    /// True once in so many times on average.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// A time between these, in whole milliseconds.
    pub(crate) fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(low + self.below(high.saturating_sub(low) + 1))
    }

    /// One of these; `None` when there is none.
    pub(crate) fn choose<'t, T>(&mut self, from: &'t [T]) -> Option<&'t T> {
        let index = self.below(u64::try_from(from.len()).unwrap_or(u64::MAX));
        from.get(usize::try_from(index).ok()?)
    }
}
