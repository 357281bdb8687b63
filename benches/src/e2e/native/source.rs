//! The database that is read: a server of its own, its traffic, and what must come out of it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use cdc_stack::postgres::{Cluster, ClusterOptions, Durability};
use cdc_workload::{Oracle, Workload, WorkloadOptions, sql};

use super::super::pipeline::{Mode, Setup};
use super::super::proc;
use super::super::stage::Warehouse;
use crate::inputs;

/// Changes that are committed together, as an application's transaction has some.
pub(crate) const CHANGES_PER_TRANSACTION: u32 = 10;

/// The publication that everybody reads.
pub(crate) const PUBLICATION: &str = "bench";

/// The database of the stream.
pub(crate) const STREAMED: &str = "streamed";
/// The database whose table is copied.
pub(crate) const COPIED: &str = "copied";

/// Bytes of SQL that are handed to one psql, so that memory holds a part of the traffic only.
const PORTION_BYTES: usize = 8 << 20;
/// Rows of one COPY into the table that is copied.
const PORTION_ROWS: u32 = 50_000;

/// The running source.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) cluster: Cluster,
}

/// What the stream must lead to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    /// Changes, each of which is a row of the history.
    pub(crate) changes: u64,
    /// Rows that live at the end.
    pub(crate) rows: u64,
    /// `sum(amount)` of those, in cents.
    pub(crate) amount_cents: i128,
}

impl Source {
    /// Starts the server, with commits that reach the disk, and creates empty tables.
    pub(crate) fn start() -> Result<Self> {
        let durability = Durability::Full;
        let cluster = Cluster::start(ClusterOptions { durability, ..ClusterOptions::default() })?;
        for database in [STREAMED, COPIED] {
            cluster.create_database(database)?;
            cluster.psql(database, sql::CREATE_TABLE)?;
            let publish = format!("CREATE PUBLICATION {PUBLICATION} FOR TABLE public.orders");
            cluster.psql(database, &publish)?;
        }
        Ok(Self { cluster })
    }

    /// Writes the changes that are streamed. The session does not wait for the disk at each commit:
    /// what is measured is how they are read.
    pub(crate) fn load(&self, changes: u64) -> Result<Expected> {
        let changes_per_transaction = CHANGES_PER_TRANSACTION;
        let options = WorkloadOptions { changes_per_transaction, ..inputs::workload_options() };
        let (mut oracle, mut text) = (Oracle::default(), String::new());
        let mut workload = Workload::new(options);
        while oracle.counts().events() < changes {
            let Some(transaction) = workload.next() else { break };
            oracle.apply(&transaction);
            sql::write_transaction(&transaction, &mut text);
            if text.len() >= PORTION_BYTES {
                self.write(STREAMED, &mut text)?;
            }
        }
        self.write(STREAMED, &mut text)?;
        let rows = u64::try_from(oracle.rows().len())?;
        let (changes, amount_cents) = (oracle.counts().events(), oracle.amount_cents());
        Ok(Expected { changes, rows, amount_cents })
    }

    /// Fills the table that is copied.
    pub(crate) fn fill(&self, rows: u64) -> Result<Expected> {
        let (mut oracle, mut text) = (Oracle::default(), String::new());
        let mut workload = inputs::workload();
        let mut left = rows;
        while left > 0 {
            let portion = u32::try_from(left).unwrap_or(PORTION_ROWS).min(PORTION_ROWS);
            let transaction = workload.copy(portion).context("the keys are used up")?;
            oracle.apply(&transaction);
            sql::write_transaction(&transaction, &mut text);
            self.write(COPIED, &mut text)?;
            left -= u64::from(portion);
        }
        self.cluster.psql(COPIED, "VACUUM ANALYZE public.orders")?;
        Ok(Expected { changes: rows, rows, amount_cents: oracle.amount_cents() })
    }

    fn write(&self, database: &str, text: &mut String) -> Result<()> {
        text.insert_str(0, "SET synchronous_commit = off;\n");
        self.cluster.psql(database, text)?;
        text.clear();
        Ok(())
    }

    /// A pipeline that reads a database of this server into one of its own, with a slot of its own.
    pub(crate) fn setup(&self, warehouse: &Warehouse, from: &str, mode: Mode) -> Result<Setup> {
        Setup::reading(&warehouse.pipeline, warehouse, mode, |_| {
            let url = self.cluster.url(from);
            let source =
                format!("[source.postgres]\nurl = \"{url}\"\npublication = \"{PUBLICATION}\"\n");
            (source, "")
        })
    }

    /// Brings the server to the same quiet state before each timed reading.
    pub(crate) fn settle(&self) -> Result<()> {
        Ok(self.cluster.psql("postgres", "CHECKPOINT").map(drop)?)
    }

    /// Removes the slot of a pipeline that is not needed any more, so that no log is kept for it.
    pub(crate) fn drop_slot(&self, slot: &str) -> Result<()> {
        // A logical slot is dropped from the database that it belongs to.
        let find = format!("SELECT database FROM pg_replication_slots WHERE slot_name = '{slot}'");
        let database = self.cluster.psql("postgres", &find)?;
        if !database.is_empty() {
            let drop_slot = format!("SELECT pg_drop_replication_slot('{slot}')");
            self.cluster.psql(&database, &drop_slot)?;
        }
        Ok(())
    }

    /// Processor time of all its processes so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let cpu = self.cluster.process_id().and_then(proc::cpu_of_family);
        cpu.context("the source has ended")
    }
}

/// A table that lost or doubled something has no speed.
pub(crate) fn verify(
    warehouse: &Warehouse,
    setup: &Setup,
    mode: Mode,
    expected: Expected,
) -> Result<()> {
    let (sql, expected) = match mode {
        Mode::History => ("SELECT count(*) FROM public.orders_fact", expected.changes.to_string()),
        Mode::Mirror => (
            "SELECT count(*), coalesce(sum(amount) * 100, 0)::bigint FROM public.orders_current",
            format!("{}|{}", expected.rows, expected.amount_cents),
        ),
    };
    let found = warehouse.sql(&setup.database, sql)?;
    ensure!(found == expected, "the {} holds {found}, not {expected}", mode.name());
    Ok(())
}
