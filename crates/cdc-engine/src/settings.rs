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
    /// Which share of the records may be rejected. Default: a fifth.
    pub rejected_max: RejectedShare,
}

/// Which share of a lane's last thousand records may become dead letters before it halts instead.
///
/// Fewer than a thousand count as a thousand. The batch that would exceed it is not applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RejectedShare(u8);

impl RejectedShare {
    /// Everything may be rejected.
    pub const ALL: Self = Self(100);

    /// A share in percent: with 0 the first rejected record halts, with 100 nothing does. `None` for
    /// more than 100.
    ///
    /// ```
    /// use cdc_engine::RejectedShare;
    ///
    /// assert_eq!(RejectedShare::default(), RejectedShare::new(20).expect("at most 100"));
    /// assert_eq!(RejectedShare::new(101), None);
    /// ```
    pub fn new(percent: u8) -> Option<Self> {
        (percent <= 100).then_some(Self(percent))
    }

    /// The share in percent.
    pub fn percent(self) -> u8 {
        self.0
    }
}

impl Default for RejectedShare {
    fn default() -> Self {
        Self(20)
    }
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
            rejected_max: RejectedShare::default(),
        }
    }
}
