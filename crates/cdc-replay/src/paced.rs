//! A replay that reads as fast as it can takes the warehouse from the pipeline beside it.

use std::time::{Duration, Instant};

use cdc_core::{
    Assignment, Partition, Receipt, RecordBatch, ResumePoint, Revocation, Source, SourceEvent,
};

/// What may be caught up on at once after a pause.
const BURST: Duration = Duration::from_millis(50);

/// Keeps to a rate: a token bucket with one number, the time at which the next record is due.
#[derive(Debug)]
pub struct Pace {
    rate: u32,
    due: Option<Instant>,
}

impl Pace {
    /// A pace of that many records a second; 0 is no limit.
    pub fn new(rate: u32) -> Self {
        Self { rate, due: None }
    }

    /// How long to wait at `now` before that many records, which are taken with the answer.
    pub fn take(&mut self, records: usize, now: Instant) -> Duration {
        if self.rate == 0 {
            return Duration::ZERO;
        }
        let earliest = now.checked_sub(BURST).unwrap_or(now);
        let due = self.due.unwrap_or(now).max(earliest);
        let nanos = u128::try_from(records).unwrap_or(u128::MAX).saturating_mul(1_000_000_000)
            / u128::from(self.rate);
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        // Beyond the clock's range there is no next time: stay where we are.
        self.due = Some(due.checked_add(cost).unwrap_or(due));
        due.saturating_duration_since(now)
    }
}

/// A source that delivers at most so many records a second, in whole batches.
#[derive(Debug)]
pub struct Paced<S> {
    inner: S,
    pace: Pace,
    /// A batch that is not due yet, and when it is: dropping the future of `poll` must not lose it.
    held: Option<(Instant, RecordBatch)>,
}

impl<S> Paced<S> {
    /// The inner source at a pace.
    pub fn new(inner: S, pace: Pace) -> Self {
        Self { inner, pace, held: None }
    }
}

impl<S: Source> Source for Paced<S> {
    type Error = S::Error;

    async fn poll(&mut self) -> Result<SourceEvent, S::Error> {
        if self.held.is_none() {
            match self.inner.poll().await? {
                SourceEvent::Records(batch) => {
                    let now = Instant::now();
                    let wait = self.pace.take(batch.len(), now);
                    if wait.is_zero() {
                        return Ok(SourceEvent::Records(batch));
                    }
                    self.held = Some((now.checked_add(wait).unwrap_or(now), batch));
                }
                other @ (SourceEvent::Assigned(_)
                | SourceEvent::Revoked(_)
                | SourceEvent::CaughtUp(_)
                | SourceEvent::LogEnd(..)
                | SourceEvent::End) => return Ok(other),
            }
        }
        if let Some((due, _)) = &self.held {
            tokio::time::sleep_until((*due).into()).await;
        }
        match self.held.take() {
            Some((_, batch)) => Ok(SourceEvent::Records(batch)),
            None => self.inner.poll().await,
        }
    }

    async fn resume(
        &mut self,
        assignment: Assignment,
        points: Vec<(Partition, ResumePoint)>,
    ) -> Result<(), S::Error> {
        self.inner.resume(assignment, points).await
    }

    async fn rewind(&mut self, points: Vec<(Partition, ResumePoint)>) -> Result<u64, S::Error> {
        self.inner.rewind(points).await
    }

    async fn relinquish(&mut self, revocation: Revocation) -> Result<(), S::Error> {
        self.inner.relinquish(revocation).await
    }

    async fn acknowledge(&mut self, receipt: &Receipt) -> Result<(), S::Error> {
        self.inner.acknowledge(receipt).await
    }

    async fn close(self) {
        self.inner.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_record_is_due_at_once_and_others_follow_at_the_rate() {
        let mut pace = Pace::new(4);
        let start = Instant::now();
        assert_eq!(pace.take(1, start), Duration::ZERO);
        assert_eq!(pace.take(2, start), Duration::from_millis(250));
        assert_eq!(pace.take(1, start), Duration::from_millis(750));
        assert_eq!(Pace::new(0).take(usize::MAX, start), Duration::ZERO);
    }
}
