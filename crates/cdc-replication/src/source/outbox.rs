//! From frames to record batches: numbering, the budget, and where each partition stands.
//!
//! What was handed over and where the partition stands change together, without a wait between them: a
//! reader that is stopped in the middle leaves neither a gap nor a record that is delivered twice.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cdc_core::{
    BudgetLease, ByteBudget, NextOffset, Offset, PLACE_HEADER, Partition, RecordBatchBuilder,
    RecordParts, SourceEvent,
};
use tokio::sync::mpsc;

use crate::ReplicationError;

/// A batch is handed over at this size even while more is waiting, so that decoding starts early.
const BATCH_BYTES_MAX: usize = 512 * 1024;

/// How often a spent budget is asked again. A budget tells threads of released bytes, not tasks.
pub(crate) const BUDGET_ASKED_EVERY: Duration = Duration::from_millis(2);

/// A batch, where the log ends, and that everything was delivered.
const EVENTS_AT_ONCE: usize = 3;

/// Where a partition stands, as far as it was handed over.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    /// Under which number its batches are handed over.
    pub(crate) number: u64,
    /// The position of the next record.
    pub(crate) next: NextOffset,
    /// The place of the last record; `None` before the first.
    pub(crate) place: Option<Arc<str>>,
}

type Event = Result<SourceEvent, ReplicationError>;

/// Hands events to the engine. Clones share everything.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    events: mpsc::Sender<Event>,
    budget: ByteBudget,
    standings: Arc<Mutex<BTreeMap<Partition, Standing>>>,
    batch_bytes: usize,
}

/// A batch that is being filled.
#[derive(Debug)]
pub(crate) struct Open {
    partition: Partition,
    builder: RecordBatchBuilder,
    lease: BudgetLease,
    place: String,
}

/// A record for the batch; see [`RecordParts`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    pub(crate) captured_at_ms: i64,
    pub(crate) key: Option<&'a [u8]>,
    pub(crate) value: &'a [u8],
    pub(crate) place: &'a str,
}

impl Open {
    /// Adds a record.
    pub(crate) fn push(&mut self, parts: &Parts<'_>) {
        let next = self.builder.until();
        // Positions are counted up from one that the sink gave, one at a time.
        let Ok(offset) = Offset::try_new(next.get()) else { return };
        self.builder.push(&RecordParts {
            offset,
            timestamp_ms: Some(parts.captured_at_ms),
            key: parts.key,
            value: Some(parts.value),
            headers: &[(PLACE_HEADER, Some(parts.place.as_bytes()))],
        });
        parts.place.clone_into(&mut self.place);
    }

    pub(crate) fn bytes(&self) -> usize {
        self.builder.bytes()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.builder.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.builder.len()
    }

    /// The position behind its last record.
    pub(crate) fn until(&self) -> NextOffset {
        self.builder.until()
    }
}

impl Outbox {
    pub(crate) fn new(events: mpsc::Sender<Event>, budget: ByteBudget) -> Self {
        // A quarter, so that with a tiny budget one batch can be read while another is applied.
        let batch_bytes = (budget.limit() / 4).clamp(1, BATCH_BYTES_MAX);
        Self { events, budget, standings: Arc::default(), batch_bytes }
    }

    /// Whether a batch and what is said beside it can be handed over without a wait, by the only one who
    /// hands over.
    pub(crate) fn has_room(&self) -> bool {
        self.events.capacity() > EVENTS_AT_ONCE
    }

    /// At which size a batch is handed over.
    pub(crate) fn batch_bytes(&self) -> usize {
        self.batch_bytes
    }

    /// A batch to be filled from where its partition stands; `None` while the budget is spent.
    pub(crate) fn try_open(&self, partition: &Partition) -> Option<Open> {
        let lease = self.budget.try_charge(self.batch_bytes, Duration::ZERO)?;
        let standing = self.standing(partition)?;
        let builder = RecordBatchBuilder::new(partition.clone(), standing.number, standing.next)
            .with_places()
            .with_capacity(self.batch_bytes);
        Some(Open { partition: partition.clone(), builder, lease, place: String::new() })
    }

    /// The same, as soon as the budget allows.
    pub(crate) async fn open(&self, partition: &Partition) -> Open {
        loop {
            if let Some(open) = self.try_open(partition) {
                return open;
            }
            tokio::time::sleep(BUDGET_ASKED_EVERY).await;
        }
    }

    /// Hands a batch over, and the partition stands behind it. Stopping it hands over nothing.
    pub(crate) async fn hand_over(&self, open: Open) -> Result<(), ReplicationError> {
        let permit = self.events.reserve().await.map_err(|_| ReplicationError::TaskEnded)?;
        let until = open.until();
        if let Some(standing) = self.standings().get_mut(&open.partition) {
            standing.next = until;
            if !open.builder.is_empty() {
                standing.place = Some(open.place.as_str().into());
            }
        }
        permit.send(Ok(SourceEvent::Records(open.builder.finish(open.lease))));
        Ok(())
    }

    /// Hands another event over.
    pub(crate) async fn say(&self, event: SourceEvent) -> Result<(), ReplicationError> {
        self.events.send(Ok(event)).await.map_err(|_| ReplicationError::TaskEnded)
    }

    /// Hands over why reading has ended.
    pub(crate) async fn fail(&self, error: ReplicationError) {
        if let Err(lost) = self.events.send(Err(error)).await {
            tracing::debug!("nobody hears why the replication task has ended: {lost}");
        }
    }

    /// Where a partition stands.
    pub(crate) fn standing(&self, partition: &Partition) -> Option<Standing> {
        self.standings().get(partition).cloned()
    }

    /// Says where a partition stands from now on.
    pub(crate) fn stand(&self, partition: &Partition, standing: Standing) {
        self.standings().insert(partition.clone(), standing);
    }

    fn standings(&self) -> MutexGuard<'_, BTreeMap<Partition, Standing>> {
        // A standing is replaced as a whole, so a panic elsewhere leaves none half written.
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
