//! The writer task: one job at a time on one connection, retried by what is known of a failure.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cdc_core::{
    Classify, DeadLetter, ErrorClass, Partition, Poison, Rejection, ResumePoint, RowShape, TableId,
    WriteBatch, Writer,
};
use tokio::sync::mpsc as tokio_mpsc;

use super::{Excluded, Job, LaneEvent, LaneIndex, Restage, Staged, ToStager};
use crate::backoff::Backoff;
use crate::{Latency, Meter, PipelineError};

/// After this many refused records in one batch the rest is halved instead: a batch full of bad
/// records would otherwise be sent once per record.
const EXCLUSIONS_MAX: usize = 8;

/// A lost or fenced session that is compared this often in a row without progress is waited for.
const REACQUIRE_PATIENCE: Duration = Duration::from_secs(1);

/// The task's state.
#[derive(Debug)]
pub(crate) struct WriteTask<W: Writer> {
    index: LaneIndex,
    writer: W,
    stager: mpsc::Sender<ToStager<W::Body, W::Plan>>,
    jobs: tokio_mpsc::Receiver<Job<W::Body>>,
    events: tokio_mpsc::Sender<(LaneIndex, LaneEvent)>,
    meter: Arc<Meter>,
    /// Acquired partitions, and where each must stand in the sink as far as this task knows.
    owned: BTreeMap<Partition, ResumePoint>,
}

/// What became of a batch.
enum Applied<B> {
    Yes,
    /// It has to be staged again first, perhaps in two parts.
    Again(Vec<Restage>, B),
    /// Somebody else moved the checkpoint: everything in flight is void.
    Void(B, Vec<(Partition, ResumePoint)>),
}

/// Why the task ends.
enum End {
    /// It was told to, or there is nobody left to work for.
    Finished,
    Halted(PipelineError),
}

impl<W: Writer> WriteTask<W> {
    pub(crate) fn new(
        index: LaneIndex,
        writer: W,
        stager: mpsc::Sender<ToStager<W::Body, W::Plan>>,
        jobs: tokio_mpsc::Receiver<Job<W::Body>>,
        events: tokio_mpsc::Sender<(LaneIndex, LaneEvent)>,
        meter: Arc<Meter>,
    ) -> Self {
        Self { index, writer, stager, jobs, events, meter, owned: BTreeMap::new() }
    }

    /// Runs until the stager says that everything is handed over.
    pub(crate) async fn run(mut self) {
        let end = loop {
            if let Err(end) = self.next_job().await {
                break end;
            }
        };
        if let End::Halted(error) = end {
            self.report(LaneEvent::Halted(error)).await;
        }
    }

    async fn report(&mut self, event: LaneEvent) {
        // A pipeline that has gone needs no reports.
        let _gone = self.events.send((self.index, event)).await.is_err();
    }

    fn tell(&self, message: ToStager<W::Body, W::Plan>) -> Result<(), End> {
        self.stager.send(message).map_err(|_gone| End::Finished)
    }

    async fn next_job(&mut self) -> Result<(), End> {
        self.tell(ToStager::Ready)?;
        match self.jobs.recv().await.ok_or(End::Finished)? {
            Job::Apply(staged) => self.apply(staged).await,
            Job::Plan { table, shape } => self.plan(table, shape).await,
            Job::Acquire { number, partitions } => {
                let points = self.acquire(&partitions).await?;
                self.owned.extend(points.iter().cloned());
                self.report(LaneEvent::Acquired { number, points }).await;
                Ok(())
            }
            Job::Release { number, partitions } => {
                self.release(&partitions).await;
                self.report(LaneEvent::Released { number }).await;
                Ok(())
            }
            Job::Finish => {
                let owned = self.owned_partitions();
                self.release(&owned).await;
                self.report(LaneEvent::Finished).await;
                Err(End::Finished)
            }
        }
    }

    /// Applies a batch and whatever it has to be cut into, in order.
    async fn apply(&mut self, staged: Staged<W::Body>) -> Result<(), End> {
        let mut todo = Vec::new();
        let mut next = Some((staged, Excluded::default()));
        while let Some((staged, excluded)) = next.take() {
            match self.apply_one(staged, &excluded).await? {
                Applied::Yes => {}
                Applied::Again(parts, body) => {
                    self.tell(ToStager::Recycle(body))?;
                    todo.extend(parts.into_iter().rev());
                }
                Applied::Void(body, points) => {
                    self.tell(ToStager::Recycle(body))?;
                    let partitions = self.owned_partitions();
                    self.tell(ToStager::Discard { partitions })?;
                    self.report(LaneEvent::Rewind(points)).await;
                    return Ok(());
                }
            }
            if let Some(restage) = todo.pop() {
                let excluded = restage.excluded.clone();
                self.tell(ToStager::Restage(restage))?;
                match self.jobs.recv().await.ok_or(End::Finished)? {
                    Job::Apply(staged) => next = Some((staged, excluded)),
                    Job::Acquire { .. } | Job::Plan { .. } | Job::Release { .. } | Job::Finish => {
                        return Err(End::Halted(PipelineError::LaneLost { part: "order of jobs" }));
                    }
                }
            }
        }
        Ok(())
    }

    async fn apply_one(
        &mut self,
        staged: Staged<W::Body>,
        excluded: &Excluded,
    ) -> Result<Applied<W::Body>, End> {
        let mut backoff = Backoff::repeat();
        loop {
            let Err(error) = self.writer.apply(&staged.batch).await else {
                return self.applied(staged).await;
            };
            self.meter.retried();
            match error.class() {
                ErrorClass::Transient => {
                    tracing::warn!(lane = self.index, error = %chain(&error), "applying a batch is repeated");
                    backoff.wait().await;
                }
                ErrorClass::Indeterminate => {
                    tracing::warn!(lane = self.index, error = %chain(&error), "the session was lost: acquiring again");
                    match self.compare(&staged.batch, &mut backoff).await? {
                        Compared::NotApplied => {}
                        Compared::Applied => return self.applied(staged).await,
                        Compared::Elsewhere(points) => {
                            let (_, body) = staged.batch.into_records();
                            return Ok(Applied::Void(body, points));
                        }
                    }
                }
                ErrorClass::Poison(poison) => {
                    return exclude(staged, excluded, poison)
                        .ok_or_else(|| End::Halted(PipelineError::sink("apply a batch", error)));
                }
                ErrorClass::Fatal(_) => {
                    return Err(End::Halted(PipelineError::sink("apply a batch", error)));
                }
            }
        }
    }

    /// Reports a batch that is durable.
    async fn applied(&mut self, staged: Staged<W::Body>) -> Result<Applied<W::Body>, End> {
        self.count_latency(&staged);
        if let Some(first) = staged.batch.dead_letters().first() {
            let DeadLetter { rejection, .. } = first;
            tracing::warn!(
                lane = self.index,
                dead_letters = staged.batch.dead_letters().len(),
                reason = %rejection.reason,
                column = rejection.column,
                hint = rejection.hint,
                "records were kept as dead letters; the first one: {}",
                rejection.message
            );
        }
        for (partition, range) in staged.batch.delta().ranges() {
            self.owned.insert(partition.clone(), ResumePoint::At(range.until()));
        }
        let (receipt, body) = staged.batch.finish();
        self.meter.applied(&receipt);
        self.tell(ToStager::Recycle(body))?;
        self.report(LaneEvent::Applied(receipt)).await;
        Ok(Applied::Yes)
    }

    fn count_latency(&self, staged: &Staged<W::Body>) {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let Ok(now) = i64::try_from(since_epoch.as_millis()) else { return };
        for committed in &staged.committed_at_ms {
            self.meter.visible(Latency::SinceCommit, *committed, now);
        }
        for (records, selection) in staged.batch.records().iter().zip(&staged.selection) {
            for record in selection.clone().filter_map(|index| records.get(index)) {
                if let Some(written) = record.timestamp_ms {
                    self.meter.visible(Latency::SinceWritten, written, now);
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
        let owned = self.owned_partitions();
        let points = self.acquire(&owned).await?;
        let unmoved =
            points.iter().all(|(partition, point)| self.owned.get(partition) == Some(point));
        let moved_by_us =
            points.iter().all(|(partition, point)| match batch.delta().range(partition) {
                Some(range) => *point == ResumePoint::At(range.until()),
                None => self.owned.get(partition) == Some(point),
            });
        if unmoved {
            backoff.wait().await;
            Ok(Compared::NotApplied)
        } else if moved_by_us {
            Ok(Compared::Applied)
        } else {
            self.owned.extend(points.iter().cloned());
            Ok(Compared::Elsewhere(points))
        }
    }

    fn owned_partitions(&self) -> Vec<Partition> {
        self.owned.keys().cloned().collect()
    }

    /// Acquires, however long it takes.
    async fn acquire(
        &mut self,
        partitions: &[Partition],
    ) -> Result<Vec<(Partition, ResumePoint)>, End> {
        let mut backoff = Backoff::probe();
        loop {
            match self.writer.acquire(partitions).await {
                Ok(points) => return Ok(points),
                Err(error) => self.retry_or_halt("acquire partitions", error, &mut backoff).await?,
            }
        }
    }

    async fn plan(&mut self, table: TableId, shape: Arc<RowShape>) -> Result<(), End> {
        let mut backoff = Backoff::probe();
        loop {
            match self.writer.plan(table, &shape).await {
                Ok(plan) => return self.tell(ToStager::Planned { table, shape, plan }),
                Err(error) => {
                    let lost = error.class() == ErrorClass::Indeterminate;
                    self.retry_or_halt("plan a table", error, &mut backoff).await?;
                    if lost {
                        let owned = self.owned_partitions();
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
                self.meter.retried();
                tracing::warn!(lane = self.index, attempt, error = %chain(&error), "trying again");
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
            self.owned.remove(partition);
        }
        let released = tokio::time::timeout(REACQUIRE_PATIENCE, self.writer.release(partitions));
        if let Ok(Err(error)) = released.await {
            tracing::warn!(lane = self.index, error = %chain(&error), "partitions were not released cleanly");
        }
    }
}

/// What the checkpoint says about a batch whose outcome was unknown.
enum Compared {
    NotApplied,
    Applied,
    Elsewhere(Vec<(Partition, ResumePoint)>),
}

/// Leaves a refused record out, or cuts the batch in two where it is unknown which one it is.
///
/// `None` when neither makes progress: the batch is refused although every record that could be at
/// fault is left out already.
fn exclude<B: cdc_core::Body>(
    staged: Staged<B>,
    excluded: &Excluded,
    poison: Poison,
) -> Option<Applied<B>> {
    let mut excluded = excluded.clone();
    let known = excluded.len();
    let total: usize = staged.selection.iter().map(ExactSizeIterator::len).sum();
    let letter = match poison {
        Poison::Record(letter) => Some(*letter),
        Poison::Unknown(rejection) => only_record(&staged, total, &rejection),
    };
    if let Some(DeadLetter { at, rejection }) = letter
        && let Some(record) = staged.batch.record(at)
    {
        excluded.insert(&record, rejection);
    }
    let found = excluded.len() > known;
    if !found && total < 2 {
        return None;
    }
    let (records, body) = staged.batch.into_records();
    let whole = Restage { records, selection: staged.selection, excluded };
    let repeat_whole = found && (whole.excluded.len() <= EXCLUSIONS_MAX || total < 2);
    let parts = if repeat_whole { vec![whole] } else { halves(whole, total) };
    Some(Applied::Again(parts, body))
}

/// A batch of one record leaves no doubt which one is at fault.
fn only_record<B: cdc_core::Body>(
    staged: &Staged<B>,
    total: usize,
    rejection: &Rejection,
) -> Option<DeadLetter> {
    if total != 1 {
        return None;
    }
    let (batch, range) = staged.selection.iter().enumerate().find(|(_, range)| range.len() == 1)?;
    let at = cdc_core::RecordRef {
        batch: u32::try_from(batch).ok()?,
        record: u32::try_from(range.start).ok()?,
    };
    Some(DeadLetter { at, rejection: Box::new(rejection.clone()) })
}

/// Cuts the records in two at the middle. Both halves keep the exclusions; each has to be staged
/// and applied as a batch of its own, first half first.
fn halves(whole: Restage, total: usize) -> Vec<Restage> {
    let mut left = Restage { records: Vec::new(), selection: Vec::new(), excluded: whole.excluded };
    let mut right =
        Restage { records: Vec::new(), selection: Vec::new(), excluded: left.excluded.clone() };
    let mut room = total / 2;
    for (records, range) in whole.records.into_iter().zip(whole.selection) {
        let to_left = if range.is_empty() { room > 0 } else { range.len() <= room };
        let cut = if to_left { range.end } else { range.start.saturating_add(room) };
        room = room.saturating_sub(range.len());
        if to_left || cut > range.start {
            left.records.push(Arc::clone(&records));
            left.selection.push(range.start..cut);
        }
        if !to_left {
            right.records.push(records);
            right.selection.push(cut..range.end);
        }
    }
    vec![left, right]
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
