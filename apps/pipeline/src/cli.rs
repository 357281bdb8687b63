//! What can be typed.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// Brings changes that Debezium captured into warehouse tables: exactly, once, within milliseconds.
#[derive(Debug, Parser)]
#[command(name = "cdc-pipeline", version, propagate_version = true, after_long_help = OVERVIEW)]
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

Exit codes:
  0  stopped as asked, or nothing found wrong
  2  configuration: fix the file or the command line
  3  data or schema: a person has to decide
  4  environment: something around the program is missing (only at start; a running pipeline waits)
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
    Check(ConfigArgs),
    /// Show the whole thing with nothing set up: starts what it needs, makes traffic, verifies.
    Demo(DemoArgs),
}

const EXAMPLE: &str = r#"A complete configuration:

  [pipeline]
  name = "orders"                  # whose progress is kept; two pipelines need two names

  [source.kafka]
  brokers = "localhost:9092"
  topics  = ["dbserver1.public.orders"]
  group   = "orders-warehouse"

  [sink.postgres]
  url = { env = "WAREHOUSE_URL" }  # secrets only by reference: { env = … } or { file = … }

  [[table]]
  source = "public.orders"
  target = "public.orders_fact"
  mode   = "history"               # a row per change; or "mirror": a row per key
  # Only for messages without a schema block: what their numbers and texts mean.
  columns = { amount = "decimal(10,2)", created_at = "timestamp(micros)", updated_at = "timestamp(micros)" }

  [[table.rule]]                   # optional, in order
  kind    = "required"
  columns = ["customer_id"]

Progress is one line per interval; with --json it is one JSON object per interval.
Stop with SIGTERM or Ctrl-C: what is in flight is finished first, and nothing is lost or doubled
whatever happens, because progress is stored in the same transaction as the rows."#;

#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file.
    #[arg(short, long, value_name = "FILE", default_value = "pipeline.toml")]
    pub(crate) config: PathBuf,
    /// Print JSON for machines.
    #[arg(long)]
    pub(crate) json: bool,
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
    #[arg(short, long, value_name = "FILE", default_value = "pipeline.toml")]
    pub(crate) config: PathBuf,
    /// Print the SQL instead of running it.
    #[arg(long)]
    pub(crate) print_sql: bool,
    /// Move an `orders_fact` of the system that this one replaces aside as `orders_fact_seed`; the
    /// new one is filled again from the topic.
    #[arg(long)]
    pub(crate) adopt: bool,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that can be typed")]
pub(crate) struct DemoArgs {
    /// How many changes to make in the source.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    pub(crate) changes: u64,
    /// Leave everything running and print how to connect; Ctrl-C ends it.
    #[arg(long)]
    pub(crate) keep: bool,
    /// Print one JSON object at the end.
    #[arg(long)]
    pub(crate) json: bool,
}
