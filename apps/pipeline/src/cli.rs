//! What can be typed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cdc_postgres::VerifyOptions;
use clap::{Args, Parser, Subcommand};

use crate::dead_letters::{DeadLetters, OVERVIEW as DEAD_LETTERS};

/// The configuration file that is read when none is named.
pub(crate) const CONFIG_DEFAULT: &str = "pipeline.toml";

/// The version, with the commit that the program was built from.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("CDC_COMMIT"), ")");

/// Brings changes that Debezium captured into warehouse tables: exactly, once, within milliseconds.
#[derive(Debug, Parser)]
#[command(name = "cdc-pipeline", version = VERSION, propagate_version = true, after_long_help = OVERVIEW)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const OVERVIEW: &str = "\
A first look that needs no configuration:
  cdc-pipeline demo

On your own tables:
  1. write pipeline.toml (see `cdc-pipeline run --help`)
  2. cdc-pipeline init  --config pipeline.toml   creates the state tables, once
  3. cdc-pipeline check --config pipeline.toml   says what is missing, with fixes to paste
  4. cdc-pipeline run   --config pipeline.toml   runs until SIGTERM or Ctrl-C

Whether the warehouse holds what the source holds:
  cdc-pipeline verify

Which records could not be applied, and what to do about them:
  cdc-pipeline dead-letters list

Which source type goes into which column type:
  cdc-pipeline explain types

Exit codes:
  0  stopped as asked, or nothing found wrong
  2  configuration: fix the file or the command line
  3  data or schema: a person has to decide
  4  environment: something around the program is missing or refuses; a running pipeline waits for
     what comes back by itself, and ends with this for what a person has to mend
  5  what was in flight did not finish within the drain limit; nothing is lost, start again
  130  a second signal came while draining

Logs go to standard error. RUST_LOG sets their level, for example RUST_LOG=debug.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the pipeline.
    #[command(after_long_help = EXAMPLE)]
    Run(RunArgs),
    /// Create the state tables and, for the orders tables, tables and views in the warehouse.
    Init(InitArgs),
    /// Look at everything a run needs and say what is missing, with a fix for each.
    #[command(after_long_help = CHECK_EXIT_CODES)]
    Check(CheckArgs),
    /// Follow a source that was restored or replaced from where it stands now, and record why.
    #[command(after_long_help = ACCEPT_SOURCE)]
    AcceptSource(AcceptSourceArgs),
    /// Pass over what a topic lost before it was read, and record why.
    #[command(after_long_help = ACCEPT_GAP)]
    AcceptGap(AcceptTopicArgs),
    /// Follow a topic that was created again from its beginning, and record why.
    #[command(after_long_help = ACCEPT_INCARNATION)]
    AcceptIncarnation(AcceptTopicArgs),
    /// Follow a topic that was given more partitions, and record why.
    #[command(after_long_help = ACCEPT_PARTITIONS)]
    AcceptPartitions(AcceptTopicArgs),
    /// Compare the source's tables with the warehouse's, while traffic goes on.
    #[command(after_long_help = VERIFY_HELP)]
    Verify(VerifyArgs),
    /// Show what became of the records of each range, and whether the books balance.
    #[command(after_long_help = LEDGER)]
    Ledger(ConfigArgs),
    /// Look at records that could not be applied, retry them, put them aside.
    #[command(subcommand, after_long_help = DEAD_LETTERS)]
    DeadLetters(DeadLetters),
    /// Say what the pipeline knows, without a configuration and without a connection.
    #[command(subcommand)]
    Explain(ExplainTopic),
    /// Show the whole thing with nothing set up: starts what it needs, makes traffic, verifies.
    Demo(DemoArgs),
}

impl Command {
    /// The configuration file that was named, or that is read without a name.
    pub(crate) fn config(&self) -> Option<&Path> {
        match self {
            Self::Run(arguments) => Some(&arguments.common.config),
            Self::Init(arguments) => Some(&arguments.config),
            Self::Check(arguments) => Some(&arguments.common.config),
            Self::AcceptSource(arguments) => Some(&arguments.config),
            Self::AcceptGap(arguments)
            | Self::AcceptIncarnation(arguments)
            | Self::AcceptPartitions(arguments) => Some(&arguments.config),
            Self::Verify(arguments) => Some(&arguments.common.config),
            Self::Ledger(arguments) => Some(&arguments.config),
            Self::DeadLetters(command) => Some(&command.common().config),
            Self::Demo(_) | Self::Explain(_) => None,
        }
    }
}

const ACCEPT_SOURCE: &str = "\
A pipeline halts when a change was committed later than everything it has seen and stands earlier
in the source's log: that happens when the source was restored from a backup or replaced by
another server. Changes may then be in the warehouse that the source has forgotten, and others
may be missing. Compare both first. This command forgets how far each connector had sent, so that
the next change of each is new whatever its position, and writes the decision and the reason into
cdc.decision. Stop the pipeline before. Rows and progress stay as they are.";

#[derive(Debug, Args)]
pub(crate) struct AcceptSourceArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    pub(crate) config: PathBuf,
    /// Why, for those who read the data later.
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) reason: String,
}

const ACCEPT_GAP: &str = "\
A pipeline halts when retention has removed records of a topic before it had read them: it says
which partition, where it was to go on, and where the topic begins now. Nothing is ever passed
over by itself, because nobody can tell what was lost. The safe way is to start over with a new
snapshot of the tables.

This command goes on without what is gone: it moves the checkpoint of each partition of the topic
to where the topic begins now, enters the range that was passed over into cdc.ledger, where
`cdc-pipeline ledger` shows it, and writes the decision and the reason into cdc.decision.
Partitions that lost nothing are left alone. A pipeline that runs meanwhile is fenced. Rows stay
as they are: `cdc-pipeline verify` says which of them now differ from the source. Lengthen the
topic's retention afterwards.";

const ACCEPT_INCARNATION: &str = "\
A pipeline halts when a topic ends before the position that was applied, or holds other records
than those that were read: then it was deleted and created again, or truncated. What the old topic
held and the pipeline had not read is gone, and the new one may hold a new snapshot, a part of the
old topic, or new changes only. Find out which, and compare with `cdc-pipeline verify`.

This command follows the topic as it is now, from its beginning, in a new generation: its rows are
newer than all rows of the old topic, whatever their offsets. The old checkpoints stay as they
were, and the decision and the reason go into cdc.decision. What the new topic repeats of the old
one is recognised by the source's positions and skipped, as long as the topic has as many
partitions as before; a new snapshot is not, and is a second row for each row in a history. A
topic that still holds what was applied of it is left alone. Stop the pipeline before.";

const ACCEPT_PARTITIONS: &str = "\
With more partitions, keys move: the newest change of a key may stand in another partition than
the one before it, at a lower offset. A pipeline refuses such a topic until it is known that
everything in the old partitions is older than everything that comes. That takes a pause:
  1. pause the connector, and let the pipeline apply everything that the topic holds
  2. stop the pipeline, and add the partitions
  3. run this command: it makes sure that everything in the old partitions is applied and the
     new ones are empty, and begins a new generation, whose rows are newer than all before
  4. start the pipeline, and resume the connector
The decision and the reason are written into cdc.decision. Where partitions were added without a
pause, start over instead, as \"Starting over\" in the README says.";

#[derive(Debug, Args)]
pub(crate) struct AcceptTopicArgs {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    pub(crate) config: PathBuf,
    /// The topic, one of those in the configuration.
    #[arg(long)]
    pub(crate) topic: String,
    /// Why, for those who read the data later.
    #[arg(long, value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) reason: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ExplainTopic {
    /// Which type of a source goes into which type of a column, and what is checked.
    #[command(after_long_help = EXPLAIN_TYPES)]
    Types(TypesArgs),
}

const EXPLAIN_TYPES: &str = "\
A value arrives exactly as it was in the source, or its record becomes a dead letter that names the
column and the reason. Nothing is rounded, cut or shifted.

Each line is a pair of types:
  source     what a column of the source holds, as [table.columns] declares it; a schema block in
             the messages says the same
  column     the type of the target's column; an array of the source type goes into an array of it
  condition  `always` when every value fits; otherwise what the columns must have in common, or
             that each value is checked while a batch is written

A pair that is not listed is refused by `check`, and by `run` before it writes anything, with the
type to change the column to. So are timestamps without a zone in a timestamptz column and the
reverse, since no zone may be guessed, floats in a numeric column, and text in date columns.

A type that the connector does not know (tsquery, multiranges, composite types, extensions) arrives
with include.unknown.datatypes=true as the bytes of its text form. Rows of such a table are written
as text instead of binary form, which is decided when the table is planned; values are checked as
strictly. If the connector's binary.handling.mode is not bytes, declare the column: as bytes with
base64, as bytes(hex) with hex, as bytes(base64url) with base64-url-safe.";

#[derive(Debug, Args)]
pub(crate) struct TypesArgs {
    /// Print JSON for machines, with the binary form and the reason of each pair.
    #[arg(long)]
    pub(crate) json: bool,
}

const CHECK_EXIT_CODES: &str = r#"Findings go to standard output, each with a fix. Nothing is changed, and no group is joined.

With this section `check` also compares declared types, `before` and what the connector loses with
the catalog of the source, for which the right to connect suffices. `verify` reads it as well.

  [source.postgres]
  url = { env = "SOURCE_URL" }
  # The connector's options as far as they are not its defaults:
  connector = { version = "3.4", decimal_handling_mode = "string" }

Exit codes:
  0  nothing stands in the way of a run; there may be warnings
  2  configuration: the file or the command line has to be corrected, or `init` to be run
  3  data or schema: tables, columns, types or the sampled records do not fit together
  4  environment: the broker, the warehouse or a named source cannot be reached, or a right lacks
Of several kinds, 4 comes before 2, and 2 before 3."#;

const VERIFY_HELP: &str = "\
The configuration says where the source database is:
  [source.postgres]
  url = { env = \"SOURCE_URL\" }

The source is read under one snapshot, a mirror as it is, a history folded to the newest row of
each key. Both servers digest their rows; where digests differ, keys are compared. A key that
differs is read again, with the log applied to its end in between, until the warehouse shows a
state that the source had (equal), or has stayed different for --stable-for (a difference). Keys
that change all the time are counted as moving. Nothing is written on either side. Values are not
printed, beside those of keys.

Columns that only one side has, that rules drop or hash, or whose types have no common form are
not compared; they are named. The role in the source needs SELECT on the tables.

Exit codes:
  0  every table is equal, or equal but for keys that were still moving
  2  configuration: the file or the command line has to be corrected
  3  differences; or a table that cannot be compared or judged
  4  environment: a database cannot be reached, or a right is missing";

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    pub(crate) common: ConfigArgs,
    /// Compare the table with this source only; may be repeated.
    #[arg(long, value_name = "SCHEMA.NAME")]
    pub(crate) table: Vec<String>,
    /// The environment variable that holds the address of the source database, instead of
    /// `url` in [source.postgres].
    #[arg(long, value_name = "NAME")]
    pub(crate) source_url_env: Option<String>,
    /// How long the warehouse has to stay different before a key counts as a difference: longer
    /// than the connector needs to write a change into the log.
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    stable_for: u64,
    /// How long keys that differ are read again at the most, for each table.
    #[arg(long, value_name = "SECONDS", default_value_t = 120,
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    patience: u64,
    /// How many differing keys are listed for each table.
    #[arg(long, value_name = "KEYS", default_value_t = 20)]
    limit: usize,
}

impl VerifyArgs {
    pub(crate) fn options(&self) -> VerifyOptions {
        VerifyOptions {
            stable_for: Duration::from_secs(self.stable_for),
            patience: Duration::from_secs(self.patience),
            limit: self.limit,
        }
    }
}

const LEDGER: &str = "\
Every batch enters into cdc.ledger, for each partition, which offsets it covers and what became of
the records in them: written, folded (replaced by a later change of the key in the same batch, in
a mirror), skipped for a named reason, or kept as a dead letter. The entry is a part of the
transaction that writes the rows and moves the checkpoint.

The books balance when the entries of each partition follow each other without hole or overlap,
each accounts for all records that it read, and the last ends where the checkpoint stands. A
pipeline may run meanwhile. It watches its checkpoints and logs an error when one was moved.

What an operator decided about the pipeline (the accept commands) follows the books, and so do
offsets that were passed over by such a decision.

Entries older than `ledger_retention` in [sink.postgres] (7 days unless set) are removed.

Exit codes:
  0  the books balance
  2  configuration: the file has to be corrected, or `init` to be run
  3  the books do not balance: each place is printed with what to do next
  4  environment: the warehouse cannot be reached, or a right is missing";

const EXAMPLE: &str = r#"A complete configuration:

  [pipeline]
  name = "orders"                  # whose progress is kept; one name each

  [source.kafka]
  brokers = "localhost:9092"
  topics  = ["dbserver1.public.orders"]
  group   = "orders-warehouse"

  [sink.postgres]
  url = { env = "WAREHOUSE_URL" }  # secrets by reference: env or file

  [[table]]
  source = "public.orders"
  target = "public.orders_fact"
  mode   = "history"               # a row per change; "mirror": a row per key

  [table.columns]                  # only for messages without a schema block
  amount     = "decimal(10,2)"
  created_at = "timestamp(micros)"
  updated_at = "timestamp(micros)"

  [[table.rule]]                   # optional, in order
  kind    = "required"
  columns = ["customer_id"]

Progress is one line per interval, a view on a terminal, or with --json one JSON object per
interval.
Stop with SIGTERM or Ctrl-C: what is in flight is finished first, and nothing is lost or doubled
whatever happens, because progress is stored in the same transaction as the rows.

Without [source.kafka] the pipeline reads PostgreSQL itself, through a replication slot. Then
[[table]] has no columns: types come from the source. `init --print-sql` prints the roles.

  [source.postgres]
  url = { env = "SOURCE_URL" }
  # slot, publication: names; default the pipeline's name with _ for -"#;

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    pub(crate) config: PathBuf,
    /// Print JSON for machines.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    pub(crate) common: ConfigArgs,
    /// How long to wait for a broker, a warehouse or a source that cannot be reached.
    #[arg(long, value_name = "SECONDS", default_value_t = 10,
          value_parser = clap::value_parser!(u64).range(0..=86_400))]
    wait: u64,
}

impl CheckArgs {
    /// How long to wait for what cannot be reached.
    pub(crate) fn patience(&self) -> Duration {
        Duration::from_secs(self.wait)
    }
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) common: ConfigArgs,
    /// End when every partition has been read to the end that it had.
    #[arg(long)]
    pub(crate) until_caught_up: bool,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that can be typed")]
pub(crate) struct InitArgs {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", default_value = CONFIG_DEFAULT)]
    pub(crate) config: PathBuf,
    /// Print the SQL instead of running it.
    #[arg(long)]
    pub(crate) print_sql: bool,
    /// Move an `orders_fact` of the system that this one replaces aside as `orders_fact_seed`; the
    /// new one is filled again from the topic. What has to move depends on what is there, so this
    /// cannot be printed.
    #[arg(long, conflicts_with = "print_sql")]
    pub(crate) adopt: bool,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that can be typed")]
pub(crate) struct DemoArgs {
    /// How many changes to make in the source.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) changes: u64,
    /// Bring the changes over Kafka and Debezium instead of reading the source itself. Needs Java and
    /// Maven.
    #[arg(long)]
    pub(crate) kafka: bool,
    /// The folder with PostgreSQL's programs; without it those that are found on this machine.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) pg_bin: Option<PathBuf>,
    /// Leave everything running and print how to connect; Ctrl-C ends it.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Print one JSON object at the end.
    #[arg(long)]
    pub(crate) json: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::config::Settings;

    #[test]
    fn the_definition_of_the_command_line_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_configuration_in_the_help_can_be_used_and_is_not_wrapped() {
        let (_, example) = EXAMPLE.split_once("\n\n").expect("a heading");
        let (example, _) = example.split_once("Progress is").expect("the text after it");
        let example = example.replace("{ env = \"WAREHOUSE_URL\" }", "\"postgres://localhost/a\"");
        let settings = Settings::parse("help", &example, Path::new(".")).expect("a configuration");
        let table = settings.tables.first().expect("a table");
        assert_eq!(table.declarations.columns().count(), 3);
        let all = [
            EXAMPLE,
            OVERVIEW,
            CHECK_EXIT_CODES,
            VERIFY_HELP,
            EXPLAIN_TYPES,
            ACCEPT_SOURCE,
            ACCEPT_GAP,
            ACCEPT_INCARNATION,
            ACCEPT_PARTITIONS,
            LEDGER,
            DEAD_LETTERS,
        ];
        for help in all {
            let long = help.lines().find(|line| line.len() > 99);
            assert_eq!(long, None, "clap wraps at 100 columns");
        }
    }
}
