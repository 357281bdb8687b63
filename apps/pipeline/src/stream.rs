//! What a source that reads its own log says of itself, for log lines and the view: how far it is, and
//! what the server keeps for it.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use cdc_replication::{Phase, StreamReading, StreamStatus, WalStatus};

use crate::view::{Note, bytes, grouped};

/// How far back a forecast looks: long enough that a checkpoint is no trend.
const TREND: Duration = Duration::from_mins(5);

/// Figures that a forecast rests on, at most.
const FIGURES_MAX: usize = 1_200;

/// Where a source shows its figures once it has been started; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stream(Arc<OnceLock<Arc<StreamStatus>>>);

impl Stream {
    /// Shows the figures of a source; those of the first one stay.
    pub(crate) fn show(&self, status: Arc<StreamStatus>) {
        self.0.set(status).ok();
    }

    /// The figures now; `None` before a source was started, and of one that has none.
    pub(crate) fn read(&self) -> Option<StreamReading> {
        self.0.get().map(|status| status.read())
    }
}

/// When the server will give a slot up, by how what it allows has shrunk.
#[derive(Debug, Default)]
pub(crate) struct Forecast(VecDeque<(Instant, u64)>);

impl Forecast {
    /// Takes how much may still be written, and says after what time nothing will be left; `None` when
    /// there is no limit, or it does not come nearer.
    pub(crate) fn see(&mut self, at: Instant, safe_bytes: Option<u64>) -> Option<Duration> {
        let Some(left) = safe_bytes else {
            self.0.clear();
            return None;
        };
        let is_old = |(then, _): &(Instant, u64)| at.saturating_duration_since(*then) > TREND;
        while self.0.len() >= FIGURES_MAX || self.0.front().is_some_and(is_old) {
            self.0.pop_front();
        }
        self.0.push_back((at, left));
        let (then, before) = self.0.front()?;
        let gone = before.checked_sub(left).filter(|gone| *gone > 0)?;
        let elapsed = at.saturating_duration_since(*then).as_millis();
        let millis = u128::from(left).saturating_mul(elapsed).checked_div(u128::from(gone))?;
        u64::try_from(millis).ok().map(Duration::from_millis)
    }
}

/// The figures in words.
pub(crate) fn notes(reading: &StreamReading, lost_in: Option<Duration>) -> Vec<Note> {
    let mut notes = Vec::new();
    let doing = match reading.phase {
        Phase::Starting => Some("connecting".to_owned()),
        Phase::Snapshot => Some(format!(
            "{} of about {} rows",
            grouped(reading.snapshot_rows),
            grouped(reading.snapshot_estimate.max(reading.snapshot_rows))
        )),
        Phase::Streaming => None,
    };
    let label = if reading.phase == Phase::Snapshot { "snapshot" } else { "source" };
    notes.extend(doing.map(|text| Note { label, text }));
    let mut parts = Vec::new();
    parts.extend(reading.wal_status.map(|status| word(status).to_owned()));
    parts.extend(reading.retained_bytes.map(|kept| format!("{} of log kept", bytes(kept))));
    parts.extend(reading.safe_bytes.map(|safe| format!("{} more allowed", bytes(safe))));
    parts.extend(lost_in.map(|left| format!("lost in about {}", about(left))));
    if !parts.is_empty() {
        notes.push(Note { label: "slot", text: parts.join(", ") });
    }
    notes
}

/// The server's own word.
pub(crate) fn word(status: WalStatus) -> &'static str {
    match status {
        WalStatus::Reserved => "reserved",
        WalStatus::Extended => "extended",
        WalStatus::Unreserved => "unreserved",
        WalStatus::Lost => "lost",
    }
}

/// What the source is at, as one word.
pub(crate) fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Starting => "starting",
        Phase::Snapshot => "snapshot",
        Phase::Streaming => "streaming",
    }
}

/// A time with the one unit that matters.
fn about(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 86_400, seconds / 3_600, seconds / 60) {
        (days @ 2.., _, _) => format!("{days} days"),
        (_, hours @ 2.., _) => format!("{hours} h"),
        (_, _, minutes @ 2..) => format!("{minutes} min"),
        (_, _, _) => format!("{seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use cdc_replication::Lsn;

    use super::*;

    #[test]
    fn a_slot_is_lost_when_what_is_left_has_gone_as_fast_as_before() {
        let (mut forecast, begin) = (Forecast::default(), Instant::now());
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(forecast.see(at(0), Some(1_000_000)), None, "one figure is no trend");
        assert_eq!(forecast.see(at(10), Some(900_000)), Some(Duration::from_secs(90)));
        assert_eq!(forecast.see(at(20), Some(1_000_000)), None, "the slot has moved on");
        assert_eq!(forecast.see(at(30), None), None, "there is no limit any more");
        assert_eq!(forecast.see(at(40), Some(500)), None, "what was before does not count");
    }

    #[test]
    fn what_was_long_ago_is_no_trend() {
        let (mut forecast, begin) = (Forecast::default(), Instant::now());
        forecast.see(begin, Some(1_000_000));
        let later = begin + TREND + Duration::from_secs(1);
        assert_eq!(forecast.see(later, Some(10)), None);
        assert_eq!(
            forecast.see(later + Duration::from_secs(1), Some(5)),
            Some(Duration::from_secs(1))
        );
    }

    #[test]
    fn what_the_server_keeps_is_said_in_a_line() {
        let mut reading = StreamReading {
            phase: Phase::Streaming,
            wal_end: Lsn::new(2_000),
            delivered: Lsn::new(1_000),
            acknowledged: Lsn::new(1_000),
            retained_bytes: Some(16_000_000),
            safe_bytes: Some(1_000_000_000),
            wal_status: Some(WalStatus::Extended),
            snapshot_rows: 5_000,
            snapshot_estimate: 4_000,
        };
        let text = |reading: &StreamReading, left| {
            let notes = notes(reading, left).into_iter();
            notes.map(|note| format!("{}: {}", note.label, note.text)).collect::<Vec<_>>()
        };
        let left = Some(Duration::from_hours(3));
        let line = "slot: extended, 16.0 MB of log kept, 1.0 GB more allowed, lost in about 3 h";
        assert_eq!(text(&reading, left), [line]);
        (reading.phase, reading.wal_status, reading.safe_bytes) = (Phase::Snapshot, None, None);
        assert_eq!(
            text(&reading, None),
            ["snapshot: 5,000 of about 5,000 rows", "slot: 16.0 MB of log kept"]
        );
        (reading.phase, reading.retained_bytes) = (Phase::Starting, None);
        assert_eq!(text(&reading, None), ["source: connecting"]);
    }
}
