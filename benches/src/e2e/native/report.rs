//! All numbers of one run of the program on the way without Kafka, and what they were to reach.

use serde::Serialize;

use super::super::idle::Idle;
use super::super::machine::Machine;
use super::super::raw::RawCopy;
use super::super::report::markdown::{grouped, line, mib, row, write_idle};
use super::super::report::{Written, count, median, ratio, smaller};
use super::{Baseline, CommitLatency, Passage};

/// Everything that was measured. Lists hold one entry for each run; those of parts that were not asked
/// for are empty.
#[derive(Debug, Clone, Serialize)]
pub struct NativeReport {
    /// The day in UTC, `yyyy-mm-dd`.
    pub date: String,
    /// The commit, with a `+` when measured files differ from it.
    pub commit: String,
    /// `release` or `debug`; only the first says anything about speed.
    pub profile: &'static str,
    /// What it was measured on.
    pub machine: Machine,
    /// Repetitions.
    pub runs: u32,
    /// The workload's seed.
    pub seed: u64,
    /// Changes in the source's log.
    pub changes: u64,
    /// Changes that were committed together.
    pub changes_per_transaction: u32,
    /// Rows of the table that was copied.
    pub snapshot_rows: u64,
    /// COPY of the history's rows: (a).
    pub raw: Vec<RawCopy>,
    /// `pg_recvlogical` to nowhere: (b).
    pub received: Vec<Baseline>,
    /// The stream into one row per change: (c).
    pub history: Vec<Passage>,
    /// The stream into one row per key: (d).
    pub mirror: Vec<Passage>,
    /// COPY piped into COPY: (g).
    pub pipe: Vec<Baseline>,
    /// A full table into a history: (h).
    pub snapshot_history: Vec<Passage>,
    /// A full table into a mirror: (i).
    pub snapshot_mirror: Vec<Passage>,
    /// From commit to row.
    pub latency: Vec<CommitLatency>,
    /// Memory at rest.
    pub idle: Vec<Idle>,
    /// Medians and ratios of the lists above.
    pub summary: NativeSummary,
}

/// Medians over the runs, and how they compare.
#[derive(Debug, Clone, Default, Serialize)]
pub struct NativeSummary {
    /// (a), rows a second.
    pub raw_per_second: Option<f64>,
    /// (b), changes a second.
    pub received_per_second: Option<f64>,
    /// (c), changes a second.
    pub history_per_second: Option<f64>,
    /// (d), changes a second.
    pub mirror_per_second: Option<f64>,
    /// (g), rows a second.
    pub pipe_per_second: Option<f64>,
    /// (h), rows a second.
    pub snapshot_history_per_second: Option<f64>,
    /// (i), rows a second.
    pub snapshot_mirror_per_second: Option<f64>,
    /// (c) to the slower of (a) and (b).
    pub history_to_slower: Option<f64>,
    /// (d) to the slower of (a) and (b).
    pub mirror_to_slower: Option<f64>,
    /// (h) to (g).
    pub snapshot_history_to_pipe: Option<f64>,
    /// (i) to (g).
    pub snapshot_mirror_to_pipe: Option<f64>,
    /// Median of the runs' medians.
    pub p50_ms: Option<f64>,
    /// Median of the runs' 99th percentiles.
    pub p99_ms: Option<f64>,
    /// Largest `VmHWM` of all runs, in KiB.
    pub peak_resident_kib: Option<u64>,
    /// `VmRSS` at rest after a start at the end of the log, in KiB.
    pub idle_resident_kib: Option<u64>,
    /// `VmRSS` at rest after the whole stream, in KiB.
    pub rested_resident_kib: Option<u64>,
}

impl NativeReport {
    /// Makes the summary from the lists.
    pub(crate) fn summarize(&mut self) {
        let rate =
            |rows: u64, seconds: Vec<f64>| median(seconds).map(|seconds| count(rows) / seconds);
        let own = |runs: &[Passage]| runs.iter().map(|run| run.seconds).collect();
        let theirs = |runs: &[Baseline]| runs.iter().map(|run| run.seconds).collect();
        let raw = rate(self.changes, self.raw.iter().map(|run| run.seconds).collect());
        let received = rate(self.changes, theirs(&self.received));
        let history = rate(self.changes, own(&self.history));
        let mirror = rate(self.changes, own(&self.mirror));
        let pipe = rate(self.snapshot_rows, theirs(&self.pipe));
        let snapshot_history = rate(self.snapshot_rows, own(&self.snapshot_history));
        let snapshot_mirror = rate(self.snapshot_rows, own(&self.snapshot_mirror));
        let rests = |after: &str| self.idle.iter().find(|idle| idle.after == after);
        self.summary = NativeSummary {
            raw_per_second: raw,
            received_per_second: received,
            history_per_second: history,
            mirror_per_second: mirror,
            pipe_per_second: pipe,
            snapshot_history_per_second: snapshot_history,
            snapshot_mirror_per_second: snapshot_mirror,
            history_to_slower: ratio(history, smaller(raw, received)),
            mirror_to_slower: ratio(mirror, smaller(raw, received)),
            snapshot_history_to_pipe: ratio(snapshot_history, pipe),
            snapshot_mirror_to_pipe: ratio(snapshot_mirror, pipe),
            p50_ms: median(self.latency.iter().map(|run| run.p50_ms).collect()),
            p99_ms: median(self.latency.iter().map(|run| run.p99_ms).collect()),
            peak_resident_kib: self.passages().map(|(_, run)| run.peak_resident_kib).max(),
            idle_resident_kib: rests("start").map(|idle| idle.resident_kib),
            rested_resident_kib: rests("stream").map(|idle| idle.resident_kib),
        };
    }

    fn passages(&self) -> impl Iterator<Item = (&'static str, &Passage)> {
        let named = [
            ("(c)", &self.history),
            ("(d)", &self.mirror),
            ("(h)", &self.snapshot_history),
            ("(i)", &self.snapshot_mirror),
        ];
        named.into_iter().flat_map(|(name, runs)| runs.iter().map(move |run| (name, run)))
    }

    fn write_rates(&self, out: &mut String) {
        let summary = &self.summary;
        line(out, "\n## Rates\n\n| median | per second |\n|---|---|");
        for (name, rate) in [
            ("(a) raw COPY of the history's rows", summary.raw_per_second),
            ("(b) pg_recvlogical to /dev/null", summary.received_per_second),
            ("(c) stream into a history", summary.history_per_second),
            ("(d) stream into a mirror", summary.mirror_per_second),
            ("(g) COPY TO piped into COPY FROM", summary.pipe_per_second),
            ("(h) snapshot into a history", summary.snapshot_history_per_second),
            ("(i) snapshot into a mirror", summary.snapshot_mirror_per_second),
        ] {
            row(out, name, rate.map(grouped));
        }
    }

    fn write_goals(&self, out: &mut String) {
        let summary = &self.summary;
        line(out, "\n## Goals\n\n| | measured | goal |\n|---|---|---|");
        let two = |value: f64| format!("{value:.2}");
        let ms = |value: f64| format!("{value:.1} ms");
        let memory = |kib: u64| format!("{} MiB", mib(kib));
        for (name, value, goal) in [
            ("(c) ÷ slower of (a) and (b)", summary.history_to_slower.map(two), "≥ 0.70"),
            ("(d) ÷ slower of (a) and (b)", summary.mirror_to_slower.map(two), "≥ 0.70"),
            ("(h) ÷ (g)", summary.snapshot_history_to_pipe.map(two), "≥ 0.80"),
            ("(i) ÷ (g)", summary.snapshot_mirror_to_pipe.map(two), "≥ 0.80"),
            ("commit to visible, p50", summary.p50_ms.map(ms), "≤ 5 ms"),
            ("commit to visible, p99", summary.p99_ms.map(ms), "≤ 25 ms"),
            ("largest VmHWM at full speed", summary.peak_resident_kib.map(memory), "≤ 64 MB"),
            ("VmRSS at rest after a start", summary.idle_resident_kib.map(memory), "≤ 15 MB"),
            ("VmRSS at rest after the stream", summary.rested_resident_kib.map(memory), "≤ 15 MB"),
        ] {
            row(out, name, value.map(|value| format!("{value} | {goal}")));
        }
    }

    fn write_runs(&self, out: &mut String) {
        line(
            out,
            "\n## Runs\n\n| | s | start to end s | VmHWM MiB | CPU s | source CPU s | warehouse CPU s | \
             transactions | rows |\n|---|---|---|---|---|---|---|---|---|",
        );
        for raw in &self.raw {
            let (seconds, cpu, rows) =
                (raw.seconds, raw.postgres_cpu_seconds, grouped(count(raw.rows)));
            line(out, &format!("| (a) | {seconds:.2} | | | | | {cpu:.2} | 1 | {rows} |"));
        }
        for (name, runs) in [("(b)", &self.received), ("(g)", &self.pipe)] {
            for Baseline { seconds, source_cpu_seconds, warehouse_cpu_seconds } in runs {
                let cpu = format!("{source_cpu_seconds:.2} | {warehouse_cpu_seconds:.2}");
                line(out, &format!("| {name} | {seconds:.2} | | | | {cpu} | | |"));
            }
        }
        for (name, run) in self.passages() {
            let times = format!("{:.2} | {:.2}", run.seconds, run.outside_seconds);
            let (own, peak) = (run.cpu_seconds, mib(run.peak_resident_kib));
            let (source, warehouse) = (run.source_cpu_seconds, run.warehouse_cpu_seconds);
            let (batches, rows) = (run.batches, grouped(count(run.rows)));
            line(
                out,
                &format!(
                    "| {name} | {times} | {peak} | {own:.2} | {source:.2} | {warehouse:.2} | {batches} | {rows} |"
                ),
            );
        }
        for (name, run) in self.passages() {
            let threads = run.cpu_seconds_by_thread.iter().filter(|(_, seconds)| **seconds >= 0.01);
            let threads: Vec<_> =
                threads.map(|(name, seconds)| format!("{name} {seconds:.2}")).collect();
            line(out, &format!("\nThreads of {name}, CPU s: {}.", threads.join(", ")));
        }
    }

    fn write_latency(&self, out: &mut String) {
        if self.latency.is_empty() {
            return;
        }
        line(
            out,
            "\n| transactions/s | samples | transactions of the pipeline | p50 ms | p95 ms | p99 ms | \
             max ms |\n|---|---|---|---|---|---|---|",
        );
        for run in &self.latency {
            let CommitLatency { samples, batches, p50_ms, p95_ms, p99_ms, max_ms, .. } = run;
            let pace = run.transactions_per_second;
            line(
                out,
                &format!(
                    "| {pace:.0} | {samples} | {batches} | {p50_ms:.1} | {p95_ms:.1} | {p99_ms:.1} | \
                     {max_ms:.1} |"
                ),
            );
        }
    }
}

impl Written for NativeReport {
    fn name(&self) -> String {
        format!("native-{}-{}", self.date, self.commit)
    }

    fn markdown(&self) -> String {
        let mut out = String::new();
        let machine = &self.machine;
        line(&mut out, &format!("# Without Kafka, {}, commit {}\n", self.date, self.commit));
        line(&mut out, "| | |\n|---|---|");
        for (name, value) in [
            ("processor", format!("{}, {} cores", machine.itself.processor, machine.itself.cores)),
            ("memory", format!("{} MiB", grouped(count(machine.itself.memory_mib)))),
            ("kernel", machine.itself.kernel.clone()),
            (
                "PostgreSQL",
                format!("{}, two servers, fsync and synchronous_commit on", machine.postgresql),
            ),
            ("build", self.profile.to_owned()),
            (
                "changes",
                format!(
                    "{}, in transactions of {}",
                    grouped(count(self.changes)),
                    self.changes_per_transaction
                ),
            ),
            ("rows of the snapshot", grouped(count(self.snapshot_rows))),
            ("runs", self.runs.to_string()),
            ("seed", self.seed.to_string()),
        ] {
            line(&mut out, &format!("| {name} | {value} |"));
        }
        self.write_rates(&mut out);
        self.write_goals(&mut out);
        self.write_runs(&mut out);
        self.write_latency(&mut out);
        write_idle(&mut out, &self.idle);
        out
    }
}
