//! Notices a consumer that has silently stopped delivering.
//!
//! Consumers of the library are known to stall after some rebalances: connected, member of the
//! group, records waiting, and nothing arrives. Nothing is lost by building the consumer anew,
//! because positions live in the sink.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Watchdog {
    silence_max: Duration,
    seen: u64,
    /// Since when no message came.
    quiet_since: Instant,
    /// Since when no message came although records wait.
    stalled_since: Instant,
}

impl Watchdog {
    pub(super) fn new(silence_max: Duration, now: Instant) -> Self {
        Self { silence_max, seen: 0, quiet_since: now, stalled_since: now }
    }

    /// Starts counting anew, because silence was expected.
    pub(super) fn rest(&mut self, now: Instant) {
        (self.quiet_since, self.stalled_since) = (now, now);
    }

    /// Whether it has been quiet for long enough to ask the broker whether records wait: a consumer
    /// that no longer fetches learns of no new ones either.
    pub(super) fn doubts(&mut self, messages: u64, now: Instant) -> bool {
        if messages != self.seen {
            self.seen = messages;
            self.rest(now);
        }
        now.duration_since(self.quiet_since) >= self.silence_max / 3
    }

    /// Whether the consumer is taken for stalled: `waiting` says that a broker is connected and
    /// holds records which were not delivered.
    pub(super) fn stalled(&mut self, waiting: bool, now: Instant) -> bool {
        if !waiting {
            self.stalled_since = now;
        }
        now.duration_since(self.stalled_since) >= self.silence_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_while_records_wait_is_a_stall() {
        let start = Instant::now();
        let second = |seconds| start + Duration::from_secs(seconds);
        let mut watchdog = Watchdog::new(Duration::from_secs(30), start);
        assert!(watchdog.doubts(0, second(40)), "the broker should be asked");
        assert!(!watchdog.stalled(false, second(40)), "nothing waits");
        assert!(!watchdog.stalled(true, second(69)));
        assert!(!watchdog.doubts(1, second(70)), "a record came");
        assert!(!watchdog.stalled(true, second(70)));
        watchdog.rest(second(90));
        assert!(!watchdog.doubts(1, second(99)));
        assert!(!watchdog.stalled(true, second(119)), "silence was expected");
        assert!(watchdog.stalled(true, second(120)));
    }
}
