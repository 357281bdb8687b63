//! Keeps a fault that repeats from filling the log.

use std::time::{Duration, Instant};

/// Lets one line pass per interval and counts the rest.
#[derive(Debug)]
pub(super) struct Occasionally {
    interval: Duration,
    last: Option<Instant>,
    suppressed: u64,
}

impl Occasionally {
    pub(super) fn every(interval: Duration) -> Self {
        Self { interval, last: None, suppressed: 0 }
    }

    /// Whether a line may be written now, and how many were not since the last one.
    pub(super) fn pass(&mut self, now: Instant) -> Option<u64> {
        let due = self.last.is_none_or(|last| now.duration_since(last) >= self.interval);
        if !due {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_passes_per_interval_and_says_how_many_did_not() {
        let mut lines = Occasionally::every(Duration::from_secs(10));
        let start = Instant::now();
        assert_eq!(lines.pass(start), Some(0));
        assert_eq!(lines.pass(start + Duration::from_secs(1)), None);
        assert_eq!(lines.pass(start + Duration::from_secs(2)), None);
        assert_eq!(lines.pass(start + Duration::from_secs(10)), Some(2));
    }
}
