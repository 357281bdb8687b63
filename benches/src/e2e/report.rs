//! All numbers of one run of the program, with what they were measured on.

use serde::Serialize;

use super::drain::Drain;
use super::idle::Idle;
use super::latency::Latency;
use super::machine::Machine;
use super::raw::RawCopy;
use super::read::Reading;

pub(crate) mod markdown;

/// A report that is written for people and, with every run, as JSON.
pub trait Written: Serialize {
    /// The name of its files, without ending.
    fn name(&self) -> String;

    /// The report as Markdown.
    fn markdown(&self) -> String;
}

/// Everything that was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The day in UTC, `yyyy-mm-dd`.
    pub date: String,
    /// The commit, with a `+` when measured files differ from it.
    pub commit: String,
    /// `release` or `debug`; only the first says anything about speed.
    pub profile: &'static str,
    /// What it was measured on.
    pub machine: Machine,
    /// The command line's part that matters.
    pub options: Setting,
    /// One for each form of messages.
    pub forms: Vec<Form>,
}

/// What was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct Setting {
    /// Changes in each topic.
    pub changes: u64,
    /// Repetitions.
    pub runs: u32,
    /// How the broker keeps the messages: the topic's `compression.type`.
    pub compression: &'static str,
    /// The workload's seed.
    pub seed: u64,
}

/// All numbers of one form of messages. Lists hold one entry for each run; those of parts that were
/// not asked for are empty.
#[derive(Debug, Clone, Serialize)]
pub struct Form {
    /// Whether messages carry Connect's schema block.
    pub schema_block: bool,
    /// Messages in the topic, tombstones included.
    pub messages: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// COPY of the same rows.
    pub raw: Vec<RawCopy>,
    /// Reading alone.
    pub read: Vec<Reading>,
    /// One row per change.
    pub history: Vec<Drain>,
    /// One row per key.
    pub mirror: Vec<Drain>,
    /// From message to row.
    pub latency: Vec<Latency>,
    /// Memory at rest.
    pub idle: Vec<Idle>,
    /// The same drains by another program.
    pub against: Against,
    /// Medians and ratios of the lists above.
    pub summary: Summary,
}

/// Drains by the program that was to be compared with, each after one of our own.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Against {
    /// One row per change.
    pub history: Vec<Drain>,
    /// One row per key.
    pub mirror: Vec<Drain>,
}

/// Medians over the runs, in messages of the topic, so that all rates compare.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Summary {
    /// COPY of the same rows on one connection: (a).
    pub raw_messages_per_second: Option<f64>,
    /// Reading alone: (b).
    pub read_messages_per_second: Option<f64>,
    /// History: (c).
    pub history_messages_per_second: Option<f64>,
    /// Mirror: (d).
    pub mirror_messages_per_second: Option<f64>,
    /// (c) to the smaller of (a) and (b).
    pub history_to_smaller_of_raw_and_read: Option<f64>,
    /// (d) to (b).
    pub mirror_to_read: Option<f64>,
    /// Largest `VmHWM` of all drains, in KiB.
    pub peak_resident_kib: Option<u64>,
    /// Median time from the start of the process to its first partition.
    pub first_poll_ms: Option<f64>,
    /// The pipeline's processor time per million messages.
    pub history_cpu_seconds_per_million: Option<f64>,
    /// The same for the mirror.
    pub mirror_cpu_seconds_per_million: Option<f64>,
    /// Rate of the history to that of the other program, pair by pair.
    pub history_to_other: Option<f64>,
    /// The same for the mirror.
    pub mirror_to_other: Option<f64>,
    /// How much more memory our own drains needed at their peak, by medians, in KiB.
    pub peak_beyond_other_kib: Option<f64>,
}

impl Form {
    /// Makes the summary from the lists.
    pub(crate) fn summarize(&mut self) {
        let messages = count(self.messages);
        let rate = |seconds: Vec<f64>| median(seconds).map(|seconds| messages / seconds);
        let raw = rate(self.raw.iter().map(|run| run.seconds).collect());
        let read = rate(self.read.iter().map(|run| run.seconds).collect());
        let history = rate(self.history.iter().map(|run| run.seconds).collect());
        let mirror = rate(self.mirror.iter().map(|run| run.seconds).collect());
        let drains = || self.history.iter().chain(&self.mirror);
        let cpu = |drains: &[Drain]| {
            let seconds = median(drains.iter().map(|drain| drain.cpu_seconds).collect());
            seconds.map(|seconds| seconds / messages * 1e6)
        };
        self.summary = Summary {
            raw_messages_per_second: raw,
            read_messages_per_second: read,
            history_messages_per_second: history,
            mirror_messages_per_second: mirror,
            history_to_smaller_of_raw_and_read: ratio(history, smaller(raw, read)),
            mirror_to_read: ratio(mirror, read),
            peak_resident_kib: drains().map(|drain| drain.peak_resident_kib).max(),
            first_poll_ms: median(drains().map(|drain| drain.first_poll_ms).collect()),
            history_cpu_seconds_per_million: cpu(&self.history),
            mirror_cpu_seconds_per_million: cpu(&self.mirror),
            history_to_other: faster(&self.history, &self.against.history),
            mirror_to_other: faster(&self.mirror, &self.against.mirror),
            peak_beyond_other_kib: self.peak_beyond_other(),
        };
    }

    fn peak_beyond_other(&self) -> Option<f64> {
        let peak = |one: &[Drain], other: &[Drain]| {
            let drains = one.iter().chain(other);
            median(drains.map(|drain| count(drain.peak_resident_kib)).collect())
        };
        Some(
            peak(&self.history, &self.mirror)? - peak(&self.against.history, &self.against.mirror)?,
        )
    }
}

/// The median of how much faster each drain was than its neighbour.
fn faster(ours: &[Drain], others: &[Drain]) -> Option<f64> {
    let pairs = ours.iter().zip(others);
    median(pairs.map(|(own, other)| other.seconds / own.seconds).collect())
}

pub(crate) fn smaller(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(one?.min(other?))
}

pub(crate) fn ratio(part: Option<f64>, whole: Option<f64>) -> Option<f64> {
    Some(part? / whole?)
}

/// A count as a number to calculate with; no topic of this program passes 2^32.
pub(crate) fn count(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

/// The middle value, or the mean of the two middle ones.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get(values.len().checked_sub(1)? / 2)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle_of_the_values() {
        assert_eq!(median(Vec::new()), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
    }
}
