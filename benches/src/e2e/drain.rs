//! One drain of the topic by the pipeline, with memory and processor time, checked against the oracle.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde::Serialize;

use super::fill::Topic;
use super::pipeline::{Ended, Mode, Running, Setup, Until};
use super::proc;
use super::stage::{Neighbours, Stage};

/// How often the process is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// No machine that is worth measuring needs longer.
const LIMIT: Duration = Duration::from_mins(30);

/// What one drain took.
#[derive(Debug, Clone, Serialize)]
pub struct Drain {
    /// The pipeline's own time, from joining the group to its orderly end.
    pub seconds: f64,
    /// From the start of the process to its end.
    pub outside_seconds: f64,
    /// From the start of the process to its first partition.
    pub first_poll_ms: f64,
    /// Messages read.
    pub messages: u64,
    /// Rows written.
    pub rows: u64,
    /// Changes that a later one of the same key replaced.
    pub folded: u64,
    /// Messages without effect, such as tombstones.
    pub skipped: u64,
    /// Transactions.
    pub batches: u64,
    /// Attempts that had to be repeated.
    pub retries: u64,
    /// `VmHWM` in KiB.
    pub peak_resident_kib: u64,
    /// Processor time of the pipeline.
    pub cpu_seconds: f64,
    /// The same by thread name, of threads that were alive at the last look.
    pub cpu_seconds_by_thread: BTreeMap<String, f64>,
    /// Processor time of all of PostgreSQL's processes meanwhile.
    pub postgres_cpu_seconds: f64,
    /// Processor time of the broker meanwhile.
    pub broker_cpu_seconds: f64,
}

/// What was seen of the process while it ran.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    pub(crate) memory: proc::Memory,
    pub(crate) cpu: Duration,
    threads: BTreeMap<u32, (String, Duration)>,
}

impl Watch {
    fn look(&mut self, pid: u32) {
        self.memory = proc::memory(pid).unwrap_or(self.memory);
        self.cpu = proc::cpu(pid).unwrap_or(self.cpu);
        self.threads.extend(proc::cpu_of_threads(pid));
    }

    pub(crate) fn by_thread(&self) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for (name, time) in self.threads.values() {
            *sums.entry(name.clone()).or_insert(0.0) += time.as_secs_f64();
        }
        sums
    }
}

/// Drains the topic into a new database. The database stays, for the caller to look at and drop.
pub(crate) fn drain(
    program: &Path,
    stage: &Stage,
    topic: &Topic,
    mode: Mode,
) -> Result<(Drain, Setup)> {
    let setup = Setup::of(program, stage, &topic.name, mode)?;
    stage.warehouse.settle(&setup.database)?;
    let before = stage.neighbours()?;
    let (ended, watch) = to_end(&setup)?;
    let neighbours = stage.neighbours()?.since(before);
    verify(stage, topic, mode, &setup, &ended)?;
    Ok((report(&ended, &watch, neighbours), setup))
}

/// Runs a pipeline until it has caught up, and watches it.
pub(crate) fn to_end(setup: &Setup) -> Result<(Ended, Watch)> {
    let running = Running::start(setup, Until::CaughtUp)?;
    let (mut watch, deadline) = (Watch::default(), Instant::now() + LIMIT);
    while !running.has_ended()? {
        watch.look(running.id());
        ensure!(Instant::now() < deadline, "the drain did not end within {} s", LIMIT.as_secs());
        std::thread::sleep(LOOK_EVERY);
    }
    // Its entry is still there, with the final processor time.
    watch.cpu = proc::cpu(running.id()).unwrap_or(watch.cpu);
    Ok((running.finish()?, watch))
}

fn report(ended: &Ended, watch: &Watch, neighbours: Neighbours) -> Drain {
    let summary = ended.summary;
    Drain {
        seconds: summary.seconds,
        outside_seconds: ended.outside.as_secs_f64(),
        first_poll_ms: ended.first_poll.as_secs_f64() * 1_000.0,
        messages: summary.records,
        rows: summary.rows,
        folded: summary.folded,
        skipped: summary.skipped,
        batches: summary.batches,
        retries: summary.retries,
        peak_resident_kib: watch.memory.peak_kib,
        cpu_seconds: watch.cpu.as_secs_f64(),
        cpu_seconds_by_thread: watch.by_thread(),
        postgres_cpu_seconds: neighbours.postgres.as_secs_f64(),
        broker_cpu_seconds: neighbours.broker.as_secs_f64(),
    }
}

/// A drain that lost or doubled something has no speed.
fn verify(stage: &Stage, topic: &Topic, mode: Mode, setup: &Setup, ended: &Ended) -> Result<()> {
    let summary = ended.summary;
    let read = summary.records;
    ensure!(read == topic.messages, "{read} of {} messages were read", topic.messages);
    let dead = summary.dead_lettered;
    ensure!(dead == 0, "{dead} messages became dead letters");
    let (sql, expected) = match mode {
        Mode::History => ("SELECT count(*) FROM public.orders_fact", topic.changes.to_string()),
        Mode::Mirror => (
            "SELECT count(*), coalesce(sum(amount) * 100, 0)::bigint FROM public.orders_current",
            format!("{}|{}", topic.rows, topic.amount_cents),
        ),
    };
    let found = stage.warehouse.sql(&setup.database, sql)?;
    ensure!(found == expected, "the {} holds {found}, not {expected}", mode.name());
    Ok(())
}
