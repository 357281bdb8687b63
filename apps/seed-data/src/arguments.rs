//! The command line. Its help is the program's manual.

use std::path::PathBuf;

use cdc_workload::{Hostility, Mix, SchemaBlock, WorkloadOptions};
use clap::{Args, Parser, Subcommand};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const EXAMPLES: &str = "\
Examples:
  One change a second into a source database, until Ctrl-C:
    cdc-seed-data sql --url postgres://postgres@localhost/orders_db --create-table

  A table of 100,000 rows, then 1,000 changes a second:
    cdc-seed-data sql --url postgres://postgres@localhost/orders_db --preload 100000 --rate 1000

  A million changes into Kafka as Debezium would write them, as fast as it goes:
    cdc-seed-data kafka --brokers localhost:9092 --count 1000000

  A small file of everything that breaks software, the same on every machine:
    cdc-seed-data file hostile.jsonl --hostile --seed 7 --count 1000

Exit codes: 0 done or stopped as asked, 2 wrong usage, 4 something outside is missing or refuses.";

/// Makes seeded traffic on a table of orders: inserts, updates and deletes, realistic or hostile.
///
/// The same seed and options make the same changes. Ctrl-C ends a run in order; a second one at once.
#[derive(Debug, Parser)]
#[command(name = "cdc-seed-data", version, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) target: Target,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Target {
    /// Execute the changes in a source PostgreSQL (through psql), for Debezium to capture.
    Sql(Sql),
    /// Write the Debezium messages of the changes to a Kafka topic; no source database is involved.
    Kafka(Kafka),
    /// Write the Debezium messages of the changes to a capture file, as lines of JSON.
    File(File),
}

/// `cdc-seed-data sql`
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Sql {
    /// Database with the table public.orders, as postgres://user@host:port/database.
    #[arg(long, env = "SOURCE_URL", hide_env_values = true)]
    pub(crate) url: String,
    /// Create the table public.orders if it is missing, with REPLICA IDENTITY FULL.
    #[arg(long)]
    pub(crate) create_table: bool,
    #[command(flatten)]
    pub(crate) volume: Volume,
    #[command(flatten)]
    pub(crate) traffic: Traffic,
}

/// `cdc-seed-data kafka`
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct Kafka {
    /// Brokers, as host:port, separated by commas.
    #[arg(long, env = "KAFKA_BROKERS", default_value = "localhost:9092")]
    pub(crate) brokers: String,
    /// Partitions of the topic, if it has to be created.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..=10_000))]
    pub(crate) partitions: i32,
    #[command(flatten)]
    pub(crate) volume: Volume,
    #[command(flatten)]
    pub(crate) messages: Messages,
    #[command(flatten)]
    pub(crate) traffic: Traffic,
}

/// `cdc-seed-data file`
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct File {
    /// The file to write. An earlier capture there is replaced, anything else is not.
    pub(crate) path: PathBuf,
    /// Partitions over which keys are spread, as Kafka's producers do.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) partitions: u32,
    #[command(flatten)]
    pub(crate) volume: Volume,
    #[command(flatten)]
    pub(crate) messages: Messages,
    #[command(flatten)]
    pub(crate) traffic: Traffic,
}

/// How much, and how fast.
#[derive(Debug, Args)]
pub(crate) struct Volume {
    /// Changes a second; 0 for no limit. Default: 1 for sql, otherwise no limit.
    #[arg(long, value_name = "CHANGES")]
    rate: Option<u32>,
    /// Changes to make; 0 to go on until stopped. Default: 0 for sql, otherwise 10000.
    #[arg(long, value_name = "CHANGES")]
    count: Option<u64>,
}

/// Changes that are made as messages unless the number is given.
const MESSAGES_DEFAULT: u64 = 10_000;

impl Volume {
    /// Rate and count for a database, which is used while it changes.
    pub(crate) fn of_sql(&self) -> (u32, u64) {
        (self.rate.unwrap_or(1), self.count.unwrap_or(0))
    }

    /// Rate and count for messages, which are wanted as a whole.
    pub(crate) fn of_messages(&self) -> (u32, u64) {
        (self.rate.unwrap_or(0), self.count.unwrap_or(MESSAGES_DEFAULT))
    }
}

/// What concerns messages, but not SQL.
#[derive(Debug, Args)]
pub(crate) struct Messages {
    /// The topic. What stands before ".public.orders" is the connector's name in the messages.
    #[arg(long, default_value = "dbserver1.public.orders")]
    pub(crate) topic: String,
    /// Put the schema into every message, as {"schema":…,"payload":…}.
    #[arg(long)]
    pub(crate) schema_block: bool,
    /// The first new key. A second run into one topic goes on where the first ended.
    #[arg(long, default_value_t = 1, value_name = "ORDER_ID",
          value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) first_key: i32,
}

/// What concerns all traffic.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Traffic {
    /// Number that names the stream of changes.
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
    /// Most rows that live at one time.
    #[arg(long, default_value_t = 10_000, value_name = "ROWS",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) keys: u32,
    /// Weights of insert:update:delete.
    #[arg(long, default_value = "4:1:1", value_name = "I:U:D", allow_hyphen_values = true)]
    pub(crate) mix: Mix,
    /// Changes in each transaction.
    #[arg(long, default_value_t = 1, value_name = "CHANGES",
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) per_transaction: u32,
    /// Rows to load first, with COPY, at full speed and beside --count.
    #[arg(long, default_value_t = 0, value_name = "ROWS")]
    pub(crate) preload: u32,
    /// Mix in NULLs, boundary numbers, text that breaks quoting and encodings, changed keys.
    #[arg(long)]
    pub(crate) hostile: bool,
    /// Time of the first change, as 2024-01-01T00:00:00Z, from which times go on by a second on
    /// average. By default a file starts there, and sql and kafka use the present time.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub(crate) start: Option<OffsetDateTime>,
    /// Show no progress.
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Print the final summary as one JSON object.
    #[arg(long)]
    pub(crate) json: bool,
}

impl Traffic {
    /// The description of the stream, with keys from `first_order_id`.
    pub(crate) fn options(&self, first_order_id: i32) -> WorkloadOptions {
        let defaults = WorkloadOptions::default();
        let start = self
            .start
            .and_then(|start| i64::try_from(start.unix_timestamp_nanos().div_euclid(1000)).ok());
        WorkloadOptions {
            seed: self.seed,
            keys: self.keys,
            mix: self.mix,
            changes_per_transaction: self.per_transaction,
            hostility: if self.hostile { Hostility::Hostile } else { Hostility::Realistic },
            first_order_id,
            start_micros: start.unwrap_or(defaults.start_micros),
            ..defaults
        }
    }
}

impl Messages {
    pub(crate) fn schema_block(&self) -> SchemaBlock {
        if self.schema_block { SchemaBlock::With } else { SchemaBlock::Without }
    }

    /// The connector's name, which is the topic's prefix.
    pub(crate) fn server(&self) -> &str {
        self.topic.strip_suffix(".public.orders").unwrap_or(&self.topic)
    }
}

fn parse_time(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|_| "expected a time with zone, as 2024-01-01T00:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Arguments;

    #[test]
    fn the_definition_of_the_command_line_holds_together() {
        Arguments::command().debug_assert();
    }
}
