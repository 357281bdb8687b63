//! What a running pipeline shows: a live line on a terminal, a log line per interval otherwise, a
//! JSON object per interval for machines.

use std::io::{IsTerminal, stderr};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use cdc_engine::{Latency, Meter, Reading};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::output;

/// On a terminal a person watches.
const LIVE_INTERVAL: Duration = Duration::from_millis(500);

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

/// Shows progress until it is dropped or aborted.
pub(crate) async fn show(meter: Arc<Meter>, style: Style) {
    let live = style == Style::Human && stderr().is_terminal();
    let bar = if live { spinner() } else { ProgressBar::hidden() };
    let interval = if live { LIVE_INTERVAL } else { LOG_INTERVAL };
    let mut ticks = tokio::time::interval(interval);
    ticks.tick().await;
    let mut pace = Pace::start(&meter);
    loop {
        ticks.tick().await;
        let moment = pace.step(&meter);
        match style {
            Style::Json => output::line(moment.json()),
            Style::Human if live => bar.set_message(moment.line()),
            Style::Human => moment.log(),
        }
    }
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise}  {msg}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(LIVE_INTERVAL);
    bar
}

/// Remembers the last reading, to tell a rate.
struct Pace {
    last: Reading,
    at: Instant,
}

impl Pace {
    fn start(meter: &Meter) -> Self {
        Self { last: meter.read(), at: Instant::now() }
    }

    fn step(&mut self, meter: &Meter) -> Moment {
        let (now, at) = (meter.read(), Instant::now());
        let elapsed = at.duration_since(self.at);
        let rate = per_second(now.records.saturating_sub(self.last.records), elapsed);
        (self.last, self.at) = (now, at);
        Moment { reading: now, rate, p99_ms: meter.latency_ms(Latency::SinceWritten, 990) }
    }
}

/// Whole units a second.
pub(crate) fn per_second(count: u64, elapsed: Duration) -> u64 {
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
    count.saturating_mul(1_000).checked_div(millis).unwrap_or(0)
}

struct Moment {
    reading: Reading,
    rate: u64,
    p99_ms: Option<u64>,
}

impl Moment {
    /// How far behind in time: the age of the newest applied record while others wait.
    fn lag_seconds(&self) -> u64 {
        if self.reading.lag_records == 0 || self.reading.newest_timestamp_ms == 0 {
            return 0;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let age = now.saturating_sub(u128::from(self.reading.newest_timestamp_ms));
        u64::try_from(age / 1_000).unwrap_or(u64::MAX)
    }

    fn line(&self) -> String {
        let Reading { records, rows, dead_lettered, lag_records, .. } = self.reading;
        let lag_seconds = self.lag_seconds();
        format!(
            "{} records/s  behind {lag_records} records, {lag_seconds} s  total {records} records, \
             {rows} rows, {dead_lettered} dead letters",
            self.rate
        )
    }

    fn log(&self) {
        let Reading { records, rows, folded, skipped, dead_lettered, lag_records, .. } =
            self.reading;
        tracing::info!(
            records_per_second = self.rate,
            lag_records,
            lag_seconds = self.lag_seconds(),
            records,
            rows,
            folded,
            skipped,
            dead_lettered,
            batches = self.reading.batches,
            retries = self.reading.retries,
            latency_p99_ms = self.p99_ms,
            "progress"
        );
    }

    fn json(&self) -> Value {
        let mut value = totals(&self.reading);
        if let Some(object) = value.as_object_mut() {
            object.insert("records_per_second".to_owned(), self.rate.into());
            object.insert("lag_seconds".to_owned(), self.lag_seconds().into());
        }
        value
    }
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
