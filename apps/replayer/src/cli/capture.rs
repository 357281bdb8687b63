//! What can be typed about a capture.

use std::path::PathBuf;

use clap::Args;

use super::RangeArgs;

pub(super) const HELP: &str = "\
The file has a header line and then one line of JSON for each record, in the order of each
partition: topic, partition, offset, the log's time, and key, value and headers exactly as
they are, in base64 where they are no UTF-8. `cdc-seed-data file` writes the same format, and
tests read it. It holds rows, so only its owner may read it.

Nothing is replaced: a file that exists is refused. The file appears when it is complete; a
capture that was stopped or killed leaves none. Neither the consumer group nor the warehouse
is touched, and the warehouse need not be there.

Examples:
  cdc-replayer capture --output all.jsonl
  cdc-replayer capture --table public.orders --from 0:1200 --to 0:1300 --output broken.jsonl
  cdc-replayer capture --topic shop.public.orders --from 2026-01-31T08:00:00Z --dry-run \\
    --output hour.jsonl";

/// What a capture is about.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that can be typed")]
pub(crate) struct CaptureArgs {
    /// The pipeline's configuration file.
    #[arg(long, value_name = "FILE", default_value = "pipeline.toml")]
    pub(crate) config: PathBuf,
    /// The file to write. It must not exist.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    /// Only the topics whose names end in this source table, as Debezium names them; may be given
    /// several times. Without it all topics of the file.
    #[arg(long = "table", value_name = "SCHEMA.TABLE", conflicts_with = "topics")]
    pub(crate) tables: Vec<String>,
    /// Only this topic of the configuration file; may be given several times.
    #[arg(long = "topic", value_name = "NAME")]
    pub(crate) topics: Vec<String>,
    /// Say which offsets it would hold, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Read at most so many records a second; 0 is without a limit.
    #[arg(long, value_name = "RECORDS", default_value_t = 0)]
    pub(crate) rate: u32,
    /// Print one JSON object at the end.
    #[arg(long)]
    pub(crate) json: bool,
}
