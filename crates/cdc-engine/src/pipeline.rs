//! The loop: it owns the source, routes records to lanes, and decides when to end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cdc_core::{
    Assignment, ByteBudget, Classify, Decoder, NextOffset, Partition, Receipt, RecordBatch,
    ResumePoint, Revocation, Sink, Source, SourceEvent, Witnesses,
};
use cdc_rules::RuleSet;
use tokio::sync::mpsc;

use crate::assigned::Assigned;
use crate::bound::RuleBook;
use crate::lane::{LANE_EVENTS_MAX, Lane, LaneEvent, LaneIndex, LaneSetup, ToStager};
use crate::{EngineSettings, Meter, PipelineError, Shutdown, StopWhen};

/// While draining, how often what is still pending is said.
const DRAIN_REPORT_EVERY: Duration = Duration::from_secs(5);

/// How often lanes are looked at for a half that ended without a word.
const LANE_CHECK_EVERY: Duration = Duration::from_secs(1);

/// The two ends of a pipeline and what stands between them.
#[derive(Debug)]
pub struct Ends<S, F, K> {
    /// Where records come from.
    pub source: S,
    /// Makes a decoder; each lane has its own.
    pub decoder: F,
    /// Where changes go.
    pub sink: K,
    /// Rules by table; a table beyond the end has none.
    pub rules: Vec<RuleSet>,
}

/// How a pipeline ended when nothing was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was asked to stop.
    Stopped,
    /// Every partition was read to the end it had.
    CaughtUp,
    /// The source is bounded and has delivered everything.
    Ended,
}

/// A pipeline that is ready to run.
#[derive(Debug)]
pub struct Pipeline<S, B, P> {
    settings: EngineSettings,
    source: S,
    lanes: Vec<Lane<B, P>>,
    events: mpsc::Receiver<(LaneIndex, LaneEvent)>,
    meter: Arc<Meter>,
    partitions: BTreeMap<Partition, Standing>,
    assignments: BTreeMap<u64, PendingAssignment>,
    revocations: BTreeMap<u64, PendingRevocation>,
    assigned: Assigned,
    finished_lanes: usize,
    /// Whether something read was voided while draining, so that not all of it is applied.
    voided: bool,
}

/// What the loop knows about a partition that is being read.
#[derive(Debug, Default)]
struct Standing {
    /// The assignment number of its valid record batches.
    number: u64,
    applied: Option<NextOffset>,
    log_end: Option<NextOffset>,
    caught_up: bool,
}

#[derive(Debug)]
struct PendingAssignment {
    token: Assignment,
    lanes_left: usize,
    points: Vec<(Partition, ResumePoint)>,
    witnesses: Witnesses,
    /// Those of its partitions that were revoked before they were acquired.
    revoked: BTreeSet<Partition>,
}

#[derive(Debug)]
struct PendingRevocation {
    token: Revocation,
    lanes_left: usize,
}

impl<S: Source, B: cdc_core::Body, P: Send + 'static> Pipeline<S, B, P> {
    /// Opens the lanes. Nothing is read before [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// When a lane cannot be opened; the error's class is that of the sink's.
    pub async fn open<F, D, K>(
        settings: EngineSettings,
        ends: Ends<S, F, K>,
        budget: ByteBudget,
        meter: Arc<Meter>,
    ) -> Result<Self, PipelineError>
    where
        F: Fn() -> D,
        D: Decoder,
        K: Sink<Body = B, Plan = P>,
    {
        let assigned = Assigned::default();
        let (events_sender, events) = mpsc::channel(LANE_EVENTS_MAX);
        let mut lanes = Vec::new();
        for index in 0..settings.lanes.get() {
            let setup = LaneSetup {
                decoder: (ends.decoder)(),
                rules: RuleBook::new(ends.rules.clone()),
                budget: budget.clone(),
                batch_bytes_max: settings.batch_bytes_max(budget.limit()),
                sent_again: settings.sent_again,
                rejected_max: settings.rejected_max,
                assigned: assigned.clone(),
                meter: Arc::clone(&meter),
            };
            lanes.push(Lane::open(index, &ends.sink, setup, events_sender.clone()).await?);
        }
        Ok(Self {
            settings,
            source: ends.source,
            lanes,
            events,
            meter,
            partitions: BTreeMap::new(),
            assignments: BTreeMap::new(),
            revocations: BTreeMap::new(),
            assigned,
            finished_lanes: 0,
            voided: false,
        })
    }

    /// Runs until asked to stop, until the stop condition holds, or until going on would be wrong;
    /// then drains, and leaves the source's group.
    ///
    /// # Errors
    ///
    /// A failure that cannot be retried, or the drain limit. What was not applied is read again at
    /// the next start.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<Outcome, PipelineError> {
        let worked = self.work(shutdown).await;
        let drained = match &worked {
            Ok(_) => self.drain().await,
            Err(_) => Ok(()),
        };
        for lane in self.lanes {
            lane.abandon().await;
        }
        self.source.close().await;
        drained?;
        match worked? {
            Outcome::CaughtUp | Outcome::Ended if self.voided => Err(PipelineError::TakenOver),
            outcome @ (Outcome::Stopped | Outcome::CaughtUp | Outcome::Ended) => Ok(outcome),
        }
    }

    async fn work(&mut self, mut shutdown: Shutdown) -> Result<Outcome, PipelineError> {
        let mut lane_check = tokio::time::interval(LANE_CHECK_EVERY);
        loop {
            tokio::select! {
                () = shutdown.asked() => return Ok(Outcome::Stopped),
                event = self.source.poll() => {
                    let event = event.map_err(PipelineError::source)?;
                    if let Some(outcome) = self.hear_source(event).await? {
                        return Ok(outcome);
                    }
                }
                Some((lane, event)) = self.events.recv() => self.hear_lane(lane, event).await?,
                _ = lane_check.tick() => {
                    if let Some(part) = self.lanes.iter().find_map(Lane::lost_part) {
                        return Err(self.reported_or(PipelineError::LaneLost { part }));
                    }
                }
            }
        }
    }

    async fn hear_source(&mut self, event: SourceEvent) -> Result<Option<Outcome>, PipelineError> {
        match event {
            SourceEvent::Records(records) => self.route(records)?,
            SourceEvent::Assigned(token) => self.begin_acquire(token)?,
            SourceEvent::Revoked(token) => self.begin_release(token).await?,
            SourceEvent::CaughtUp(partition) => {
                if let Some(standing) = self.partitions.get_mut(&partition) {
                    standing.caught_up = true;
                }
                if self.settings.stop_when == StopWhen::CaughtUp && self.all_caught_up() {
                    return Ok(Some(Outcome::CaughtUp));
                }
            }
            SourceEvent::LogEnd(partition, end) => {
                if let Some(standing) = self.partitions.get_mut(&partition) {
                    standing.log_end = Some(end);
                }
                self.meter.lag(self.lag());
            }
            SourceEvent::End => return Ok(Some(Outcome::Ended)),
        }
        Ok(None)
    }

    fn all_caught_up(&self) -> bool {
        self.assignments.is_empty()
            && !self.partitions.is_empty()
            && self.partitions.values().all(|standing| standing.caught_up)
    }

    fn lag(&self) -> u64 {
        let behind = |standing: &Standing| {
            let end = standing.log_end?;
            Some(end.offsets_since(standing.applied.unwrap_or(NextOffset::ZERO)))
        };
        self.partitions.values().filter_map(behind).sum()
    }

    fn lane_of(&self, partition: &Partition) -> LaneIndex {
        let number = usize::try_from(partition.number().get()).unwrap_or(0);
        number.checked_rem(self.lanes.len()).unwrap_or(0)
    }

    fn tell(&self, lane: LaneIndex, message: ToStager<B, P>) -> Result<(), PipelineError> {
        let told = self.lanes.get(lane).is_some_and(|lane| lane.tell(message));
        if told { Ok(()) } else { Err(PipelineError::LaneLost { part: "staging thread" }) }
    }

    fn route(&mut self, records: RecordBatch) -> Result<(), PipelineError> {
        let valid = |standing: &Standing| records.assignment() == standing.number;
        if !self.partitions.get(records.partition()).is_some_and(valid) {
            return Ok(());
        }
        self.tell(self.lane_of(records.partition()), ToStager::Records(records)).map_err(|lost| {
            // The stager has reported why it ended, if it could.
            self.reported_or(lost)
        })
    }

    /// The first failure that a lane has reported, or the given one.
    fn reported_or(&mut self, otherwise: PipelineError) -> PipelineError {
        while let Ok((_, event)) = self.events.try_recv() {
            if let LaneEvent::Halted(error) = event {
                return error;
            }
        }
        otherwise
    }

    /// The partitions of each lane that has any.
    fn by_lane(&self, partitions: &[Partition]) -> BTreeMap<LaneIndex, Vec<Partition>> {
        let mut by_lane: BTreeMap<LaneIndex, Vec<Partition>> = BTreeMap::new();
        for partition in partitions {
            by_lane.entry(self.lane_of(partition)).or_default().push(partition.clone());
        }
        by_lane
    }

    fn begin_acquire(&mut self, token: Assignment) -> Result<(), PipelineError> {
        let number = token.number();
        self.assigned.add(token.partitions());
        let by_lane = self.by_lane(token.partitions());
        let pending = PendingAssignment {
            lanes_left: by_lane.len(),
            points: Vec::new(),
            witnesses: Witnesses::new(),
            revoked: BTreeSet::new(),
            token,
        };
        self.assignments.insert(number, pending);
        for (lane, partitions) in by_lane {
            self.tell(lane, ToStager::Acquire { number, partitions })?;
        }
        Ok(())
    }

    async fn begin_release(&mut self, token: Revocation) -> Result<(), PipelineError> {
        self.assigned.remove(token.partitions());
        for partition in token.partitions() {
            self.partitions.remove(partition);
            for pending in self.assignments.values_mut() {
                pending.revoked.insert(partition.clone());
            }
        }
        let number = token.number();
        let by_lane = self.by_lane(token.partitions());
        if by_lane.is_empty() {
            return self.source.relinquish(token).await.map_err(PipelineError::source);
        }
        let pending = PendingRevocation { lanes_left: by_lane.len(), token };
        self.revocations.insert(number, pending);
        for (lane, partitions) in by_lane {
            self.tell(lane, ToStager::Release { number, partitions })?;
        }
        Ok(())
    }

    async fn hear_lane(&mut self, lane: LaneIndex, event: LaneEvent) -> Result<(), PipelineError> {
        match event {
            LaneEvent::Acquired { number, points, witnesses } => {
                self.acquired(number, points, witnesses).await
            }
            LaneEvent::Released { number } => self.released(number).await,
            LaneEvent::Applied(receipt) => {
                self.applied(&receipt).await;
                Ok(())
            }
            LaneEvent::Rewind { points, witnesses } => self.rewind(lane, points, witnesses).await,
            LaneEvent::Finished => {
                self.finished_lanes = self.finished_lanes.saturating_add(1);
                Ok(())
            }
            LaneEvent::Halted(error) => {
                tracing::error!(lane, error = %error, "a lane halted");
                Err(error)
            }
        }
    }

    async fn acquired(
        &mut self,
        number: u64,
        points: Vec<(Partition, ResumePoint)>,
        witnesses: Witnesses,
    ) -> Result<(), PipelineError> {
        let Some(pending) = self.assignments.get_mut(&number) else { return Ok(()) };
        pending.points.extend(points);
        pending.witnesses.extend(witnesses);
        pending.lanes_left = pending.lanes_left.saturating_sub(1);
        if pending.lanes_left > 0 {
            return Ok(());
        }
        let Some(mut pending) = self.assignments.remove(&number) else { return Ok(()) };
        pending.points.retain(|(partition, _)| !pending.revoked.contains(partition));
        for (partition, point) in &pending.points {
            tracing::info!(%partition, from = %describe(*point), "partition acquired");
            let applied = match point {
                ResumePoint::At(next) => Some(*next),
                ResumePoint::Beginning => None,
            };
            let standing = Standing { number, applied, ..Standing::default() };
            self.partitions.insert(partition.clone(), standing);
        }
        self.source.recall(pending.witnesses).await.map_err(PipelineError::source)?;
        let resumed = self.source.resume(pending.token, pending.points).await;
        resumed.map_err(PipelineError::source)
    }

    async fn released(&mut self, number: u64) -> Result<(), PipelineError> {
        let Some(pending) = self.revocations.get_mut(&number) else { return Ok(()) };
        pending.lanes_left = pending.lanes_left.saturating_sub(1);
        if pending.lanes_left > 0 {
            return Ok(());
        }
        let Some(pending) = self.revocations.remove(&number) else { return Ok(()) };
        for partition in pending.token.partitions() {
            tracing::info!(%partition, "partition released");
        }
        self.source.relinquish(pending.token).await.map_err(PipelineError::source)
    }

    async fn applied(&mut self, receipt: &Receipt) {
        for (partition, range) in receipt.delta().ranges() {
            if let Some(standing) = self.partitions.get_mut(partition) {
                standing.applied = Some(range.until());
            }
        }
        self.meter.lag(self.lag());
        if let Err(error) = self.source.acknowledge(receipt).await {
            tracing::warn!(error = %error, hint = error.hint(), "the source was not told of progress; nothing rests on it");
        }
    }

    /// Reads again from where the sink stands, if the partitions are still ours.
    async fn rewind(
        &mut self,
        lane: LaneIndex,
        points: Vec<(Partition, ResumePoint)>,
        mut witnesses: Witnesses,
    ) -> Result<(), PipelineError> {
        self.acquire_again(lane, &points)?;
        let ours: Vec<_> = points
            .into_iter()
            .filter(|(partition, _)| self.partitions.contains_key(partition))
            .collect();
        if ours.is_empty() {
            return Ok(());
        }
        let partitions: Vec<_> = ours.iter().map(|(partition, _)| partition.clone()).collect();
        witnesses.retain(|partition, _| partitions.contains(partition));
        self.source.recall(witnesses).await.map_err(PipelineError::source)?;
        let number = self.source.rewind(ours).await.map_err(PipelineError::source)?;
        for partition in &partitions {
            if let Some(standing) = self.partitions.get_mut(partition) {
                standing.number = number;
                standing.caught_up = false;
            }
        }
        self.tell(lane, ToStager::Rewound { number, partitions })
    }

    /// Lets a lane take records again of partitions which it has acquired while another lane is still
    /// acquiring others of the same assignment: none of them has been read yet, and they begin where the
    /// sink stands now.
    fn acquire_again(
        &mut self,
        lane: LaneIndex,
        points: &[(Partition, ResumePoint)],
    ) -> Result<(), PipelineError> {
        let mut again = Vec::new();
        for (number, pending) in &mut self.assignments {
            let mut partitions = Vec::new();
            for (partition, point) in &mut pending.points {
                let now = points.iter().find(|(rewound, _)| rewound == partition);
                if let Some((_, now)) = now.filter(|_| !pending.revoked.contains(partition)) {
                    *point = *now;
                    partitions.push(partition.clone());
                }
            }
            if !partitions.is_empty() {
                again.push((*number, partitions));
            }
        }
        for (number, partitions) in again {
            self.tell(lane, ToStager::Rewound { number, partitions })?;
        }
        Ok(())
    }

    /// Applies what is in flight, within the limit.
    async fn drain(&mut self) -> Result<(), PipelineError> {
        for lane in 0..self.lanes.len() {
            self.tell(lane, ToStager::Drain).map_err(|lost| self.reported_or(lost))?;
        }
        let limit = self.settings.drain_limit;
        let deadline = tokio::time::Instant::now() + limit;
        let mut report = tokio::time::interval(DRAIN_REPORT_EVERY);
        report.reset();
        while self.finished_lanes < self.lanes.len() {
            tokio::select! {
                Some((lane, event)) = self.events.recv() => match event {
                    LaneEvent::Rewind { .. } => self.voided = true,
                    LaneEvent::Acquired { .. } => {}
                    other @ (LaneEvent::Released { .. }
                    | LaneEvent::Applied(_)
                    | LaneEvent::Finished
                    | LaneEvent::Halted(_)) => self.hear_lane(lane, other).await?,
                },
                _ = report.tick() => {
                    let lanes_pending = self.lanes.len().saturating_sub(self.finished_lanes);
                    tracing::info!(lanes_pending, "draining: batches are still being applied");
                }
                () = tokio::time::sleep_until(deadline) => {
                    return Err(PipelineError::DrainLimit { seconds: limit.as_secs() });
                }
            }
        }
        Ok(())
    }
}

fn describe(point: ResumePoint) -> String {
    match point {
        ResumePoint::Beginning => "the beginning".to_owned(),
        ResumePoint::At(next) => next.to_string(),
    }
}
