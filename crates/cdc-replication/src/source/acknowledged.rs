//! What the sink has made durable, from the engine's side to the task's.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use cdc_core::{NextOffset, Partition, Receipt};
use tokio::sync::Notify;

/// The newest durable position of each partition.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    positions: Mutex<BTreeMap<Partition, NextOffset>>,
    changed: Notify,
}

impl Acknowledged {
    /// Notes what a receipt proves.
    pub(crate) fn take(&self, receipt: &Receipt) {
        let mut positions = self.positions();
        for (partition, range) in receipt.delta().ranges() {
            positions.insert(partition.clone(), range.until());
        }
        drop(positions);
        self.changed.notify_one();
    }

    /// Notes where the sink stands, as it said itself.
    pub(crate) fn stands(&self, partition: &Partition, position: NextOffset) {
        self.positions().insert(partition.clone(), position);
        self.changed.notify_one();
    }

    /// The durable position of a partition.
    pub(crate) fn of(&self, partition: &Partition) -> Option<NextOffset> {
        self.positions().get(partition).copied()
    }

    /// Waits until something more was noted.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    fn positions(&self) -> MutexGuard<'_, BTreeMap<Partition, NextOffset>> {
        // Positions are replaced one by one, so a panic elsewhere leaves none half written.
        self.positions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
