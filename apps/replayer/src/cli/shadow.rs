//! What can be typed about a table that is built a second time.

use std::path::PathBuf;

use clap::Args;

use super::RangeArgs;

pub(super) const REBUILD_HELP: &str = "\
The rows go into a shadow, a table beside the live one whose name ends in _shadow, through the
same decoder and rules, while the pipeline runs. The shadow has a checkpoint of its own: a
rebuild that was stopped or killed goes on where it stood when it is started again with the
same --from and --topic. Nothing of the live table, the pipeline's checkpoint or its books is touched.

  cdc-replayer rebuild --table public.orders     build the shadow
  cdc-replayer diff    --table public.orders     what is different?
  cdc-replayer swap    --table public.orders     make the live table equal to it
  cdc-replayer discard --table public.orders     or drop it

A rebuild begins with offset 0, and is refused when Kafka does not have that any more: what made
or deleted a row is gone then. A mirror can begin later, at an offset or a time from which
on everything that is in it was sent, as after a new snapshot; say so with --from. A history
cannot: `repair` brings back its rows from a part.

A topic that is compacted does not hold the whole story, and is refused without --compacted.

Where a topic was created again, or given more partitions, what came before stands in another
place, and its tables cannot be rebuilt.";

pub(super) const DIFF_HELP: &str = "\
The shadow is first read on to where the pipeline stands. For the last of it the writers of the
live table wait, most often less than a second; both tables are then compared as they were at that
moment, while everything goes on. Readers never wait.

Named are the keys of rows that only one side has, and of those whose values differ; other
values are not printed. Columns that the warehouse fills by itself, such as a sequence or the
time of writing, are not compared.

Exit codes: 0 when nothing differs, 3 when something does.";

pub(super) const SWAP_HELP: &str = "\
The shadow is read on to where the pipeline stands, the last of it while the writers of the live
table wait. Then one transaction removes the rows that the shadow does not have, changes those that
differ and adds those that are missing, and drops the shadow. Readers never wait, and see
everything before or everything after it. The table itself stays, with all that hangs on it:
views, grants, indexes, foreign keys, triggers, sequences, comments. The pipeline goes on behind it,
with nothing lost and nothing applied twice.

The pipeline waits while the server compares both tables: some seconds for a million rows. When its
locks are not granted in time (lock_timeout in [sink.postgres]), or anything else is in the way,
nothing is changed, and the shadow stays.

There is no way back but another rebuild: look at `cdc-replayer diff` first. Rows that only the live
table has are removed when --remove allows so many: a topic that is compacted, or that was read from
a later place, does not hold all that is right. A shadow without any row is refused.

Columns of the live table that the pipeline does not write become what they are in a new row,
NULL or their default: keep notes of your own in a table of their own.";

/// Which table.
#[derive(Debug, Args)]
pub(crate) struct TableArgs {
    /// The pipeline's configuration file.
    #[arg(long, value_name = "FILE", default_value = "pipeline.toml")]
    pub(crate) config: PathBuf,
    /// The source table, as the file names it. Needed when there are several.
    #[arg(long, value_name = "SCHEMA.TABLE")]
    pub(crate) table: Option<String>,
    /// Read at most so many records a second, but while writers wait; 0 is without a limit.
    #[arg(long, value_name = "RECORDS", default_value_t = 0)]
    pub(crate) rate: u32,
    /// Print one JSON object at the end.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What a rebuild is about.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that can be typed")]
pub(crate) struct RebuildArgs {
    #[command(flatten)]
    pub(crate) common: TableArgs,
    #[command(flatten)]
    pub(crate) range: RangeArgs,
    /// Read only this topic of the configuration file, and neither look at the others nor need them; may
    /// be given several times. Without it the topics that are named after the table, as Debezium
    /// names them, if every topic of the file is named after one of its tables; otherwise all.
    #[arg(long = "topic", value_name = "NAME")]
    pub(crate) topics: Vec<String>,
    /// Rebuild from topics that are compacted all the same. What compaction has removed is missing from
    /// the shadow then: look at `cdc-replayer diff` before the swap.
    #[arg(long)]
    pub(crate) compacted: bool,
    /// Say which offsets it would read, and create nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What a comparison is about.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    #[command(flatten)]
    pub(crate) common: TableArgs,
    /// Name at most so many keys of each kind.
    #[arg(long, value_name = "KEYS", default_value_t = 20)]
    pub(crate) limit: u32,
}

/// What an exchange is about.
#[derive(Debug, Args)]
pub(crate) struct SwapArgs {
    #[command(flatten)]
    pub(crate) common: TableArgs,
    /// Remove at most so many rows that the shadow does not have.
    #[arg(long, value_name = "ROWS", default_value_t = 0)]
    pub(crate) remove: u64,
}

/// Which shadow is dropped.
#[derive(Debug, Args)]
pub(crate) struct DiscardArgs {
    /// The pipeline's configuration file.
    #[arg(long, value_name = "FILE", default_value = "pipeline.toml")]
    pub(crate) config: PathBuf,
    /// The source table, as the file names it. Needed when there are several.
    #[arg(long, value_name = "SCHEMA.TABLE")]
    pub(crate) table: Option<String>,
    /// Print one JSON object at the end.
    #[arg(long)]
    pub(crate) json: bool,
}
