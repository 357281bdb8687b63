//! The one home of retrying.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

/// The first wait. Short: most transient failures (a deadlock, a restarting connection) are over
/// at once.
const FIRST: Duration = Duration::from_millis(50);

/// The longest wait, so that recovery is noticed within seconds.
const LONGEST: Duration = Duration::from_secs(10);

/// The longest wait while a lost session is probed for, so that an outage costs little more than
/// itself.
const LONGEST_PROBE: Duration = Duration::from_millis(500);

/// Waits that double up to a limit, with jitter so that lanes do not come back in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    longest: Duration,
    jitter: u32,
}

impl Backoff {
    /// For doing the same thing again on a session that lives.
    pub(crate) fn repeat() -> Self {
        Self { next: FIRST, longest: LONGEST, jitter: random() }
    }

    /// For opening a lost session again.
    pub(crate) fn probe() -> Self {
        Self { next: FIRST, longest: LONGEST_PROBE, jitter: random() }
    }

    /// Waits once.
    pub(crate) async fn wait(&mut self) {
        tokio::time::sleep(self.step()).await;
    }

    /// Between half of the wait and all of it.
    fn step(&mut self) -> Duration {
        let wait = self.next;
        self.next = wait.saturating_mul(2).min(self.longest);
        // A tiny xorshift is random enough to take lanes and processes out of step.
        self.jitter ^= self.jitter << 13;
        self.jitter ^= self.jitter >> 17;
        self.jitter ^= self.jitter << 5;
        wait / 2 + wait.mul_f64(f64::from(self.jitter % 1_000) / 2_000.0)
    }
}

/// A number that differs from process to process and from one to the next; never zero, of which the
/// generator would not get away.
fn random() -> u32 {
    let hash = RandomState::new().hash_one(0);
    u32::try_from(hash >> 32).unwrap_or(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_from_fifty_milliseconds_to_the_limit_and_stay_there() {
        let mut backoff = Backoff::repeat();
        let waits: Vec<_> = (0..20).map(|_| backoff.step()).collect();
        assert!(waits[0] >= FIRST / 2 && waits[0] <= FIRST);
        assert!(waits[19] >= LONGEST / 2 && waits[19] <= LONGEST);
    }

    #[test]
    fn a_lost_session_is_probed_at_least_twice_a_second() {
        let mut backoff = Backoff::probe();
        assert!((0..20).all(|_| backoff.step() <= LONGEST_PROBE));
    }
}
