//! What a running pipeline shows: a live view on a terminal, a log line per interval otherwise, a
//! JSON object per interval for machines.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cdc_engine::{Latency, Meter, Reading, TableReading};
use cdc_replication::StreamReading;
use serde_json::{Value, json};

use crate::config::Table;
use crate::live::Live;
use crate::output;
use crate::stream::{self, Forecast, Stream};
use crate::view::{Moment, Note, Rates, TableLine};

/// On a terminal a person watches.
pub(crate) const LIVE_INTERVAL: Duration = Duration::from_millis(500);

/// In a log, often enough to see a trend and seldom enough to keep.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// For people: live where there is a terminal.
    Human,
    /// For machines.
    Json,
}

/// What is watched, under the names that people know it by.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    /// The pipeline.
    pub(crate) name: String,
    /// The targets, by the tables' numbers.
    pub(crate) tables: Vec<String>,
    /// What the source says of itself.
    stream: Stream,
}

impl Watched {
    /// A pipeline over these tables.
    pub(crate) fn new(name: impl Into<String>, tables: &[Table]) -> Self {
        let tables = tables.iter().map(|table| table.settings.target.to_string()).collect();
        Self { name: name.into(), tables, stream: Stream::default() }
    }

    /// The same, with what the source says of itself.
    #[must_use]
    pub(crate) fn with_stream(mut self, stream: Stream) -> Self {
        self.stream = stream;
        self
    }
}

/// Shows progress until it is dropped or aborted.
pub(crate) async fn show(meter: Arc<Meter>, style: Style, watched: Watched) {
    let live = match style {
        Style::Human => Live::on_terminal(),
        Style::Json => None,
    };
    let interval = if live.is_some() { LIVE_INTERVAL } else { LOG_INTERVAL };
    let mut ticks = tokio::time::interval(interval);
    ticks.tick().await;
    let mut pace = Pace::start(watched, &meter);
    loop {
        ticks.tick().await;
        let moment = pace.step(&meter, Vec::new());
        match (style, &live) {
            (Style::Json, _) => output::line(as_json(&moment, pace.source())),
            (Style::Human, Some(live)) => live.paint(&moment),
            (Style::Human, None) => log(&moment, &meter, pace.source()),
        }
    }
}

/// Remembers the last reading, to tell rates.
#[derive(Debug)]
pub(crate) struct Pace {
    watched: Watched,
    began: Instant,
    last: Reading,
    last_of_tables: Vec<TableReading>,
    forecast: Forecast,
    source: Option<SourceMoment>,
    at: Instant,
}

/// What a source that reads its own log says of itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SourceMoment {
    reading: StreamReading,
    /// When its slot will be lost, if nothing changes.
    lost_in: Option<Duration>,
}

impl Pace {
    /// Begins to watch.
    pub(crate) fn start(watched: Watched, meter: &Meter) -> Self {
        let now = Instant::now();
        let (last, last_of_tables) = (meter.read(), meter.tables());
        let forecast = Forecast::default();
        Self { watched, began: now, last, last_of_tables, forecast, source: None, at: now }
    }

    /// What the source said of itself at the last step.
    fn source(&self) -> Option<SourceMoment> {
        self.source
    }

    fn look_at_source(&mut self, at: Instant) -> Option<SourceMoment> {
        let reading = self.watched.stream.read()?;
        let lost_in = self.forecast.see(at, reading.safe_bytes);
        Some(SourceMoment { reading, lost_in })
    }

    /// The figures now, with rates since the last step.
    pub(crate) fn step(&mut self, meter: &Meter, mut notes: Vec<Note>) -> Moment {
        let (now, at) = (meter.read(), Instant::now());
        self.source = self.look_at_source(at);
        if let Some(SourceMoment { reading, lost_in }) = &self.source {
            notes.extend(stream::notes(reading, *lost_in));
        }
        let elapsed = at.duration_since(self.at);
        let rate = |now: u64, last: u64| per_second(now.saturating_sub(last), elapsed);
        let of_tables = meter.tables();
        let tables = self.watched.tables.iter().enumerate().map(|(index, name)| {
            let TableReading { rows, dead_lettered } =
                of_tables.get(index).copied().unwrap_or_default();
            let last = self.last_of_tables.get(index).map_or(0, |last| last.rows);
            TableLine { name: name.clone(), rate: rate(rows, last), rows, dead_lettered }
        });
        let latency = |permille| meter.latency_ms(Latency::SinceCommit, permille);
        let moment = Moment {
            name: self.watched.name.clone(),
            elapsed: at.duration_since(self.began),
            rates: Rates {
                records: rate(now.records, self.last.records),
                rows: rate(now.rows, self.last.rows),
                bytes: rate(now.bytes, self.last.bytes),
            },
            lag_bytes: match &self.source {
                Some(source) => Some(source.reading.lag_bytes()),
                None => estimated_lag_bytes(&now),
            },
            lag_seconds: lag_seconds(&now),
            latency_ms: (latency(500), latency(990)),
            memory: resident_bytes(),
            notes,
            tables: tables.collect(),
            reading: now,
        };
        (self.last, self.last_of_tables, self.at) = (now, of_tables, at);
        moment
    }
}

/// Whole units a second.
pub(crate) fn per_second(count: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    count.saturating_mul(1_000).checked_div(millis).unwrap_or(0)
}

/// How far behind in time: the age of the newest applied record while others wait.
fn lag_seconds(reading: &Reading) -> u64 {
    if reading.lag_records == 0 || reading.newest_timestamp_ms == 0 {
        return 0;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let age = now.saturating_sub(u128::from(reading.newest_timestamp_ms));
    u64::try_from(age / 1_000).unwrap_or(u64::MAX)
}

/// What waits, as large as what has come was on average; `None` before anything has come.
fn estimated_lag_bytes(reading: &Reading) -> Option<u64> {
    let total = u128::from(reading.lag_records).saturating_mul(u128::from(reading.bytes));
    total.checked_div(u128::from(reading.records)).and_then(|bytes| u64::try_from(bytes).ok())
}

/// Memory of this process that is not paged out; `None` where the system has no `/proc`.
fn resident_bytes() -> Option<u64> {
    resident_in(&fs::read_to_string("/proc/self/status").ok()?)
}

fn resident_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

fn log(moment: &Moment, meter: &Meter, source: Option<SourceMoment>) {
    let stream = source.map(|source| source.reading);
    let Reading { records, rows, folded, skipped, dead_lettered, lag_records, .. } = moment.reading;
    tracing::info!(
        records_per_second = moment.rates.records,
        lag_records,
        lag_seconds = moment.lag_seconds,
        records,
        rows,
        folded,
        skipped,
        dead_lettered,
        batches = moment.reading.batches,
        retries = moment.reading.retries,
        latency_p99_ms = meter.latency_ms(Latency::SinceWritten, 990),
        memory_bytes = moment.memory,
        lag_bytes = moment.lag_bytes,
        source = stream.map(|stream| stream::phase(stream.phase)),
        wal_status = stream.and_then(|stream| stream.wal_status).map(stream::word),
        retained_bytes = stream.and_then(|stream| stream.retained_bytes),
        slot_lost_in_seconds = source.and_then(|source| source.lost_in).map(|left| left.as_secs()),
        "progress"
    );
}

fn as_json(moment: &Moment, source: Option<SourceMoment>) -> Value {
    let mut value = totals(&moment.reading);
    if let Some(object) = value.as_object_mut() {
        object.insert("records_per_second".to_owned(), moment.rates.records.into());
        object.insert("lag_seconds".to_owned(), moment.lag_seconds.into());
        object.insert("lag_bytes".to_owned(), moment.lag_bytes.into());
        object.insert("memory_bytes".to_owned(), moment.memory.into());
        if let Some(SourceMoment { reading, lost_in }) = source {
            let slot = json!({
                "phase": stream::phase(reading.phase),
                "wal_status": reading.wal_status.map(stream::word),
                "retained_bytes": reading.retained_bytes,
                "safe_bytes": reading.safe_bytes,
                "lost_in_seconds": lost_in.map(|left| left.as_secs()),
            });
            object.insert("slot".to_owned(), slot);
        }
    }
    value
}

/// The counters as JSON; their names are stable.
pub(crate) fn totals(reading: &Reading) -> Value {
    json!({
        "records": reading.records,
        "rows": reading.rows,
        "folded": reading.folded,
        "skipped": reading.skipped,
        "dead_lettered": reading.dead_lettered,
        "batches": reading.batches,
        "retries": reading.retries,
        "lag_records": reading.lag_records,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_the_process_is_what_the_kernel_says() {
        let status = "Name:\tcdc-pipeline\nVmHWM:\t   70000 kB\nVmRSS:\t   41208 kB\n";
        assert_eq!(resident_in(status), Some(41_208 * 1_024));
        assert_eq!(resident_in("VmRSS:\t41208 pages\n"), None);
    }

    #[test]
    fn what_waits_is_as_large_as_what_has_come() {
        let reading = |records, bytes, lag_records| Reading {
            records,
            bytes,
            lag_records,
            ..Reading::default()
        };
        assert_eq!(estimated_lag_bytes(&reading(0, 0, 5)), None);
        assert_eq!(estimated_lag_bytes(&reading(10, 1_000, 5)), Some(500));
        assert_eq!(estimated_lag_bytes(&reading(1, u64::MAX, u64::MAX)), None, "it has no type");
    }

    #[test]
    fn a_record_that_waits_makes_the_newest_applied_one_old() {
        let mut reading = Reading { newest_timestamp_ms: 1, ..Reading::default() };
        assert_eq!(lag_seconds(&reading), 0);
        reading.lag_records = 1;
        assert!(lag_seconds(&reading) > 1_000_000);
    }
}
