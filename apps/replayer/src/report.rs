//! What a replay did, for a person or a machine.

use std::time::Duration;

use cdc_engine::Reading;
use cdc_postgres::RepairCounts;
use serde_json::json;

use crate::cli::RepairArgs;
use crate::output;
use crate::progress::per_second;

/// How a replay ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Report<'r> {
    /// `done`, `stopped` or `failed`.
    pub(crate) outcome: &'static str,
    pub(crate) reading: Reading,
    pub(crate) counts: &'r RepairCounts,
    pub(crate) elapsed: Duration,
    /// Offsets of the range that the pipeline has not applied yet.
    pub(crate) beyond: u64,
    /// Offsets of the range that belong to earlier generations.
    pub(crate) earlier: u64,
    /// Records of the capture, if one was read, that are remembered from when they were applied.
    pub(crate) recognised: Option<u64>,
    /// Topics that were compacted, so that they may lack records of missing rows.
    pub(crate) compacted: &'r [String],
    /// Whether an earlier run had begun with the range.
    pub(crate) resumed: bool,
}

impl Report<'_> {
    /// Prints it.
    pub(crate) fn print(self, arguments: &RepairArgs) {
        if arguments.json {
            output::line(self.json(arguments));
        } else {
            output::line(self.text(arguments));
        }
    }

    fn json(self, arguments: &RepairArgs) -> serde_json::Value {
        json!({
            "outcome": self.outcome,
            "dry_run": arguments.dry_run,
            "resumed": self.resumed,
            "read": self.reading.records,
            "present": self.counts.present(),
            "restored": self.counts.restored(),
            "rejected": self.reading.dead_lettered,
            "skipped": self.reading.skipped,
            "beyond_pipeline": self.beyond,
            "of_earlier_generations": self.earlier,
            "recognised": self.recognised,
            "compacted_topics": self.compacted,
            "seconds": self.elapsed.as_secs_f64(),
            "records_per_second": per_second(self.reading.records, self.elapsed),
        })
    }

    fn text(self, arguments: &RepairArgs) -> String {
        let restored = if arguments.dry_run { "missing" } else { "restored" };
        let mut text = format!(
            "{}: {} records read, {} rows present, {} {restored}, {} records rejected, {} skipped, in {:.1} s \
             ({} records/s)",
            self.outcome,
            self.reading.records,
            self.counts.present(),
            self.counts.restored(),
            self.reading.dead_lettered,
            self.reading.skipped,
            self.elapsed.as_secs_f64(),
            per_second(self.reading.records, self.elapsed),
        );
        let mut add = |line: &str| {
            text.push_str("\n  ");
            text.push_str(line);
        };
        if self.resumed {
            add("an earlier run had begun with this range; this one went on where it stood");
        }
        if self.beyond > 0 {
            let beyond = self.beyond;
            add(&format!(
                "{beyond} offsets at the end were left to the pipeline, which has not applied them yet"
            ));
        }
        if self.recognised == Some(0) {
            add(
                "none of the capture's records is remembered any more: whether it is of this topic could \
                 not be seen",
            );
        }
        if self.earlier > 0 {
            let earlier = self.earlier;
            add(&format!(
                "{earlier} offsets at the beginning were left out: they were applied in an earlier \
                 generation, before partitions were added; repair them with --generation"
            ));
        }
        if arguments.dry_run {
            add("nothing was written");
        }
        text
    }
}
