//! The writer task: batches applied in their order, two of them prepared side by side, and retried by
//! what is known of a failure.
//!
//! Preparing is all that overlaps. The batch behind is prepared while the one in front is prepared and
//! applied, and goes on being prepared when it has come to the front itself. When a batch cannot be
//! applied at once, what is prepared behind it is abandoned, and from there on it is one thing after
//! the other until the batch is settled.

use std::sync::Arc;
use std::time::Duration;

use cdc_core::{
    Classify, ErrorClass, Partition, ResumePoint, RowShape, SourcePosition, TableId, Witnesses,
    WriteBatch, Writer, with_causes,
};

use super::attempt::{
    Applied, Attempt, Compared, Settled, UnderWay, complete, prepare, prepare_and_apply,
};
use super::end::End;
use super::intake::{Intake, StagerGone};
use super::restage::{again, exclude};
use super::standing::Standing;
use super::{Barrier, Excluded, Job, LaneEvent, Restage, Staged, ToStager};
use crate::PipelineError;
use crate::backoff::Backoff;

/// How long giving partitions up may take: nothing rests on it, and a rebalance or a shutdown waits.
const RELEASE_PATIENCE: Duration = Duration::from_secs(1);

/// The task's state.
#[derive(Debug)]
pub(crate) struct WriteTask<W: Writer> {
    /// The writers that have no batch. The first does everything that is no batch; with no batch under
    /// way all are here.
    idle: Vec<W>,
    intake: Intake<W::Body, W::Plan>,
    standing: Standing<W::Body, W::Plan>,
}

/// What comes next, behind the batch in front or behind nothing.
enum Next<W: Writer> {
    /// It has not come yet.
    Nothing,
    /// A batch that no writer has.
    Batch(Staged<W::Body>),
    /// A batch that is being prepared behind another one.
    Preparing(UnderWay<W>),
    /// A batch that was prepared behind another one, or could not be. The latter says little: what
    /// stood in the way may be the batch in front, which a row refers to or which holds a lock.
    Tried(Attempt<W>),
    Barrier(Barrier),
    StagerGone,
}

impl<W: Writer> WriteTask<W> {
    pub(crate) fn new(
        (first, second): (W, Option<W>),
        intake: Intake<W::Body, W::Plan>,
        standing: Standing<W::Body, W::Plan>,
    ) -> Self {
        let idle = std::iter::once(first).chain(second).collect();
        Self { idle, intake, standing }
    }

    /// Runs until the stager says that everything is handed over.
    pub(crate) async fn run(mut self) {
        let mut next = Next::Nothing;
        let end = loop {
            match self.step(next).await {
                Ok(behind) => next = behind,
                Err(end) => break end,
            }
        };
        if let End::Halted(error) = end {
            self.standing.report(LaneEvent::Halted(error)).await;
        }
    }

    /// Takes up what comes next, with no batch in front of it any more.
    async fn step(&mut self, next: Next<W>) -> Result<Next<W>, End> {
        match next {
            Next::Nothing => match self.intake.next(0).await? {
                Job::Apply(staged) | Job::Restaged(staged) => Ok(Next::Batch(staged)),
                Job::Barrier(barrier) => Ok(Next::Barrier(barrier)),
            },
            Next::Batch(staged) => {
                self.standing.admit(&staged)?;
                let bytes = staged.batch.bytes();
                let front = prepare_and_apply(self.idle_writer(), staged);
                self.advance(UnderWay::new(bytes, front)).await
            }
            Next::Preparing(UnderWay { attempt, bytes }) => {
                let front = async { complete(attempt.await).await };
                self.advance(UnderWay::new(bytes, front)).await
            }
            Next::Tried(attempt) => {
                let bytes = attempt.staged.batch.bytes();
                self.advance(UnderWay::new(bytes, complete(attempt))).await
            }
            Next::Barrier(barrier) => self.pass(barrier).await.map(|()| Next::Nothing),
            Next::StagerGone => Err(End::Finished),
        }
    }

    /// A writer for a batch.
    fn idle_writer(&mut self) -> W {
        self.idle.pop().expect("a batch is taken only while a writer is idle")
    }

    /// The writer for everything that is no batch.
    fn active(&mut self) -> &mut W {
        self.idle.first_mut().expect("a lane has a writer, and no batch is under way")
    }

    /// Sees the batch in front through its first attempt, and starts on what comes behind it.
    ///
    /// While there is enough to do, both writers have batches of like size: with half of what the one
    /// in front has, a batch is worth beginning with. With less to do it waits until it is alone.
    async fn advance(&mut self, front: UnderWay<W>) -> Result<Next<W>, End> {
        let UnderWay { attempt: mut front, bytes } = front;
        let mut behind = Next::Nothing;
        let Attempt { writer, staged, result } = loop {
            behind = match behind {
                Next::Nothing if !self.idle.is_empty() => tokio::select! {
                    biased;
                    attempt = &mut front => break attempt,
                    job = self.intake.next(bytes / 2) => self.begin_behind(job),
                },
                Next::Preparing(mut preparing) => tokio::select! {
                    biased;
                    attempt = &mut front => {
                        behind = Next::Preparing(preparing);
                        break attempt;
                    }
                    attempt = &mut preparing.attempt => Next::Tried(attempt),
                },
                waits @ (Next::Nothing
                | Next::Batch(_)
                | Next::Tried(_)
                | Next::Barrier(_)
                | Next::StagerGone) => {
                    behind = waits;
                    break front.await;
                }
            };
        };
        self.idle.insert(0, writer);
        match result {
            Ok(()) => {
                self.standing.applied(staged).await?;
                Ok(behind)
            }
            Err(error) => self.hold_up(staged, error, behind).await,
        }
    }

    /// Starts on a job that has a batch in front of it. One that may not be applied waits, as what is in
    /// front of it still may.
    fn begin_behind(&mut self, job: Result<Job<W::Body>, StagerGone>) -> Next<W> {
        match job {
            Ok(Job::Apply(staged) | Job::Restaged(staged)) => {
                if self.standing.admit(&staged).is_err() {
                    return Next::Batch(staged);
                }
                let bytes = staged.batch.bytes();
                Next::Preparing(UnderWay::new(bytes, prepare(self.idle_writer(), staged)))
            }
            Ok(Job::Barrier(barrier)) => Next::Barrier(barrier),
            Err(StagerGone) => Next::StagerGone,
        }
    }

    /// Sees a refused batch through, with nothing prepared behind it.
    async fn hold_up(
        &mut self,
        staged: Staged<W::Body>,
        error: W::Error,
        behind: Next<W>,
    ) -> Result<Next<W>, End> {
        let behind = match behind {
            Next::Preparing(preparing) => self.stand_down(preparing.attempt.await).await,
            Next::Tried(attempt) => self.stand_down(attempt).await,
            other @ (Next::Nothing | Next::Batch(_) | Next::Barrier(_) | Next::StagerGone) => other,
        };
        match (self.settle(staged, error).await?, behind) {
            (Settled::Void, Next::Batch(staged)) => {
                self.standing.tell(ToStager::Recycle(staged.batch.into_records().1))?;
                Ok(Next::Nothing)
            }
            (Settled::Applied | Settled::Void, behind) => Ok(behind),
        }
    }

    /// Takes a batch from the writer that was to prepare it.
    async fn stand_down(&mut self, attempt: Attempt<W>) -> Next<W> {
        let Attempt { mut writer, staged, result } = attempt;
        if result.is_ok() {
            writer.abandon().await;
        }
        self.idle.push(writer);
        Next::Batch(staged)
    }

    /// Does what has to wait for all batches before it.
    async fn pass(&mut self, barrier: Barrier) -> Result<(), End> {
        match barrier {
            Barrier::Plan { table, shape } => self.plan(table, shape).await,
            Barrier::Find { table, partition, from } => self.find(table, &partition, from).await,
            Barrier::Acquire { number, partitions } => {
                let points = self.acquire(&partitions).await?;
                self.standing.tell(ToStager::Acquired { partitions: partitions.clone() })?;
                let witnesses = self.witnesses(&partitions).await?;
                self.restart_marks(partitions).await?;
                self.standing.owned.extend(points.iter().cloned());
                self.standing.report(LaneEvent::Acquired { number, points, witnesses }).await;
                Ok(())
            }
            Barrier::Release { number, partitions } => {
                self.release(&partitions).await?;
                self.standing.report(LaneEvent::Released { number }).await;
                Ok(())
            }
            Barrier::Finish => {
                let owned = self.standing.partitions();
                self.release(&owned).await?;
                self.standing.report(LaneEvent::Finished).await;
                Err(End::Finished)
            }
        }
    }

    /// Sees a refused batch through, and whatever it has to be cut into, in order.
    async fn settle(&mut self, staged: Staged<W::Body>, error: W::Error) -> Result<Settled, End> {
        let mut todo = Vec::new();
        let mut marks = staged.marks_before.clone();
        let mut next = Some((staged, Some(error), Excluded::default()));
        let mut pause: Option<Backoff> = None;
        while let Some((staged, error, excluded)) = next.take() {
            let marks_after = staged.batch.marks().clone();
            match self.settle_one(staged, error, &excluded).await? {
                Applied::Yes => marks.extend(marks_after),
                Applied::Again(parts, body) => {
                    self.standing.tell(ToStager::Recycle(body))?;
                    todo.extend(parts.into_iter().rev());
                }
                Applied::Stale(part, body) => {
                    self.standing.tell(ToStager::Recycle(body))?;
                    todo.push(*part);
                    // Once is common; what changes again and again is given time.
                    match &mut pause {
                        Some(pause) => pause.wait().await,
                        None => pause = Some(Backoff::repeat()),
                    }
                }
                Applied::Void(body, points) => {
                    self.standing.tell(ToStager::Recycle(body))?;
                    let partitions = self.standing.partitions();
                    self.standing.tell(ToStager::Discard { partitions: partitions.clone() })?;
                    self.intake.begin_era();
                    let witnesses = self.witnesses(&partitions).await?;
                    self.restart_marks(partitions).await?;
                    self.standing.report(LaneEvent::Rewind { points, witnesses }).await;
                    return Ok(Settled::Void);
                }
            }
            if let Some(part) = todo.pop() {
                // What comes before a part is applied by now.
                let restage = Restage { marks: marks.clone(), ..part };
                let excluded = restage.excluded.clone();
                let staged = self.intake.restage(restage).await?;
                self.standing.admit(&staged)?;
                next = Some((staged, None, excluded));
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
                None => self.active().apply(&staged.batch).await,
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
                ErrorClass::Restage => {
                    tracing::debug!(lane, error = %with_causes(&error), "staging a batch again");
                    let (part, body) = again(staged, excluded);
                    return Ok(Applied::Stale(Box::new(part), body));
                }
                ErrorClass::Outdated if self.standing.may_plan_again(&staged) => {
                    tracing::warn!(lane, error = %with_causes(&error), "a target has changed: planning it again");
                    self.standing.tell(ToStager::ForgetPlans)?;
                    let points = self.standing.owned.clone().into_iter().collect();
                    return Ok(Applied::Void(staged.batch.into_records().1, points));
                }
                ErrorClass::Poison(poison) => {
                    return exclude(staged, excluded, poison)
                        .map(|(parts, body)| Applied::Again(parts, body))
                        .ok_or_else(|| End::Halted(PipelineError::sink("apply a batch", error)));
                }
                ErrorClass::Outdated | ErrorClass::Fatal(_) => {
                    return Err(End::Halted(PipelineError::sink("apply a batch", error)));
                }
            }
        }
    }

    /// Finds out what became of a batch whose outcome is unknown. What was revoked meanwhile is left to
    /// whoever has it now, and everything staged is void.
    async fn compare(
        &mut self,
        batch: &WriteBatch<W::Body>,
        backoff: &mut Backoff,
    ) -> Result<Compared, End> {
        // Two owners that took a partition from each other at once, in step, would never end.
        backoff.wait().await;
        self.standing.disown_revoked();
        let is_owned = |(partition, _)| self.standing.owned.contains_key(partition);
        let has_lost = !batch.delta().ranges().all(is_owned);
        let owned = self.standing.partitions();
        let points = self.acquire(&owned).await?;
        if has_lost {
            self.standing.owned.extend(points.iter().cloned());
            return Ok(Compared::Elsewhere(points));
        }
        let unmoved = points
            .iter()
            .all(|(partition, point)| self.standing.owned.get(partition) == Some(point));
        let moved_by_us =
            points.iter().all(|(partition, point)| match batch.delta().range(partition) {
                Some(range) => *point == ResumePoint::At(range.until()),
                None => self.standing.owned.get(partition) == Some(point),
            });
        if unmoved {
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
            match self.active().acquire(partitions).await {
                Ok(points) => return Ok(points),
                Err(error) => self.retry_or_halt("acquire partitions", error, &mut backoff).await?,
            }
        }
    }

    /// Tells the stager how far connectors have sent, as the sink has it.
    async fn restart_marks(&mut self, partitions: Vec<Partition>) -> Result<(), End> {
        let mut backoff = Backoff::probe();
        let marks = loop {
            match self.active().marks(&partitions).await {
                Ok(marks) => break marks.into_iter().collect(),
                Err(error) => self.go_on_after("read marks", error, &mut backoff).await?,
            }
        };
        Ok(self.standing.tell(ToStager::Marks { partitions, marks })?)
    }

    /// What the sink remembers of the logs of partitions.
    async fn witnesses(&mut self, partitions: &[Partition]) -> Result<Witnesses, End> {
        let mut backoff = Backoff::probe();
        loop {
            match self.active().witnesses(partitions).await {
                Ok(witnesses) => return Ok(witnesses),
                Err(error) => self.go_on_after("read witnesses", error, &mut backoff).await?,
            }
        }
    }

    /// Answers whether a transaction has left rows behind.
    async fn find(
        &mut self,
        table: TableId,
        partition: &Partition,
        from: SourcePosition,
    ) -> Result<(), End> {
        let mut backoff = Backoff::probe();
        loop {
            match self.active().find(table, partition, from).await {
                Ok(found) => return Ok(self.standing.tell(ToStager::Found(found))?),
                Err(error) => self.go_on_after("find a transaction", error, &mut backoff).await?,
            }
        }
    }

    async fn plan(&mut self, table: TableId, shape: Arc<RowShape>) -> Result<(), End> {
        let mut backoff = Backoff::probe();
        loop {
            match self.active().plan(table, &shape).await {
                Ok(plan) => {
                    return Ok(self.standing.tell(ToStager::Planned { table, shape, plan })?);
                }
                Err(error) => self.go_on_after("plan a table", error, &mut backoff).await?,
            }
        }
    }

    /// Waits after a failure of something that changes nothing, with a session again if it was lost.
    async fn go_on_after(
        &mut self,
        attempt: &'static str,
        error: W::Error,
        backoff: &mut Backoff,
    ) -> Result<(), End> {
        let lost = error.class() == ErrorClass::Indeterminate;
        self.retry_or_halt(attempt, error, backoff).await?;
        if lost {
            self.standing.disown_revoked();
            let owned = self.standing.partitions();
            self.acquire(&owned).await?;
        }
        Ok(())
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
            ErrorClass::Outdated
            | ErrorClass::Restage
            | ErrorClass::Poison(_)
            | ErrorClass::Fatal(_) => Err(End::Halted(PipelineError::sink(attempt, error))),
        }
    }

    /// Gives partitions up. Best effort: whoever comes next can take them by force.
    async fn release(&mut self, partitions: &[Partition]) -> Result<(), End> {
        for partition in partitions {
            self.standing.owned.remove(partition);
        }
        let released =
            tokio::time::timeout(RELEASE_PATIENCE, self.active().release(partitions)).await;
        let Ok(Err(error)) = released else { return Ok(()) };
        let lane = self.standing.index;
        tracing::warn!(lane, error = %with_causes(&error), "partitions were not released cleanly");
        self.standing.disown_revoked();
        let owned = self.standing.partitions();
        if error.class() == ErrorClass::Indeterminate && !owned.is_empty() {
            // What is still owned goes on in a new session.
            self.acquire(&owned).await?;
        }
        Ok(())
    }
}
