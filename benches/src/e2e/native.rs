//! The way without Kafka: from commits in one PostgreSQL to rows in another.
//!
//! All slots are made before the changes are written, so that each reader finds the same log. Parts of
//! one repetition follow each other in the order `pg_recvlogical`, history, raw COPY, mirror, then pipe
//! and snapshots, so that what changes on the machine over time touches all alike.

mod baseline;
mod latency;
mod report;
mod source;
mod stream;

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use cdc_stack::machine::commit;
use time::OffsetDateTime;
use time::macros::format_description;

use self::baseline::{RawSlot, end_of_log};
use self::source::{CHANGES_PER_TRANSACTION, COPIED, Expected, STREAMED, Source};
use self::stream::{Waiting, snapshot};
use super::latency::wait_for_partition;
use super::machine::Machine;
use super::options::{Options, Part};
use super::pipeline::{Mode, Running, Until};
use super::raw::Rows;
use super::stage::{Stage, Warehouse};
use super::{idle, say};

pub use self::baseline::Baseline;
pub use self::latency::CommitLatency;
pub use self::report::{NativeReport, NativeSummary};
pub use self::stream::Passage;

/// As many as have room in the source's slots.
const RUNS_MAX: u32 = 16;
const LIMIT: Duration = Duration::from_mins(30);

/// One repetition's readers, whose slots hold the place from which they read.
struct Readers {
    raw: Option<RawSlot>,
    history: Option<Waiting>,
    mirror: Option<Waiting>,
}

/// Measures what the options ask for, on servers that it starts and stops.
///
/// # Errors
///
/// When a server or a program is missing or fails, or when a run does not give exactly the rows that
/// the source's changes stand for.
pub fn measure(options: &Options) -> Result<NativeReport> {
    // Three slots for each repetition and one for idle memory; a cluster has room for 50.
    ensure!(options.runs <= RUNS_MAX, "at most {RUNS_MAX} runs: each has slots of its own");
    say("starting the source and the warehouse");
    let (source, warehouse) = (Source::start()?, Warehouse::start(options)?);
    let wants_history = options.wants(Part::History) || options.wants(Part::Raw);
    let wait = |wanted: bool, mode| {
        wanted.then(|| Waiting::prepare(&source, &warehouse, STREAMED, mode)).transpose()
    };
    let mut readers = Vec::new();
    for run in 1..=options.runs {
        let raw = options.wants(Part::Read).then(|| RawSlot::create(&source, run)).transpose()?;
        let history = wait(wants_history, Mode::History)?;
        readers.push(Readers {
            raw,
            history,
            mirror: wait(options.wants(Part::Mirror), Mode::Mirror)?,
        });
    }
    let resting = wait(options.wants(Part::Idle), Mode::History)?;
    say(&format!("writing {} changes", options.changes));
    let expected = source.load(options.changes)?;
    let end = end_of_log(&source)?;
    Stage::flush_disk()?;
    let mut report = NativeReport {
        date: OffsetDateTime::now_utc().format(format_description!("[year]-[month]-[day]"))?,
        commit: commit(),
        profile: if cfg!(debug_assertions) { "debug" } else { "release" },
        machine: Machine { postgresql: warehouse.server_version(), ..Machine::alone() },
        runs: options.runs,
        seed: crate::inputs::SEED,
        changes: expected.changes,
        changes_per_transaction: CHANGES_PER_TRANSACTION,
        snapshot_rows: 0,
        raw: Vec::new(),
        received: Vec::new(),
        history: Vec::new(),
        mirror: Vec::new(),
        pipe: Vec::new(),
        snapshot_history: Vec::new(),
        snapshot_mirror: Vec::new(),
        latency: Vec::new(),
        idle: Vec::new(),
        summary: NativeSummary::default(),
    };
    let (bench, mut rows) = (Bench { source: &source, warehouse: &warehouse, options }, None);
    for reader in readers {
        bench.stream(reader, &end, (&mut report, expected), &mut rows)?;
    }
    if let Some(waiting) = resting {
        report.idle = bench.idle(waiting, expected)?;
    }
    if options.wants(Part::Snapshot) {
        bench.snapshots(&mut report)?;
    }
    if options.wants(Part::Latency) {
        bench.latencies(&mut report)?;
    }
    report.summarize();
    Ok(report)
}

/// What every part works with.
struct Bench<'b> {
    source: &'b Source,
    warehouse: &'b Warehouse,
    options: &'b Options,
}

impl Bench<'_> {
    /// One repetition of `pg_recvlogical`, history, raw COPY and mirror.
    fn stream(
        &self,
        readers: Readers,
        end: &str,
        (report, expected): (&mut NativeReport, Expected),
        rows: &mut Option<Rows>,
    ) -> Result<()> {
        let (source, warehouse) = (self.source, self.warehouse);
        if let Some(slot) = readers.raw {
            source.settle()?;
            let received = slot.receive(source, warehouse, end)?;
            say(&format!("  pg_recvlogical {:>7.2} s", received.seconds));
            report.received.push(received);
        }
        if let Some(waiting) = readers.history {
            let passage = waiting.stream(source, warehouse, expected)?;
            say(&format!("  history        {:>7.2} s", passage.seconds));
            report.history.push(passage);
            if self.options.wants(Part::Raw) {
                let rows = match rows {
                    Some(rows) => rows,
                    None => rows.insert(Rows::export(warehouse, &waiting.setup)?),
                };
                let raw = rows.copy(warehouse, &waiting.setup)?;
                say(&format!("  raw COPY       {:>7.2} s", raw.seconds));
                report.raw.push(raw);
            }
            waiting.remove(source, warehouse)?;
        }
        if let Some(waiting) = readers.mirror {
            let passage = waiting.stream(source, warehouse, expected)?;
            say(&format!("  mirror         {:>7.2} s", passage.seconds));
            report.mirror.push(passage);
            waiting.remove(source, warehouse)?;
        }
        Ok(())
    }

    /// Pipe and snapshots by turns.
    fn snapshots(&self, report: &mut NativeReport) -> Result<()> {
        let (source, warehouse) = (self.source, self.warehouse);
        say(&format!("filling a table with {} rows", self.options.changes));
        let expected = source.fill(self.options.changes)?;
        report.snapshot_rows = expected.rows;
        Stage::flush_disk()?;
        for _ in 0..self.options.runs {
            let pipe = baseline::pipe(source, warehouse, expected.rows)?;
            say(&format!("  COPY to COPY   {:>7.2} s", pipe.seconds));
            report.pipe.push(pipe);
            for (mode, list) in [
                (Mode::History, &mut report.snapshot_history),
                (Mode::Mirror, &mut report.snapshot_mirror),
            ] {
                let passage = snapshot(source, warehouse, COPIED, (mode, expected))?;
                say(&format!("  snapshot, {:<8}{:>4.2} s", mode.name(), passage.seconds));
                list.push(passage);
            }
        }
        Ok(())
    }

    fn latencies(&self, report: &mut NativeReport) -> Result<()> {
        for _ in 0..self.options.runs {
            let latency = latency::latency(self.source, self.warehouse)?;
            say(&format!("  latency: p50 {:.1} ms, p99 {:.1} ms", latency.p50_ms, latency.p99_ms));
            report.latency.push(latency);
        }
        Ok(())
    }

    /// Streams everything, rests, starts again at the end, rests.
    fn idle(&self, waiting: Waiting, expected: Expected) -> Result<Vec<super::Idle>> {
        let setup = &waiting.setup;
        let running = Running::start(setup, Until::Stopped)?;
        let deadline = Instant::now() + LIMIT;
        let count = "SELECT count(*) FROM public.orders_fact";
        while self.warehouse.number(&setup.database, count)? < expected.changes {
            let waits = Instant::now() < deadline && !running.has_ended()?;
            ensure!(waits, "the pipeline did not reach the end of the log");
            thread::sleep(Duration::from_millis(500));
        }
        let streamed = idle::rest(&running, "stream")?;
        running.stop()?;
        let running = Running::start(setup, Until::Stopped)?;
        wait_for_partition(&running)?;
        let started = idle::rest(&running, "start")?;
        running.stop()?;
        waiting.remove(self.source, self.warehouse)?;
        Ok(vec![started, streamed])
    }
}
