//! What can be typed.

mod capture;
mod shadow;

use std::path::{Path, PathBuf};

use cdc_core::Generation;
use clap::{Args, Parser, Subcommand};
use debezium_envelope::Lsn;

use crate::range::Place;

pub(crate) use self::capture::CaptureArgs;
pub(crate) use self::shadow::{DiffArgs, DiscardArgs, RebuildArgs, SwapArgs, TableArgs};

/// Reads a part of the pipeline's topics once more.
#[derive(Debug, Parser)]
#[command(name = "cdc-replayer", version, propagate_version = true, after_long_help = OVERVIEW)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const OVERVIEW: &str = "\
What would a repair restore? Nothing is written:
  cdc-replayer repair --config pipeline.toml --dry-run

Restore it, while the pipeline runs:
  cdc-replayer repair --config pipeline.toml

Build a mirror once more beside the live one, compare, and make the live one equal:
  cdc-replayer rebuild --table public.orders
  cdc-replayer diff --table public.orders
  cdc-replayer swap --table public.orders

Put an hour of a topic into a file, for a test or a bug report:
  cdc-replayer capture --table public.orders --output hour.jsonl \\
    --from 2026-01-31T08:00:00Z --to 2026-01-31T09:00:00Z

Exit codes:
  0    the whole part was read
  2    configuration: fix the file or the command line, or name another file
  3    data: a part of the range is gone from Kafka, tables differ, or a person has to decide
  4    environment: something around the program is missing or refuses
  5    what was in flight did not finish within the drain limit; start again, it goes on
  130  stopped before the end; start again with the same range, and it goes on

Logs go to standard error. RUST_LOG sets their level, for example RUST_LOG=debug.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring back the rows that history tables have lost.
    #[command(after_long_help = REPAIR_HELP)]
    Repair(RepairArgs),
    /// Build a table once more beside the live one, from the topics.
    #[command(after_long_help = shadow::REBUILD_HELP)]
    Rebuild(RebuildArgs),
    /// Compare a rebuilt table with the live one.
    #[command(after_long_help = shadow::DIFF_HELP)]
    Diff(DiffArgs),
    /// Make the live table equal to the rebuilt one.
    #[command(after_long_help = shadow::SWAP_HELP)]
    Swap(SwapArgs),
    /// Drop a rebuilt table.
    Discard(DiscardArgs),
    /// Write a part of the topics to a file.
    #[command(after_long_help = capture::HELP)]
    Capture(CaptureArgs),
}

impl Command {
    /// The pipeline's configuration file.
    pub(crate) fn config(&self) -> &Path {
        match self {
            Self::Repair(arguments) => &arguments.config,
            Self::Rebuild(arguments) => &arguments.common.config,
            Self::Diff(arguments) => &arguments.common.config,
            Self::Swap(arguments) => &arguments.common.config,
            Self::Discard(arguments) => &arguments.config,
            Self::Capture(arguments) => &arguments.config,
        }
    }
}

const REPAIR_HELP: &str = "\
A row is found by its place in the log: cdc_generation, cdc_partition, cdc_offset and
cdc_ordinal. Rows that are there are left as they are, so a healthy table gains nothing and
a damaged one what it lacks. Nothing is read beyond what the pipeline has applied: what
follows is the pipeline's to write.

The pipeline may run meanwhile; its checkpoint and its books are not touched. A repair that
was stopped or killed goes on where it stood when it is started again with the same range
and tables. Records that are refused become dead letters, unless there is one for their
place already.

Examples:
  cdc-replayer repair --from 2026-01-31T08:00:00Z --to 2026-01-31T09:00:00Z --dry-run
  cdc-replayer repair --table public.orders --rate 20000
  cdc-replayer repair --from-file january.jsonl

A capture has to be of the topics that the pipeline follows: records of it are compared with
those that are remembered of each topic, and one that is another is refused.

Begin at the beginning where you can: a connector that crashed sent its last changes again,
and a range that begins in the middle of them is compared with what the history has from
before it.";

/// What a repair is about.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that can be typed")]
pub(crate) struct RepairArgs {
    /// The pipeline's configuration file.
    #[arg(long, value_name = "FILE", default_value = "pipeline.toml")]
    pub(crate) config: PathBuf,
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    /// Read this capture instead of the topics: what Kafka has lost may still be in it. All of it is the
    /// range.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["from", "to"])]
    pub(crate) from_file: Option<PathBuf>,
    /// Only this source table, as the file names it; may be given several times. Without it all that
    /// are kept as a history.
    #[arg(long = "table", value_name = "SCHEMA.TABLE")]
    pub(crate) tables: Vec<String>,
    /// Repair what was applied in this generation, or in the last one of topics that have not come so far.
    /// Without it in that in which each topic is followed now. It rises when partitions are added and
    /// when a topic is created again: column `cdc_generation`.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) generation: Option<u32>,
    /// Count what is missing, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Read at most so many records a second; 0 is without a limit.
    #[arg(long, value_name = "RECORDS", default_value_t = 0)]
    pub(crate) rate: u32,
    /// Print one JSON object at the end.
    #[arg(long)]
    pub(crate) json: bool,
}

impl RepairArgs {
    /// The last generation that is repaired.
    pub(crate) fn generation(&self) -> Generation {
        Generation::new(self.generation.unwrap_or(u32::MAX))
    }
}

/// A part of the topics.
#[derive(Debug, Args)]
pub(crate) struct RangeArgs {
    /// Where the range begins; the record there is part of it.
    ///
    ///   beginning             where the log begins now
    ///   end                   where the log ends now
    ///   1200                  this offset in every partition
    ///   0:1200,3:900          an offset for each partition; the others are left out
    ///   2026-01-31T08:00:00Z  the first record from this time on, by the log's time
    ///   lsn:16/B374D848       the first change at this position of the source's log or behind it;
    ///                         as an end, behind the last change before it. The topics are read to
    ///                         find it
    #[arg(long, value_name = "WHERE", default_value = "beginning", verbatim_doc_comment)]
    pub(crate) from: String,
    /// Where the range ends, in the same words; the record there is not part of it.
    #[arg(long, value_name = "WHERE", default_value = "end")]
    pub(crate) to: String,
}

impl RangeArgs {
    /// The two bounds.
    pub(crate) fn bounds(&self) -> Result<(Place, Place), crate::Failure> {
        Ok((bound("--from", &self.from)?, bound("--to", &self.to)?))
    }
}

fn bound(option: &'static str, text: &str) -> Result<Place, crate::Failure> {
    if let Some(position) = text.strip_prefix("lsn:") {
        let position = lsn(position).ok_or(crate::Failure::Lsn { option })?;
        return Ok(Place::Source(position));
    }
    text.parse().map(Place::Log).map_err(|error| crate::Failure::Bound { option, error })
}

/// A position as PostgreSQL writes it.
fn lsn(text: &str) -> Option<u64> {
    text.parse::<Lsn>().ok().map(|position| position.0)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn a_position_is_what_postgresql_writes() {
        assert_eq!(lsn("16/B374D848"), Some(0x16_b374_d848));
        assert_eq!(lsn("0/0"), Some(0));
        for wrong in ["", "16", "/1", "1/", "1/100000000", "+1/2", "1/2/3", "g/1"] {
            assert_eq!(lsn(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_definition_of_the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
