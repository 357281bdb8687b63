//! What happened, counted once, where it happened.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use cdc_core::{Body, Receipt, TableId, WriteBatch};

/// Latencies are counted in whole milliseconds up to a minute; slower ones share the last bucket.
/// A fixed table keeps counting free of allocation and of locks.
const LATENCY_BUCKETS: usize = 60_001;

/// Counters of a running pipeline, shared with whoever shows them.
#[derive(Debug)]
pub struct Meter {
    records: AtomicU64,
    rows: AtomicU64,
    folded: AtomicU64,
    skipped: AtomicU64,
    dead_lettered: AtomicU64,
    batches: AtomicU64,
    retries: AtomicU64,
    lag_records: AtomicU64,
    newest_timestamp_ms: AtomicU64,
    bytes: AtomicU64,
    batch_records: AtomicU64,
    batch_bytes: AtomicU64,
    delay_ms: AtomicU64,
    /// By the tables' numbers. Locked once a batch.
    tables: Mutex<Vec<TableReading>>,
    since_commit: Histogram,
    since_written: Histogram,
}

/// From when to when a latency is counted. Both end when the change is durable and visible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latency {
    /// From the source's commit, by the source's clock. Snapshot rows are not counted.
    SinceCommit,
    /// From the log's time of the record, by the broker's or producer's clock.
    SinceWritten,
}

/// One counter per millisecond.
#[derive(Debug)]
struct Histogram {
    buckets: Vec<AtomicU64>,
}

impl Histogram {
    fn new() -> Self {
        Self { buckets: (0..LATENCY_BUCKETS).map(|_| AtomicU64::new(0)).collect() }
    }

    fn count(&self, millis: u64) {
        let last = LATENCY_BUCKETS - 1;
        let index = usize::try_from(millis).unwrap_or(last).min(last);
        if let Some(bucket) = self.buckets.get(index) {
            bucket.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn at_permille(&self, permille: u64) -> Option<u64> {
        let counts = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed));
        let total: u64 = counts.clone().sum();
        let rank = total.saturating_mul(permille).div_ceil(1_000).max(1);
        let mut seen = 0_u64;
        (0_u64..).zip(counts).find_map(|(millis, count)| {
            seen = seen.saturating_add(count);
            (total > 0 && seen >= rank).then_some(millis)
        })
    }
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reading {
    /// Records that are durable in the warehouse or known to have no effect.
    pub records: u64,
    /// Rows written.
    pub rows: u64,
    /// Changes that a later change of the same key replaced before it was written.
    pub folded: u64,
    /// Records without effect.
    pub skipped: u64,
    /// Records kept as dead letters.
    pub dead_lettered: u64,
    /// Batches applied.
    pub batches: u64,
    /// Attempts that had to be repeated.
    pub retries: u64,
    /// Records that the log holds beyond what is applied, as far as the source reported.
    pub lag_records: u64,
    /// The log's time of the newest applied record, milliseconds since 1970; zero before the first.
    pub newest_timestamp_ms: u64,
    /// Bytes of the records.
    pub bytes: u64,
    /// Records of the batch that was applied last.
    pub batch_records: u64,
    /// Bytes of its records.
    pub batch_bytes: u64,
    /// How old its newest record was when it became visible, by the log's time, in milliseconds.
    pub delay_ms: u64,
}

/// What became of the changes of one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TableReading {
    /// Rows written. A mirror counts a row for each key of a batch.
    pub rows: u64,
    /// Records kept as dead letters that are known to be of this table.
    pub dead_lettered: u64,
}

impl Meter {
    /// A meter at zero, ready to be shared.
    pub fn shared() -> Arc<Self> {
        Arc::new(Self {
            records: AtomicU64::new(0),
            rows: AtomicU64::new(0),
            folded: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            dead_lettered: AtomicU64::new(0),
            batches: AtomicU64::new(0),
            retries: AtomicU64::new(0),
            lag_records: AtomicU64::new(0),
            newest_timestamp_ms: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            batch_records: AtomicU64::new(0),
            batch_bytes: AtomicU64::new(0),
            delay_ms: AtomicU64::new(0),
            tables: Mutex::default(),
            since_commit: Histogram::new(),
            since_written: Histogram::new(),
        })
    }

    /// The counters now.
    pub fn read(&self) -> Reading {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Reading {
            records: get(&self.records),
            rows: get(&self.rows),
            folded: get(&self.folded),
            skipped: get(&self.skipped),
            dead_lettered: get(&self.dead_lettered),
            batches: get(&self.batches),
            retries: get(&self.retries),
            lag_records: get(&self.lag_records),
            newest_timestamp_ms: get(&self.newest_timestamp_ms),
            bytes: get(&self.bytes),
            batch_records: get(&self.batch_records),
            batch_bytes: get(&self.batch_bytes),
            delay_ms: get(&self.delay_ms),
        }
    }

    /// What became of the changes of each table, by the tables' numbers. A table of which nothing was
    /// written may be missing at the end.
    pub fn tables(&self) -> Vec<TableReading> {
        self.by_table().clone()
    }

    fn by_table(&self) -> MutexGuard<'_, Vec<TableReading>> {
        // Sums are valid whatever a panicking holder was doing.
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The latency that `permille` of 1,000 changes did not exceed, in milliseconds; `None` before
    /// the first change. Everything above a minute counts as a minute.
    ///
    /// ```
    /// use cdc_engine::{Latency, Meter};
    ///
    /// let median = Meter::shared().latency_ms(Latency::SinceCommit, 500);
    /// assert_eq!(median, None, "nothing has been applied yet");
    /// ```
    pub fn latency_ms(&self, latency: Latency, permille: u64) -> Option<u64> {
        self.histogram(latency).at_permille(permille)
    }

    fn histogram(&self, latency: Latency) -> &Histogram {
        match latency {
            Latency::SinceCommit => &self.since_commit,
            Latency::SinceWritten => &self.since_written,
        }
    }

    pub(crate) fn applied(&self, receipt: &Receipt) {
        let tally = receipt.tally();
        self.records.fetch_add(tally.read, Ordering::Relaxed);
        self.rows.fetch_add(tally.written(), Ordering::Relaxed);
        self.folded.fetch_add(tally.folded, Ordering::Relaxed);
        self.skipped.fetch_add(tally.skipped_total(), Ordering::Relaxed);
        self.dead_lettered.fetch_add(tally.dead_lettered, Ordering::Relaxed);
        self.batches.fetch_add(1, Ordering::Relaxed);
        if let Some(newest) = receipt.newest_timestamp_ms().and_then(|ms| u64::try_from(ms).ok()) {
            self.newest_timestamp_ms.fetch_max(newest, Ordering::Relaxed);
        }
    }

    /// Counts what a batch that is durable held: records of so many bytes.
    pub(crate) fn held<B: Body>(&self, batch: &WriteBatch<B>, bytes: u64, now_ms: i64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.batch_records.store(batch.tally().read, Ordering::Relaxed);
        self.batch_bytes.store(bytes, Ordering::Relaxed);
        let newest = batch.newest_timestamp_ms();
        if let Some(delay) = newest.and_then(|ms| u64::try_from(now_ms.saturating_sub(ms)).ok()) {
            self.delay_ms.store(delay, Ordering::Relaxed);
        }
        let mut tables = self.by_table();
        batch.body().rows_by_table(&mut |table, rows| {
            add(&mut tables, table, TableReading { rows, dead_lettered: 0 });
        });
        for letter in batch.dead_letters() {
            if let Some(table) = letter.rejection.table {
                add(&mut tables, table, TableReading { rows: 0, dead_lettered: 1 });
            }
        }
    }

    /// Counts a change that became visible at `now_ms` and was made or written at `then_ms`.
    pub(crate) fn visible(&self, latency: Latency, then_ms: i64, now_ms: i64) {
        let millis = u64::try_from(now_ms.saturating_sub(then_ms)).unwrap_or(0);
        self.histogram(latency).count(millis);
    }

    pub(crate) fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn lag(&self, records: u64) {
        self.lag_records.store(records, Ordering::Relaxed);
    }
}

fn add(tables: &mut Vec<TableReading>, table: TableId, more: TableReading) {
    if tables.len() <= table.index() {
        tables.resize(table.index().saturating_add(1), TableReading::default());
    }
    if let Some(held) = tables.get_mut(table.index()) {
        held.rows = held.rows.saturating_add(more.rows);
        held.dead_lettered = held.dead_lettered.saturating_add(more.dead_lettered);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_counted_records() {
        let meter = Meter::shared();
        let at = |permille| meter.latency_ms(Latency::SinceCommit, permille);
        assert_eq!(at(500), None);
        for millis in 1..=100 {
            meter.visible(Latency::SinceCommit, 1_000, 1_000 + millis);
        }
        assert_eq!((at(500), at(990)), (Some(50), Some(99)));
        meter.visible(Latency::SinceCommit, 0, 10_000_000);
        meter.visible(Latency::SinceCommit, 5, 0);
        assert_eq!((at(1), at(1_000)), (Some(0), Some(60_000)), "clocks may disagree");
        assert_eq!(meter.latency_ms(Latency::SinceWritten, 500), None);
    }
}
