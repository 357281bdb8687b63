//! The writer's end of the jobs that the stager makes.

use std::collections::VecDeque;
use std::sync::mpsc;

use tokio::sync::mpsc as tokio_mpsc;

use super::{Call, Job, Restage, Staged, ToStager};

/// Jobs under way at one time: one answer to being ready, and one batch staged again.
pub(crate) const JOBS_MAX: usize = 2;

/// The stager has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StagerGone;

/// Asks for jobs and takes them in order.
#[derive(Debug)]
pub(crate) struct Intake<B, P> {
    stager: mpsc::Sender<ToStager<B, P>>,
    jobs: tokio_mpsc::Receiver<Job<B>>,
    /// The call that the stager has not answered.
    open_call: Option<Call>,
    calls: u64,
    /// The answer, when it came while a batch was being staged again.
    held: VecDeque<Job<B>>,
    /// Which era's batches count.
    era: u64,
}

impl<B, P> Intake<B, P> {
    pub(crate) fn new(
        stager: mpsc::Sender<ToStager<B, P>>,
        jobs: tokio_mpsc::Receiver<Job<B>>,
    ) -> Self {
        Self { stager, jobs, open_call: None, calls: 0, held: VecDeque::new(), era: 0 }
    }

    /// The next job; a batch that is still being filled only when it has this many bytes. Batches of
    /// an earlier era go back to the stager, unapplied.
    ///
    /// Cancel safe: a job that was asked for comes with the next call.
    pub(crate) async fn next(&mut self, bytes_min: usize) -> Result<Job<B>, StagerGone>
    where
        B: cdc_core::Body,
    {
        loop {
            let job = match self.held.pop_front() {
                Some(job) => job,
                None => self.receive(bytes_min).await?,
            };
            match job {
                Job::Apply(staged) if staged.era != self.era => {
                    self.tell(ToStager::Recycle(staged.batch.into_records().1))?;
                }
                Job::Apply(_) | Job::Restaged(_) | Job::Barrier(_) => return Ok(job),
            }
        }
    }

    async fn receive(&mut self, bytes_min: usize) -> Result<Job<B>, StagerGone> {
        if self.open_call.is_none_or(|call| bytes_min < call.bytes_min) {
            if self.open_call.is_none() {
                self.calls = self.calls.saturating_add(1);
            }
            let call = Call { number: self.calls, bytes_min };
            self.tell(ToStager::Ready(call))?;
            self.open_call = Some(call);
        }
        let job = self.jobs.recv().await.ok_or(StagerGone)?;
        self.open_call = None;
        Ok(job)
    }

    /// Has records staged again.
    pub(crate) async fn restage(&mut self, restage: Restage) -> Result<Staged<B>, StagerGone> {
        self.tell(ToStager::Restage(restage))?;
        loop {
            match self.jobs.recv().await.ok_or(StagerGone)? {
                Job::Restaged(staged) => return Ok(staged),
                other @ (Job::Apply(_) | Job::Barrier(_)) => {
                    self.open_call = None;
                    self.held.push_back(other);
                }
            }
        }
    }

    /// Everything that is staged up to now is void.
    pub(crate) fn begin_era(&mut self) {
        self.era = self.era.saturating_add(1);
    }

    fn tell(&self, message: ToStager<B, P>) -> Result<(), StagerGone> {
        self.stager.send(message).map_err(|_gone| StagerGone)
    }
}
