//! What a lane owns, how far it has got, and whom it tells.

use std::collections::BTreeMap;
use std::sync::{Arc, mpsc};
use std::time::{SystemTime, UNIX_EPOCH};

use cdc_core::{Body, DeadLetter, Partition, ResumePoint};
use tokio::sync::mpsc as tokio_mpsc;

use super::intake::StagerGone;
use super::{LaneEvent, LaneIndex, Staged, ToStager};
use crate::assigned::Assigned;
use crate::{Latency, Meter};

/// The lane's standing towards the sink, and its ways to stager and pipeline.
#[derive(Debug)]
pub(crate) struct Standing<B, P> {
    pub(crate) index: LaneIndex,
    stager: mpsc::Sender<ToStager<B, P>>,
    events: tokio_mpsc::Sender<(LaneIndex, LaneEvent)>,
    pub(crate) meter: Arc<Meter>,
    assigned: Assigned,
    /// Acquired partitions, and where each must stand in the sink as far as this lane knows.
    pub(crate) owned: BTreeMap<Partition, ResumePoint>,
}

impl<B: Body, P> Standing<B, P> {
    pub(crate) fn new(
        index: LaneIndex,
        stager: mpsc::Sender<ToStager<B, P>>,
        events: tokio_mpsc::Sender<(LaneIndex, LaneEvent)>,
        assigned: Assigned,
        meter: Arc<Meter>,
    ) -> Self {
        Self { index, stager, events, meter, assigned, owned: BTreeMap::new() }
    }

    /// Gives up the partitions that have been revoked meanwhile: whoever has them now is not fenced.
    pub(crate) fn disown_revoked(&mut self) {
        self.owned.retain(|partition, _| self.assigned.contains(partition));
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
        self.count_latency(&staged);
        self.warn_of_dead_letters(&staged);
        for (partition, range) in staged.batch.delta().ranges() {
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

    fn count_latency(&self, staged: &Staged<B>) {
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
}
