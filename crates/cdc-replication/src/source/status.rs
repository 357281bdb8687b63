//! What can be seen of the stream while it runs: figures for log lines, `status` and the live view.

use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};

use crate::lsn::Lsn;
use crate::slot::WalStatus;

/// What the source is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It connects and looks around.
    Starting,
    /// It reads the rows that were there before the stream.
    Snapshot,
    /// It follows the stream.
    Streaming,
}

/// The figures, written by the source's task and read by anybody.
#[derive(Debug, Default)]
pub struct StreamStatus {
    phase: AtomicU8,
    wal_end: AtomicU64,
    delivered: AtomicU64,
    acknowledged: AtomicU64,
    retained: AtomicI64,
    safe: AtomicI64,
    wal_status: AtomicU8,
    snapshot_rows: AtomicU64,
    snapshot_estimate: AtomicU64,
}

/// The figures at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamReading {
    /// What the source is at.
    pub phase: Phase,
    /// The end of the source's log, as far as the server has said.
    pub wal_end: Lsn,
    /// The position of the newest transaction that was delivered.
    pub delivered: Lsn,
    /// What the slot was told to be durable.
    pub acknowledged: Lsn,
    /// How much of its log the server keeps for the slot, in bytes; `None` before it was asked.
    pub retained_bytes: Option<u64>,
    /// How much more may be written before the slot is lost, in bytes; `None` without a limit.
    pub safe_bytes: Option<u64>,
    /// Whether the log that the slot needs is there.
    pub wal_status: Option<WalStatus>,
    /// Rows of the snapshot that were delivered.
    pub snapshot_rows: u64,
    /// How many there are, by the statistics of the source.
    pub snapshot_estimate: u64,
}

impl StreamReading {
    /// How far delivery is behind the source's log, in bytes.
    pub fn lag_bytes(&self) -> u64 {
        self.wal_end.get().saturating_sub(self.delivered.get().max(self.acknowledged.get()))
    }
}

impl StreamStatus {
    /// The figures now.
    pub fn read(&self) -> StreamReading {
        let number = |cell: &AtomicU64| cell.load(Ordering::Relaxed);
        let phase = match self.phase.load(Ordering::Relaxed) {
            1 => Phase::Snapshot,
            2 => Phase::Streaming,
            _ => Phase::Starting,
        };
        StreamReading {
            phase,
            wal_end: Lsn::new(number(&self.wal_end)),
            delivered: Lsn::new(number(&self.delivered)),
            acknowledged: Lsn::new(number(&self.acknowledged)),
            retained_bytes: known(&self.retained),
            safe_bytes: known(&self.safe),
            wal_status: WalStatus::from_code(self.wal_status.load(Ordering::Relaxed)),
            snapshot_rows: number(&self.snapshot_rows),
            snapshot_estimate: number(&self.snapshot_estimate),
        }
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        let code = match phase {
            Phase::Starting => 0,
            Phase::Snapshot => 1,
            Phase::Streaming => 2,
        };
        self.phase.store(code, Ordering::Relaxed);
    }

    pub(crate) fn see_end(&self, wal_end: Lsn) {
        self.wal_end.fetch_max(wal_end.get(), Ordering::Relaxed);
    }

    pub(crate) fn set_delivered(&self, at: Lsn) {
        self.delivered.store(at.get(), Ordering::Relaxed);
    }

    pub(crate) fn set_acknowledged(&self, at: Lsn) {
        self.acknowledged.store(at.get(), Ordering::Relaxed);
    }

    pub(crate) fn set_slot(&self, status: Option<WalStatus>, retained: u64, safe: Option<u64>) {
        // One more than the figure: zero means that it is not known.
        let stored =
            |figure: u64| i64::try_from(figure).map_or(i64::MAX, |at| at.saturating_add(1));
        self.retained.store(stored(retained), Ordering::Relaxed);
        self.safe.store(safe.map_or(0, stored), Ordering::Relaxed);
        self.wal_status.store(status.map_or(0, WalStatus::code), Ordering::Relaxed);
    }

    pub(crate) fn estimate_rows(&self, rows: u64) {
        self.snapshot_estimate.store(rows, Ordering::Relaxed);
    }

    pub(crate) fn add_snapshot_rows(&self, rows: u64) {
        self.snapshot_rows.fetch_add(rows, Ordering::Relaxed);
    }
}

fn known(cell: &AtomicI64) -> Option<u64> {
    u64::try_from(cell.load(Ordering::Relaxed).checked_sub(1)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_has_asked_for_is_not_known() {
        let status = StreamStatus::default();
        assert_eq!(status.read().retained_bytes, None);
        assert_eq!(status.read().phase, Phase::Starting);
        status.set_slot(Some(WalStatus::Extended), 0, None);
        let reading = status.read();
        assert_eq!((reading.retained_bytes, reading.safe_bytes), (Some(0), None));
        assert_eq!(reading.wal_status, Some(WalStatus::Extended));
        status.see_end(Lsn::new(100));
        status.see_end(Lsn::new(90));
        status.set_delivered(Lsn::new(40));
        assert_eq!(status.read().lag_bytes(), 60);
    }
}
