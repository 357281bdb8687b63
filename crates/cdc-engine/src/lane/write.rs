//! The writer task: batches in their order, each prepared while the one in front of it is applied,
//! and retried by what is known of a failure.
//!
//! Preparing is all that overlaps. When a batch cannot be applied at once, what is prepared behind
//! it is abandoned, and from there on it is one thing after the other until the batch is settled.

use std::sync::Arc;
use std::time::Duration;

use cdc_core::{
    Classify, ErrorClass, Partition, ResumePoint, RowShape, TableId, WriteBatch, Writer,
    with_causes,
};
use tokio::sync::Notify;

use super::intake::{Intake, StagerGone};
use super::restage::exclude;
use super::standing::Standing;
use super::{Barrier, Excluded, Job, LaneEvent, Restage, Staged, ToStager};
use crate::PipelineError;
use crate::backoff::Backoff;

/// How long giving partitions up may take: nothing rests on it, and a rebalance or a shutdown waits.
const RELEASE_PATIENCE: Duration = Duration::from_secs(1);

/// The task's state.
#[derive(Debug)]
pub(crate) struct WriteTask<W: Writer> {
    /// Applies the batch in front, and does everything that is no batch.
    active: W,
    /// Prepares the batch behind it; the two change places from batch to batch.
    standby: Option<W>,
    intake: Intake<W::Body, W::Plan>,
    standing: Standing<W::Body, W::Plan>,
}

/// The batch in front: it has been prepared, or could not be.
type Front<W> = (Staged<<W as Writer>::Body>, Result<(), <W as Writer>::Error>);

/// The first attempt at the batch in front: it has been applied, or was refused.
type Attempt<W> = Result<(), (Staged<<W as Writer>::Body>, <W as Writer>::Error)>;

/// What came while a batch was being applied.
enum Behind<B> {
    Nothing,
    /// The standby holds it.
    Prepared(Staged<B>),
    /// The standby could not prepare it. That says little: what stood in the way may be the batch in
    /// front, which a row refers to or which holds a lock.
    Unprepared(Staged<B>),
    Barrier(Barrier),
}

/// What became of a batch.
enum Applied<B> {
    Yes,
    /// It has to be staged again first, perhaps in two parts.
    Again(Vec<Restage>, B),
    /// Somebody else moved the checkpoint: everything in flight is void.
    Void(B, Vec<(Partition, ResumePoint)>),
}

/// What became of a batch and everything it was cut into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Settled {
    Applied,
    Void,
}

/// Why the task ends.
enum End {
    /// It was told to, or there is nobody left to work for.
    Finished,
    Halted(PipelineError),
}

impl From<StagerGone> for End {
    fn from(_: StagerGone) -> Self {
        Self::Finished
    }
}

impl<W: Writer> WriteTask<W> {
    pub(crate) fn new(
        (active, standby): (W, Option<W>),
        intake: Intake<W::Body, W::Plan>,
        standing: Standing<W::Body, W::Plan>,
    ) -> Self {
        Self { active, standby, intake, standing }
    }

    /// Runs until the stager says that everything is handed over.
    pub(crate) async fn run(mut self) {
        let mut front = None;
        let end = loop {
            let step = match front.take() {
                None => self.begin().await,
                Some((staged, Ok(()))) => self.advance(staged).await,
                Some((staged, Err(error))) => self.hold_up(staged, error, Behind::Nothing).await,
            };
            match step {
                Ok(next) => front = next,
                Err(end) => break end,
            }
        };
        if let End::Halted(error) = end {
            self.standing.report(LaneEvent::Halted(error)).await;
        }
    }

    /// Takes a job with no batch in front of it.
    async fn begin(&mut self) -> Result<Option<Front<W>>, End> {
        match self.intake.next().await? {
            Job::Apply(staged) | Job::Restaged(staged) => Ok(Some(self.prepare(staged).await)),
            Job::Barrier(barrier) => self.pass(barrier).await.map(|()| None),
        }
    }

    /// Prepares a batch that has no batch in front of it any more.
    async fn prepare(&mut self, staged: Staged<W::Body>) -> Front<W> {
        let prepared = self.active.prepare(&staged.batch).await;
        (staged, prepared)
    }

    /// Applies the batch in front while the next one is prepared.
    async fn advance(&mut self, staged: Staged<W::Body>) -> Result<Option<Front<W>>, End> {
        let (attempt, behind) = self.apply_and_prepare(staged).await?;
        if let Err((staged, error)) = attempt {
            return self.hold_up(staged, error, behind).await;
        }
        match (behind, &mut self.standby) {
            (Behind::Prepared(staged), Some(standby)) => {
                std::mem::swap(&mut self.active, standby);
                Ok(Some((staged, Ok(()))))
            }
            (behind, _) => self.go_on(behind, Settled::Applied).await,
        }
    }

    /// Sees a refused batch through, with nothing prepared behind it.
    async fn hold_up(
        &mut self,
        staged: Staged<W::Body>,
        error: W::Error,
        behind: Behind<W::Body>,
    ) -> Result<Option<Front<W>>, End> {
        if let (Behind::Prepared(_), Some(standby)) = (&behind, &mut self.standby) {
            standby.abandon().await;
        }
        let settled = self.settle(staged, error).await?;
        self.go_on(behind, settled).await
    }

    /// Takes up what came while the batch in front was being settled. Nothing is prepared.
    async fn go_on(
        &mut self,
        behind: Behind<W::Body>,
        settled: Settled,
    ) -> Result<Option<Front<W>>, End> {
        match behind {
            Behind::Nothing => Ok(None),
            Behind::Barrier(barrier) => self.pass(barrier).await.map(|()| None),
            Behind::Prepared(staged) | Behind::Unprepared(staged) => match settled {
                Settled::Applied => Ok(Some(self.prepare(staged).await)),
                Settled::Void => {
                    self.standing.tell(ToStager::Recycle(staged.batch.into_records().1))?;
                    Ok(None)
                }
            },
        }
    }

    /// The first attempt at the batch in front, beside the wait for the next job and, when that is
    /// a batch and there is a second writer, its preparation.
    async fn apply_and_prepare(
        &mut self,
        staged: Staged<W::Body>,
    ) -> Result<(Attempt<W>, Behind<W::Body>), End> {
        let Self { active, standby, intake, standing } = self;
        let Some(standby) = standby else {
            return match active.apply(&staged.batch).await {
                Ok(()) => Ok((Ok(standing.applied(staged).await?), Behind::Nothing)),
                Err(error) => Ok((Err((staged, error)), Behind::Nothing)),
            };
        };
        let failed = Notify::new();
        let apply = async {
            match active.apply(&staged.batch).await {
                Ok(()) => Ok(standing.applied(staged).await),
                Err(error) => {
                    failed.notify_one();
                    Err((staged, error))
                }
            }
        };
        let follow = async {
            Ok(match intake.next_unless(failed.notified()).await? {
                None => Behind::Nothing,
                Some(Job::Apply(next) | Job::Restaged(next)) => {
                    match standby.prepare(&next.batch).await {
                        Ok(()) => Behind::Prepared(next),
                        Err(error) => {
                            tracing::debug!(error = %with_causes(&error), "preparing a batch is repeated behind the one in front");
                            Behind::Unprepared(next)
                        }
                    }
                }
                Some(Job::Barrier(barrier)) => Behind::Barrier(barrier),
            })
        };
        match tokio::join!(apply, follow) {
            (Ok(Err(gone)), _) | (_, Err(gone)) => Err(End::from(gone)),
            (Ok(Ok(())), Ok(behind)) => Ok((Ok(()), behind)),
            (Err(refused), Ok(behind)) => Ok((Err(refused), behind)),
        }
    }

    /// Does what has to wait for all batches before it.
    async fn pass(&mut self, barrier: Barrier) -> Result<(), End> {
        match barrier {
            Barrier::Plan { table, shape } => self.plan(table, shape).await,
            Barrier::Acquire { number, partitions } => {
                let points = self.acquire(&partitions).await?;
                self.standing.owned.extend(points.iter().cloned());
                self.standing.report(LaneEvent::Acquired { number, points }).await;
                Ok(())
            }
            Barrier::Release { number, partitions } => {
                self.release(&partitions).await;
                self.standing.report(LaneEvent::Released { number }).await;
                Ok(())
            }
            Barrier::Finish => {
                let owned = self.standing.partitions();
                self.release(&owned).await;
                self.standing.report(LaneEvent::Finished).await;
                Err(End::Finished)
            }
        }
    }

    /// Sees a refused batch through, and whatever it has to be cut into, in order.
    async fn settle(&mut self, staged: Staged<W::Body>, error: W::Error) -> Result<Settled, End> {
        let mut todo = Vec::new();
        let mut next = Some((staged, Some(error), Excluded::default()));
        while let Some((staged, error, excluded)) = next.take() {
            match self.settle_one(staged, error, &excluded).await? {
                Applied::Yes => {}
                Applied::Again(parts, body) => {
                    self.standing.tell(ToStager::Recycle(body))?;
                    todo.extend(parts.into_iter().rev());
                }
                Applied::Void(body, points) => {
                    self.standing.tell(ToStager::Recycle(body))?;
                    let partitions = self.standing.partitions();
                    self.standing.tell(ToStager::Discard { partitions })?;
                    self.intake.begin_era();
                    self.standing.report(LaneEvent::Rewind(points)).await;
                    return Ok(Settled::Void);
                }
            }
            if let Some(restage) = todo.pop() {
                let excluded = restage.excluded.clone();
                next = Some((self.intake.restage(restage).await?, None, excluded));
            }
        }
        Ok(Settled::Applied)
    }

    /// Applies one batch until it is clear what becomes of it. The first failure may be known.
    async fn settle_one(
        &mut self,
        staged: Staged<W::Body>,
        mut known: Option<W::Error>,
        excluded: &Excluded,
    ) -> Result<Applied<W::Body>, End> {
        let mut backoff = Backoff::repeat();
        loop {
            let outcome = match known.take() {
                Some(error) => Err(error),
                None => self.active.apply(&staged.batch).await,
            };
            let Err(error) = outcome else {
                self.standing.applied(staged).await?;
                return Ok(Applied::Yes);
            };
            let lane = self.standing.index;
            self.standing.meter.retried();
            match error.class() {
                ErrorClass::Transient => {
                    tracing::warn!(lane, error = %with_causes(&error), "applying a batch is repeated");
                    backoff.wait().await;
                }
                ErrorClass::Indeterminate => {
                    tracing::warn!(lane, error = %with_causes(&error), "the session was lost: acquiring again");
                    match self.compare(&staged.batch, &mut backoff).await? {
                        Compared::NotApplied => {}
                        Compared::Applied => {
                            self.standing.applied(staged).await?;
                            return Ok(Applied::Yes);
                        }
                        Compared::Elsewhere(points) => {
                            let (_, body) = staged.batch.into_records();
                            return Ok(Applied::Void(body, points));
                        }
                    }
                }
                ErrorClass::Poison(poison) => {
                    return exclude(staged, excluded, poison)
                        .map(|(parts, body)| Applied::Again(parts, body))
                        .ok_or_else(|| End::Halted(PipelineError::sink("apply a batch", error)));
                }
                ErrorClass::Fatal(_) => {
                    return Err(End::Halted(PipelineError::sink("apply a batch", error)));
                }
            }
        }
    }

    /// Finds out what became of a batch whose outcome is unknown.
    async fn compare(
        &mut self,
        batch: &WriteBatch<W::Body>,
        backoff: &mut Backoff,
    ) -> Result<Compared, End> {
        let owned = self.standing.partitions();
        let points = self.acquire(&owned).await?;
        let unmoved = points
            .iter()
            .all(|(partition, point)| self.standing.owned.get(partition) == Some(point));
        let moved_by_us =
            points.iter().all(|(partition, point)| match batch.delta().range(partition) {
                Some(range) => *point == ResumePoint::At(range.until()),
                None => self.standing.owned.get(partition) == Some(point),
            });
        if unmoved {
            backoff.wait().await;
            Ok(Compared::NotApplied)
        } else if moved_by_us {
            Ok(Compared::Applied)
        } else {
            self.standing.owned.extend(points.iter().cloned());
            Ok(Compared::Elsewhere(points))
        }
    }

    /// Acquires, however long it takes.
    async fn acquire(
        &mut self,
        partitions: &[Partition],
    ) -> Result<Vec<(Partition, ResumePoint)>, End> {
        let mut backoff = Backoff::probe();
        loop {
            match self.active.acquire(partitions).await {
                Ok(points) => return Ok(points),
                Err(error) => self.retry_or_halt("acquire partitions", error, &mut backoff).await?,
            }
        }
    }

    async fn plan(&mut self, table: TableId, shape: Arc<RowShape>) -> Result<(), End> {
        let mut backoff = Backoff::probe();
        loop {
            match self.active.plan(table, &shape).await {
                Ok(plan) => {
                    return Ok(self.standing.tell(ToStager::Planned { table, shape, plan })?);
                }
                Err(error) => {
                    let lost = error.class() == ErrorClass::Indeterminate;
                    self.retry_or_halt("plan a table", error, &mut backoff).await?;
                    if lost {
                        let owned = self.standing.partitions();
                        self.acquire(&owned).await?;
                    }
                }
            }
        }
    }

    async fn retry_or_halt(
        &mut self,
        attempt: &'static str,
        error: W::Error,
        backoff: &mut Backoff,
    ) -> Result<(), End> {
        match error.class() {
            ErrorClass::Transient | ErrorClass::Indeterminate => {
                self.standing.meter.retried();
                tracing::warn!(lane = self.standing.index, attempt, error = %with_causes(&error), "trying again");
                backoff.wait().await;
                Ok(())
            }
            ErrorClass::Poison(_) | ErrorClass::Fatal(_) => {
                Err(End::Halted(PipelineError::sink(attempt, error)))
            }
        }
    }

    /// Gives partitions up. Best effort: whoever comes next can take them by force.
    async fn release(&mut self, partitions: &[Partition]) {
        for partition in partitions {
            self.standing.owned.remove(partition);
        }
        let released = tokio::time::timeout(RELEASE_PATIENCE, self.active.release(partitions));
        if let Ok(Err(error)) = released.await {
            let lane = self.standing.index;
            tracing::warn!(lane, error = %with_causes(&error), "partitions were not released cleanly");
        }
    }
}

/// What the checkpoint says about a batch whose outcome was unknown.
enum Compared {
    NotApplied,
    Applied,
    Elsewhere(Vec<(Partition, ResumePoint)>),
}
