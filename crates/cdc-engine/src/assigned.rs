//! Which partitions the source has given to this process, as of now.
//!
//! A lane hears of a revocation only behind the batches that were staged before it. Whoever doubts what
//! became of a batch must know sooner: a partition that is on its way to another process is not taken
//! back by force.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cdc_core::Partition;

/// The assigned partitions. Clones share them; they are locked for moments, never across a wait.
#[derive(Debug, Clone, Default)]
pub(crate) struct Assigned {
    partitions: Arc<Mutex<BTreeSet<Partition>>>,
}

impl Assigned {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<Partition>> {
        // Whoever panicked with the lock has changed whole entries only.
        self.partitions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, partitions: &[Partition]) {
        self.lock().extend(partitions.iter().cloned());
    }

    pub(crate) fn remove(&self, partitions: &[Partition]) {
        self.lock().retain(|partition| !partitions.contains(partition));
    }

    pub(crate) fn contains(&self, partition: &Partition) -> bool {
        self.lock().contains(partition)
    }
}
