//! The report for people: tables, and no opinion.

use std::fmt::Write as _;

use super::super::idle::Idle;
use super::{Drain, Form, Report, Written, count};

impl Written for Report {
    fn name(&self) -> String {
        format!("{}-{}", self.date, self.commit)
    }

    fn markdown(&self) -> String {
        let mut out = String::new();
        let Self { date, commit, profile, machine, options, .. } = self;
        line(&mut out, &format!("# End-to-end, {date}, commit {commit}\n"));
        line(&mut out, "| | |\n|---|---|");
        for (name, value) in [
            ("processor", format!("{}, {} cores", machine.itself.processor, machine.itself.cores)),
            ("memory", format!("{} MiB", grouped(count(machine.itself.memory_mib)))),
            ("kernel", machine.itself.kernel.clone()),
            ("PostgreSQL", format!("{}, fsync and synchronous_commit on", machine.postgresql)),
            ("Kafka", format!("{}, one broker, one partition", machine.kafka)),
            ("build", (*profile).to_owned()),
            ("changes", grouped(count(options.changes))),
            ("compression of the topic", options.compression.to_owned()),
            ("runs", options.runs.to_string()),
            ("seed", options.seed.to_string()),
        ] {
            line(&mut out, &format!("| {name} | {value} |"));
        }
        for form in &self.forms {
            form.write(&mut out);
        }
        out
    }
}

impl Form {
    fn write(&self, out: &mut String) {
        let name = if self.schema_block { "With schema block" } else { "Without schema block" };
        let size = count(self.bytes) / count(self.messages);
        line(out, &format!("\n## {name}\n"));
        let messages = grouped(count(self.messages));
        line(out, &format!("{messages} messages, {size:.0} bytes each on average.\n"));
        self.write_summary(out);
        self.write_runs(out);
        self.write_threads(out);
        self.write_latency(out);
        write_idle(out, &self.idle);
    }

    fn write_summary(&self, out: &mut String) {
        let summary = &self.summary;
        line(out, "| median | |\n|---|---|");
        let rates = [
            ("(a) raw COPY, messages/s", summary.raw_messages_per_second),
            ("(b) reading alone, messages/s", summary.read_messages_per_second),
            ("(c) history, messages/s", summary.history_messages_per_second),
            ("(d) mirror, messages/s", summary.mirror_messages_per_second),
        ];
        for (name, rate) in rates {
            row(out, name, rate.map(grouped));
        }
        let two = |value: f64| format!("{value:.2}");
        row(
            out,
            "(c) ÷ smaller of (a) and (b)",
            summary.history_to_smaller_of_raw_and_read.map(two),
        );
        row(out, "(d) ÷ (b)", summary.mirror_to_read.map(two));
        row(
            out,
            "history, CPU s per million messages",
            summary.history_cpu_seconds_per_million.map(two),
        );
        row(
            out,
            "mirror, CPU s per million messages",
            summary.mirror_cpu_seconds_per_million.map(two),
        );
        row(out, "largest VmHWM, MiB", summary.peak_resident_kib.map(mib));
        row(out, "(c) ÷ (e) history of the other program", summary.history_to_other.map(two));
        row(out, "(d) ÷ (f) mirror of the other program", summary.mirror_to_other.map(two));
        let beyond = summary.peak_beyond_other_kib;
        let beyond = beyond.map(|kib| format!("{:.1}", kib / 1024.0));
        row(out, "median VmHWM beyond that of the other program, MiB", beyond);
        row(out, "start to first poll, ms", summary.first_poll_ms.map(|ms| format!("{ms:.0}")));
    }

    fn write_runs(&self, out: &mut String) {
        line(
            out,
            "\n| run | | messages/s | s | start to end s | VmHWM MiB | CPU s | PostgreSQL CPU s | \
             broker CPU s | transactions | rows |\n|---|---|---|---|---|---|---|---|---|---|---|",
        );
        let rate = |seconds: f64| grouped(count(self.messages) / seconds);
        for (run, raw) in (1..).zip(&self.raw) {
            let (rate, cpu) = (rate(raw.seconds), raw.postgres_cpu_seconds);
            let rows = grouped(count(raw.rows));
            let seconds = raw.seconds;
            line(
                out,
                &format!("| {run} | (a) | {rate} | {seconds:.2} | | | | {cpu:.2} | | 1 | {rows} |"),
            );
        }
        for (run, read) in (1..).zip(&self.read) {
            let (rate, cpu, broker) =
                (rate(read.seconds), read.cpu_seconds, read.broker_cpu_seconds);
            let seconds = read.seconds;
            line(
                out,
                &format!(
                    "| {run} | (b) | {rate} | {seconds:.2} | | | {cpu:.2} | | {broker:.2} | | |"
                ),
            );
        }
        let against = &self.against;
        for (name, drains) in [
            ("(c)", &self.history),
            ("(d)", &self.mirror),
            ("(e)", &against.history),
            ("(f)", &against.mirror),
        ] {
            for (run, drain) in (1..).zip(drains) {
                let text = self.drain(drain);
                line(out, &format!("| {run} | {name} | {text} |"));
            }
        }
    }

    fn drain(&self, drain: &Drain) -> String {
        format!(
            "{} | {:.2} | {:.2} | {} | {:.2} | {:.2} | {:.2} | {} | {}",
            grouped(count(self.messages) / drain.seconds),
            drain.seconds,
            drain.outside_seconds,
            mib(drain.peak_resident_kib),
            drain.cpu_seconds,
            drain.postgres_cpu_seconds,
            drain.broker_cpu_seconds,
            drain.batches,
            grouped(count(drain.rows)),
        )
    }

    fn write_threads(&self, out: &mut String) {
        for (name, drains) in [("history", &self.history), ("mirror", &self.mirror)] {
            let Some(last) = drains.last() else { continue };
            let threads =
                last.cpu_seconds_by_thread.iter().filter(|(_, seconds)| **seconds >= 0.01);
            let threads: Vec<_> =
                threads.map(|(name, seconds)| format!("{name} {seconds:.2}")).collect();
            line(
                out,
                &format!("\nThreads of the last {name} drain, CPU s: {}.", threads.join(", ")),
            );
        }
    }

    fn write_latency(&self, out: &mut String) {
        if self.latency.is_empty() {
            return;
        }
        line(
            out,
            "\n| run | changes/s | samples | transactions | p50 ms | p95 ms | p99 ms | max ms |\n\
             |---|---|---|---|---|---|---|---|",
        );
        for (run, latency) in (1..).zip(&self.latency) {
            line(
                out,
                &format!(
                    "| {run} | {:.0} | {} | {} | {:.1} | {:.1} | {:.1} | {:.1} |",
                    latency.changes_per_second,
                    latency.samples,
                    latency.transactions,
                    latency.p50_ms,
                    latency.p95_ms,
                    latency.p99_ms,
                    latency.max_ms
                ),
            );
        }
    }
}

/// What processes take that have nothing to do.
pub(crate) fn write_idle(out: &mut String, resting: &[Idle]) {
    if resting.is_empty() {
        return;
    }
    line(
        out,
        "\n| at rest after | VmRSS MiB | VmHWM MiB | CPU, share of a core |\n|---|---|---|---|",
    );
    for idle in resting {
        let (now, peak) = (mib(idle.resident_kib), mib(idle.peak_resident_kib));
        line(out, &format!("| {} | {now} | {peak} | {:.3} |", idle.after, idle.cpu_share));
    }
}

pub(crate) fn line(out: &mut String, text: &str) {
    // Writing into a String cannot fail.
    writeln!(out, "{text}").ok();
}

pub(crate) fn row(out: &mut String, name: &str, value: Option<String>) {
    if let Some(value) = value {
        line(out, &format!("| {name} | {value} |"));
    }
}

pub(crate) fn mib(kib: u64) -> String {
    format!("{:.1}", count(kib) / 1024.0)
}

/// A whole number in groups of three digits.
pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn digits_come_in_groups_of_three() {
        let shown = [0.4, 999.0, 1_000.0, 1_234_567.0].map(grouped);
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
