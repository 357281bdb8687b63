//! Random numbers that follow from a seed alone, so that a campaign can be drawn again.

use std::time::Duration;

use cdc_workload::Random;

/// What is drawn with the numbers of a seed.
#[derive(Debug, Clone)]
pub(crate) struct Draw(Random);

impl Draw {
    /// The numbers of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    /// Numbers that follow from these and differ from them.
    pub(crate) fn fork(&mut self) -> Self {
        Self(Random::new(self.bits()))
    }

    /// The next 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0.bits()
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
