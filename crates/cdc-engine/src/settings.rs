//! What can be set about the engine.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::SentAgain;

/// When a pipeline ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StopWhen {
    /// Only when asked to.
    #[default]
    Asked,
    /// When every assigned partition has been read to the end it had.
    CaughtUp,
}

/// Settings of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSettings {
    /// Lanes that run side by side, each with one thread and, where the sink gains from it, two
    /// connections; partitions are spread over them by number. Default 1: a second lane pays only where cores are free.
    pub lanes: NonZeroUsize,
    /// How long what is in flight may take to finish when stopping. Default 30 s, the time that
    /// service managers usually wait before they kill.
    pub drain_limit: Duration,
    /// When to end. Default: when asked.
    pub stop_when: StopWhen,
    /// What to do with changes that their connector sends again. Default: skip them.
    pub sent_again: SentAgain,
}

/// Largest batch in bytes of records and encoded rows: beyond it transactions only get slower to
/// repeat, not faster to apply.
const BATCH_BYTES_MAX: usize = 16 << 20;

/// Batches that a lane holds at full speed.
const BATCHES_HELD: usize = 3;

impl EngineSettings {
    /// The size at which a batch is handed over even though the writer is busy with the last one:
    /// each lane holds three: one being applied, one prepared and one being staged.
    pub(crate) fn batch_bytes_max(&self, budget: usize) -> usize {
        let batches = self.lanes.get().saturating_mul(BATCHES_HELD);
        budget.checked_div(batches).unwrap_or(budget).min(BATCH_BYTES_MAX)
    }
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            lanes: NonZeroUsize::MIN,
            drain_limit: Duration::from_secs(30),
            stop_when: StopWhen::Asked,
            sent_again: SentAgain::Skip,
        }
    }
}
