//! Where records come from.

use std::future::Future;

use cdc_checkpoint::{NextOffset, Partition};

use crate::{Classify, Receipt, RecordBatch, Witnesses};

/// Where a partition is to be read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResumePoint {
    /// The sink has never applied anything of it: from the beginning of what the source holds.
    Beginning,
    /// Everything before this position is applied.
    At(NextOffset),
}

/// Partitions that the source now owns. Reading starts when it is handed back to
/// [`Source::resume`] together with where to resume.
#[derive(Debug)]
#[must_use = "partitions are read only after the assignment has been given to Source::resume"]
pub struct Assignment {
    partitions: Vec<Partition>,
    number: u64,
}

impl Assignment {
    /// Partitions under an assignment number. Numbers rise for ever within one source.
    pub fn new(partitions: Vec<Partition>, number: u64) -> Self {
        Self { partitions, number }
    }

    /// The partitions that arrived; those owned before are not repeated.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// The number that record batches read under this assignment carry.
    pub fn number(&self) -> u64 {
        self.number
    }
}

/// Partitions that the source is about to lose. They stay ours until it is handed back to
/// [`Source::relinquish`].
#[derive(Debug)]
#[must_use = "partitions are given away only after the revocation has been given to Source::relinquish"]
pub struct Revocation {
    partitions: Vec<Partition>,
    number: u64,
}

impl Revocation {
    /// Partitions that leave, under a number of the source's own.
    pub fn new(partitions: Vec<Partition>, number: u64) -> Self {
        Self { partitions, number }
    }

    /// The partitions that leave.
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// The source's own number for it.
    pub fn number(&self) -> u64 {
        self.number
    }
}

/// What a source reports.
#[derive(Debug)]
pub enum SourceEvent {
    /// Records of one partition, in log order, continuing the last batch of it.
    Records(RecordBatch),
    /// Partitions arrived.
    Assigned(Assignment),
    /// Partitions leave.
    Revoked(Revocation),
    /// Everything that the partition held when reading it began was delivered, so that it comes
    /// also where records never stop; said again whenever all that it holds was delivered. New
    /// records may follow at any time.
    CaughtUp(Partition),
    /// Where the partition ends now: the position of the next record to be written to it.
    LogEnd(Partition, NextOffset),
    /// A bounded source has delivered everything.
    End,
}

/// Delivers records and owns partitions.
///
/// - **Order.** Batches of one partition arrive in log order and join without a gap: each starts
///   where the last one ended, the first one at its [`ResumePoint`] or, from the beginning,
///   wherever the log begins.
/// - **Start.** Nothing of a partition is delivered before [`resume`](Self::resume). A resume
///   point that the log no longer holds is a fatal error that names both positions, never a jump.
/// - **Continuity.** A log in which another record stands in the place of a
///   [recalled](Self::recall) one was replaced: a fatal error, and nothing of it is delivered.
/// - **Rewind.** After [`rewind`](Self::rewind) batches carry a new assignment number; batches with
///   an older one may still arrive and are dropped by the caller.
/// - **Memory.** A source charges what it reads to the [`ByteBudget`](crate::ByteBudget) that it
///   was built with, and stops reading while that is spent, staying a member of its group.
/// - **Retry.** A source retries what its system calls retriable by itself, for ever; an error that
///   it returns is final unless its class is transient.
pub trait Source: Send + 'static {
    /// Why a source cannot go on.
    type Error: Classify;

    /// Waits for the next event.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    fn poll(&mut self) -> impl Future<Output = Result<SourceEvent, Self::Error>> + Send;

    /// Says which records the sink remembers of partitions that are about to be resumed or rewound. What
    /// was recalled of a partition before is replaced. A source without log offsets goes on from the
    /// [place](crate::Witness::place) of the newest; one whose logs have offsets and cannot be replaced
    /// under their names has no use for it.
    fn recall(
        &mut self,
        _witnesses: Witnesses,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        async { Ok(()) }
    }

    /// Starts reading assigned partitions, each where it resumes.
    fn resume(
        &mut self,
        assignment: Assignment,
        points: Vec<(Partition, ResumePoint)>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Reads owned partitions again from another position. Returns the assignment number that
    /// their batches carry from now on.
    fn rewind(
        &mut self,
        points: Vec<(Partition, ResumePoint)>,
    ) -> impl Future<Output = Result<u64, Self::Error>> + Send;

    /// Gives revoked partitions away.
    fn relinquish(
        &mut self,
        revocation: Revocation,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Tells the source what is durable. Advisory: for people who watch the source, and for sources
    /// that may forget what was acknowledged. Failing or not being called loses nothing.
    fn acknowledge(
        &mut self,
        receipt: &Receipt,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Leaves the group and stops. Bounded in time.
    fn close(self) -> impl Future<Output = ()> + Send;
}
