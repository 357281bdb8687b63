//! The writer's end of the jobs that the stager makes.

use std::collections::VecDeque;
use std::sync::mpsc;

use tokio::sync::mpsc as tokio_mpsc;

use super::{Job, Restage, Staged, ToStager};

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
    /// Whether the stager has been told that there is room for a job, and has not answered.
    asked: bool,
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
        Self { stager, jobs, asked: false, held: VecDeque::new(), era: 0 }
    }

    /// The next job. Batches of an earlier era go back to the stager, unapplied.
    ///
    /// Cancel safe: a job that was asked for comes with the next call.
    pub(crate) async fn next(&mut self) -> Result<Job<B>, StagerGone>
    where
        B: cdc_core::Body,
    {
        loop {
            let job = match self.held.pop_front() {
                Some(job) => job,
                None => self.receive().await?,
            };
            match job {
                Job::Apply(staged) if staged.era != self.era => {
                    self.tell(ToStager::Recycle(staged.batch.into_records().1))?;
                }
                Job::Apply(_) | Job::Restaged(_) | Job::Barrier(_) => return Ok(job),
            }
        }
    }

    async fn receive(&mut self) -> Result<Job<B>, StagerGone> {
        if !self.asked {
            self.tell(ToStager::Ready)?;
            self.asked = true;
        }
        let job = self.jobs.recv().await.ok_or(StagerGone)?;
        self.asked = false;
        Ok(job)
    }

    /// Has records staged again.
    pub(crate) async fn restage(&mut self, restage: Restage) -> Result<Staged<B>, StagerGone> {
        self.tell(ToStager::Restage(restage))?;
        loop {
            match self.jobs.recv().await.ok_or(StagerGone)? {
                Job::Restaged(staged) => return Ok(staged),
                other @ (Job::Apply(_) | Job::Barrier(_)) => {
                    self.asked = false;
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
