//! The broker and the database that everything is measured on, and the folder for files in between.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use cdc_stack::kafka::{Broker, BrokerOptions};
use cdc_stack::postgres::{Cluster, ClusterOptions, Durability, PostgresBinaries};
use tempfile::TempDir;

use super::options::Options;
use super::proc;

const PROGRAM: &str = "cdc-pipeline";

/// Everything that runs beside the measured process.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) broker: Broker,
    pub(crate) warehouse: Warehouse,
}

/// The database that is written to, the program that writes, and a folder for files in between.
#[derive(Debug)]
pub(crate) struct Warehouse {
    pub(crate) cluster: Cluster,
    pub(crate) psql: PathBuf,
    pub(crate) pipeline: PathBuf,
    folder: TempDir,
}

/// Processor time of the neighbours so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Neighbours {
    pub(crate) postgres: Duration,
    pub(crate) broker: Duration,
}

impl Stage {
    /// Starts broker and database, with commits that reach the disk.
    pub(crate) fn start(options: &Options) -> Result<Self> {
        let warehouse = Warehouse::start(options)?;
        let broker = Broker::start(&BrokerOptions::default())?;
        Ok(Self { broker, warehouse })
    }

    /// Lets files that are only in memory reach the disk, so that nobody pays for it later.
    pub(crate) fn flush_disk() -> Result<()> {
        let status = Command::new("sync").status().context("cannot run `sync`")?;
        ensure!(status.success(), "`sync` failed");
        Ok(())
    }

    pub(crate) fn neighbours(&self) -> Result<Neighbours> {
        let broker = self.broker.process_id().and_then(proc::cpu);
        let broker = broker.context("the broker has ended")?;
        Ok(Neighbours { postgres: self.warehouse.cpu()?, broker })
    }

    pub(crate) fn broker_version(&self) -> String {
        let log = fs::read_to_string(self.broker.log()).unwrap_or_default();
        let version = log.lines().find_map(|line| line.split_once("Kafka version: "));
        let version = version.and_then(|(_, rest)| rest.split_whitespace().next());
        version.unwrap_or_default().to_owned()
    }
}

impl Warehouse {
    /// Starts the database, with commits that reach the disk.
    pub(crate) fn start(options: &Options) -> Result<Self> {
        let pipeline = program(options.pipeline.as_deref())?;
        let psql = PostgresBinaries::find()?.program("psql");
        let durability = Durability::Full;
        let cluster = Cluster::start(ClusterOptions { durability, ..ClusterOptions::default() })?;
        let folder = tempfile::Builder::new().prefix("cdc-bench-").tempdir()?;
        Ok(Self { cluster, psql, pipeline, folder })
    }

    /// A file of this run.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Runs SQL and gives its rows as text.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> Result<String> {
        Ok(self.cluster.psql(database, sql)?)
    }

    /// Runs SQL that gives one number.
    pub(crate) fn number(&self, database: &str, sql: &str) -> Result<u64> {
        let text = self.sql(database, sql)?;
        text.trim().parse().with_context(|| format!("expected one number from `{sql}`"))
    }

    /// Brings the database to the same quiet state before each timed write.
    pub(crate) fn settle(&self, database: &str) -> Result<()> {
        self.sql(database, "CHECKPOINT").map(drop)
    }

    pub(crate) fn drop_database(&self, database: &str) -> Result<()> {
        self.sql("postgres", &format!("DROP DATABASE \"{database}\" WITH (FORCE)")).map(drop)
    }

    /// Processor time of all its processes so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let cpu = self.cluster.process_id().and_then(proc::cpu_of_family);
        cpu.context("the database has ended")
    }

    pub(crate) fn server_version(&self) -> String {
        self.sql("postgres", "SHOW server_version").unwrap_or_default()
    }
}

impl Neighbours {
    /// Time since an earlier look.
    pub(crate) fn since(self, earlier: Self) -> Self {
        Self {
            postgres: self.postgres.saturating_sub(earlier.postgres),
            broker: self.broker.saturating_sub(earlier.broker),
        }
    }
}

/// The program to measure: of the same build as this one, unless another is named.
fn program(given: Option<&Path>) -> Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_owned(),
        None => {
            std::env::current_exe().context("cannot find this program")?.with_file_name(PROGRAM)
        }
    };
    if path.is_file() {
        return Ok(path);
    }
    let profile = if cfg!(debug_assertions) { "" } else { "--release " };
    bail!(
        "cannot find {}: build it with `cargo build {profile}--package pipeline`",
        path.display()
    );
}
