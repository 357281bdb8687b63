//! What can be typed.

use std::path::PathBuf;

use cdc_kafka::Bound;
use clap::{Args, Parser, Subcommand};

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

Exit codes:
  0    the whole part was read
  2    configuration: fix the file or the command line
  3    data: a part of the range is gone from Kafka, or a person has to decide
  4    environment: something around the program is missing or refuses
  5    what was in flight did not finish within the drain limit; start again, it goes on
  130  stopped before the end; start again with the same range, and it goes on

Logs go to standard error. RUST_LOG sets their level, for example RUST_LOG=debug.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Bring back the rows that history tables have lost.
    #[command(after_long_help = REPAIR_HELP)]
    Repair(RepairArgs),
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

Where a range begins and ends (--from is part of it, --to is not):
  beginning                  where the log begins now
  end                        where the log ends now
  1200                       this offset in every partition
  0:1200,3:900               an offset for each partition; the others are left out
  2026-01-31T08:00:00Z       the first record from this time on, by the log's time

Examples:
  cdc-replayer repair --from 2026-01-31T08:00:00Z --to 2026-01-31T09:00:00Z --dry-run
  cdc-replayer repair --table public.orders --rate 20000

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
    /// Where the range begins: beginning, an offset, an offset for each partition, or a time.
    #[arg(long, value_name = "WHERE", default_value = "beginning")]
    pub(crate) from: String,
    /// Where the range ends: end, an offset, an offset for each partition, or a time.
    #[arg(long, value_name = "WHERE", default_value = "end")]
    pub(crate) to: String,
    /// Only this source table, as the file names it; may be given several times. Without it all that
    /// are kept as a history.
    #[arg(long = "table", value_name = "SCHEMA.TABLE")]
    pub(crate) tables: Vec<String>,
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
    /// The two bounds.
    pub(crate) fn bounds(&self) -> Result<(Bound, Bound), crate::Failure> {
        let parse = |option: &'static str, text: &str| {
            text.parse().map_err(|error| crate::Failure::Bound { option, error })
        };
        Ok((parse("--from", &self.from)?, parse("--to", &self.to)?))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
