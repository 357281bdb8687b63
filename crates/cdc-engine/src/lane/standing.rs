//! What a lane owns, how far it has got, and whom it tells.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, mpsc};
use std::time::{SystemTime, UNIX_EPOCH};

use cdc_core::{Body, DeadLetter, Partition, ResumePoint};
use tokio::sync::mpsc as tokio_mpsc;

use super::breaker::{Breaker, Counts};
use super::intake::StagerGone;
use super::{LaneEvent, LaneIndex, Staged, ToStager};
use crate::assigned::Assigned;
use crate::{Latency, Meter, PipelineError, RejectedShare};

/// The lane's standing towards the sink, and its ways to stager and pipeline.
#[derive(Debug)]
pub(crate) struct Standing<B, P> {
    pub(crate) index: LaneIndex,
    stager: mpsc::Sender<ToStager<B, P>>,
    events: tokio_mpsc::Sender<(LaneIndex, LaneEvent)>,
    pub(crate) meter: Arc<Meter>,
    assigned: Assigned,
    breaker: Breaker,
    /// Partitions for which everything was planned again, and nothing has been durable since.
    planned_again: BTreeSet<Partition>,
    /// Acquired partitions, and where each must stand in the sink as far as this lane knows.
    pub(crate) owned: BTreeMap<Partition, ResumePoint>,
}

impl<B: Body, P> Standing<B, P> {
    pub(crate) fn new(
        index: LaneIndex,
        stager: mpsc::Sender<ToStager<B, P>>,
        events: tokio_mpsc::Sender<(LaneIndex, LaneEvent)>,
        assigned: Assigned,
        (rejected_max, meter): (RejectedShare, Arc<Meter>),
    ) -> Self {
        let breaker = Breaker::new(rejected_max);
        Self {
            index,
            stager,
            events,
            meter,
            assigned,
            breaker,
            planned_again: BTreeSet::new(),
            owned: BTreeMap::new(),
        }
    }

    /// Whether a batch may be applied.
    ///
    /// # Errors
    ///
    /// When with it too many of the last records would be dead letters.
    pub(crate) fn admit(&self, staged: &Staged<B>) -> Result<(), PipelineError> {
        let mut refused = staged.batch.dead_letters().iter();
        let Some(letter) = refused.find(|letter| !letter.rejection.is_behind()) else {
            return Ok(());
        };
        match self.breaker.objection(counts(staged)) {
            Some(Counts { records, rejected }) => Err(PipelineError::TooManyRejected {
                rejected,
                records,
                reason: letter.rejection.reason.to_string(),
                example: letter.rejection.message.clone(),
            }),
            None => Ok(()),
        }
    }

    /// Gives up the partitions that have been revoked meanwhile: whoever has them now is not fenced.
    pub(crate) fn disown_revoked(&mut self) {
        self.owned.retain(|partition, _| self.assigned.contains(partition));
    }

    /// Whether planning again may help a batch: it is tried once, until something of its partitions is
    /// durable again.
    pub(crate) fn may_plan_again(&mut self, staged: &Staged<B>) -> bool {
        let delta = staged.batch.delta();
        let is_first = delta.ranges().all(|(partition, _)| !self.planned_again.contains(partition));
        self.planned_again.extend(delta.ranges().map(|(partition, _)| partition.clone()));
        is_first
    }

    pub(crate) fn partitions(&self) -> Vec<Partition> {
        self.owned.keys().cloned().collect()
    }

    pub(crate) fn tell(&self, message: ToStager<B, P>) -> Result<(), StagerGone> {
        self.stager.send(message).map_err(|_gone| StagerGone)
    }

    /// Tells the pipeline.
    pub(crate) async fn report(&self, event: LaneEvent) {
        // A pipeline that has gone needs no reports.
        let _gone = self.events.send((self.index, event)).await.is_err();
    }

    /// Notes and reports a batch that is durable.
    pub(crate) async fn applied(&mut self, staged: Staged<B>) -> Result<(), StagerGone> {
        self.count(&staged);
        self.warn_of_dead_letters(&staged);
        self.breaker.applied(counts(&staged));
        for (partition, range) in staged.batch.delta().ranges() {
            self.planned_again.remove(partition);
            self.owned.insert(partition.clone(), ResumePoint::At(range.until()));
        }
        let (receipt, body) = staged.batch.finish();
        self.meter.applied(&receipt);
        self.tell(ToStager::Recycle(body))?;
        self.report(LaneEvent::Applied(receipt)).await;
        Ok(())
    }

    fn warn_of_dead_letters(&self, staged: &Staged<B>) {
        let Some(DeadLetter { rejection, .. }) = staged.batch.dead_letters().first() else {
            return;
        };
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

    fn count(&self, staged: &Staged<B>) {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let Ok(now) = i64::try_from(since_epoch.as_millis()) else { return };
        self.meter.held(&staged.batch, record_bytes(staged), now);
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
}

/// Bytes of the records that were staged. Of a record batch that was staged in parts, each part has
/// its share.
fn record_bytes<B: Body>(staged: &Staged<B>) -> u64 {
    let shares =
        staged.batch.records().iter().zip(&staged.selection).map(|(records, selection)| {
            let share = records.bytes().saturating_mul(selection.len());
            share.checked_div(records.len()).unwrap_or(0)
        });
    u64::try_from(shares.sum::<usize>()).unwrap_or(u64::MAX)
}

/// What waits behind a dead letter says nothing about whether it is the records that are wrong.
fn counts<B: Body>(staged: &Staged<B>) -> Counts {
    let letters = staged.batch.dead_letters();
    let waiting = letters.iter().filter(|letter| letter.rejection.is_behind()).count();
    let waiting = u64::try_from(waiting).unwrap_or(u64::MAX);
    let tally = staged.batch.tally();
    Counts { records: tally.read, rejected: tally.dead_lettered.saturating_sub(waiting) }
}
