//! A replay that reads as fast as it can takes the warehouse from the pipeline beside it.

use std::time::Instant;

use cdc_core::{
    Assignment, Partition, Receipt, RecordBatch, ResumePoint, Revocation, Source, SourceEvent,
};
use cdc_workload::Pace;

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
