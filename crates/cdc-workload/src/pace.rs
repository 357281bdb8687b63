//! Keeps to a rate: a token bucket with one number, the time at which the next one is due.

use std::time::{Duration, Instant};

/// What may be caught up on at once after a pause.
const BURST: Duration = Duration::from_millis(50);

/// Changes, or records, at a steady rate, in bursts of at most 50 ms worth.
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let mut pace = cdc_workload::Pace::new(4);
/// let now = Instant::now();
/// assert_eq!(pace.take(1, now), Duration::ZERO);
/// assert_eq!(pace.take(1, now), Duration::from_millis(250));
/// ```
#[derive(Debug)]
pub struct Pace {
    rate: u32,
    due: Option<Instant>,
}

impl Pace {
    /// A pace of that many changes a second; 0 is no limit.
    pub fn new(rate: u32) -> Self {
        Self { rate, due: None }
    }

    /// How long to wait at `now` before that many changes, which are taken with the answer.
    pub fn take(&mut self, changes: usize, now: Instant) -> Duration {
        if self.rate == 0 {
            return Duration::ZERO;
        }
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let due = self.due.unwrap_or(now).max(earliest);
        let nanos = u128::try_from(changes).unwrap_or(u128::MAX).saturating_mul(1_000_000_000)
            / u128::from(self.rate);
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        // Beyond the clock's range there is no next time: stay where we are.
        self.due = Some(due.checked_add(cost).unwrap_or(due));
        due.saturating_duration_since(now)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Pace;

    #[test]
    fn the_first_change_is_due_at_once_and_others_follow_at_the_rate() {
        let mut pace = Pace::new(4);
        let start = Instant::now();
        assert_eq!(pace.take(1, start), Duration::ZERO);
        assert_eq!(pace.take(2, start), Duration::from_millis(250));
        assert_eq!(pace.take(1, start), Duration::from_millis(750));
        assert_eq!(pace.take(1, start + Duration::from_millis(900)), Duration::from_millis(100));
    }

    #[test]
    fn a_pause_is_caught_up_on_by_one_burst_only() {
        let mut pace = Pace::new(100);
        let start = Instant::now();
        pace.take(1, start);
        let later = start + Duration::from_mins(1);
        let at_once = (0..100).take_while(|_| pace.take(1, later).is_zero()).count();
        assert_eq!(at_once, 6, "50 ms are five changes, and one is due now");
    }

    #[test]
    fn a_rate_of_zero_never_waits() {
        let mut pace = Pace::new(0);
        let now = Instant::now();
        assert!((0..1000).all(|_| pace.take(usize::MAX, now).is_zero()));
    }
}
