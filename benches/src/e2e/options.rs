//! The command line of `bench-e2e`.

use std::path::PathBuf;

use cdc_workload::SchemaBlock;
use clap::{Parser, ValueEnum};

/// Measures the pipeline on a real broker and database that it starts itself.
///
/// A topic is filled with seeded traffic on orders. Then, on the same machine and in one run: COPY of
/// the same rows on one connection, reading the topic alone, the pipeline keeping a history, the
/// pipeline keeping a mirror; after that latency, memory at rest and the time to start. The table goes
/// to standard output, and with all runs to the results folder.
#[derive(Debug, Clone, Parser)]
#[command(name = "bench-e2e", version)]
pub struct Options {
    /// Measure the pipeline as it reads PostgreSQL itself, on a source and a warehouse without Kafka:
    /// beside COPY of the same rows, `pg_recvlogical` for the same changes, and a pipe of two COPY for
    /// the snapshot. Options about the topic do not matter then.
    #[arg(long, conflicts_with_all = ["against", "schema_block", "compression"])]
    pub native: bool,
    /// Changes in the topic or in the source's log, and with `--native` rows of the snapshot; deletes bring a
    /// tombstone each on top in the topic.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1_000..))]
    pub changes: u64,
    /// Repetitions of each measurement; medians are reported.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub runs: u32,
    /// Measure these parts only. `raw` needs a drain in history mode to have rows, which then is
    /// reported too.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub only: Vec<Part>,
    /// Messages with Connect's schema block, without, or one after the other.
    #[arg(long, value_enum, default_value_t = Shapes::Both)]
    pub schema_block: Shapes,
    /// How the broker keeps the messages. Kafka Connect's producers do not compress unless told to.
    #[arg(long, value_enum, default_value_t = Compression::None)]
    pub compression: Compression,
    /// Where the report goes.
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/results"))]
    pub results: PathBuf,
    /// The program to measure; without it `cdc-pipeline` beside this program.
    #[arg(long, value_name = "FILE")]
    pub pipeline: Option<PathBuf>,
    /// Measure history and mirror with this program as well, in turns, and report how the two compare.
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
}

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Reading the topic, or the slot with `pg_recvlogical`, and dropping every batch.
    Read,
    /// COPY of the history's rows from memory.
    Raw,
    /// The pipeline, one row per change.
    History,
    /// The pipeline, one row per key.
    Mirror,
    /// With `--native`: the pipeline reading a full table, and COPY piped into COPY.
    Snapshot,
    /// From a written message, or an answered commit, to a visible row.
    Latency,
    /// Memory at rest.
    Idle,
}

/// Which forms of messages are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Shapes {
    /// With schema block.
    On,
    /// Without.
    Off,
    /// Without, then with.
    Both,
}

/// Compression of the topic, whatever the producer does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compression {
    /// None.
    None,
    /// LZ4, in which the schema block all but disappears.
    Lz4,
}

impl Compression {
    /// The value of the topic's setting `compression.type`.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            Self::None => "uncompressed",
            Self::Lz4 => "lz4",
        }
    }
}

impl Options {
    /// Whether a part was asked for.
    pub fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// The forms of messages, in the order in which they are measured.
    pub fn shapes(&self) -> &'static [SchemaBlock] {
        match self.schema_block {
            Shapes::On => &[SchemaBlock::With],
            Shapes::Off => &[SchemaBlock::Without],
            Shapes::Both => &[SchemaBlock::Without, SchemaBlock::With],
        }
    }
}
