//! One timed run of the pipeline to the end of what the source has: the stream, or a snapshot.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use serde::Serialize;

use super::super::drain;
use super::super::pipeline::{Mode, Setup};
use super::super::stage::Warehouse;
use super::source::{Expected, Source, verify};

/// What one run of the pipeline took.
#[derive(Debug, Clone, Serialize)]
pub struct Passage {
    /// The pipeline's own time, to its orderly end.
    pub seconds: f64,
    /// From the start of the process to its end.
    pub outside_seconds: f64,
    /// Rows written.
    pub rows: u64,
    /// Transactions.
    pub batches: u64,
    /// Attempts that had to be repeated.
    pub retries: u64,
    /// `VmHWM` in KiB.
    pub peak_resident_kib: u64,
    /// Processor time of the pipeline.
    pub cpu_seconds: f64,
    /// The same by thread name, of threads that were alive at the last look.
    pub cpu_seconds_by_thread: BTreeMap<String, f64>,
    /// Processor time of the source meanwhile.
    pub source_cpu_seconds: f64,
    /// Processor time of the warehouse meanwhile.
    pub warehouse_cpu_seconds: f64,
}

/// A pipeline that has seen the empty table and waits for the changes, with its slot.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) setup: Setup,
    mode: Mode,
}

impl Waiting {
    /// Lets a pipeline make its slot and end, before there is anything to read.
    pub(crate) fn prepare(
        source: &Source,
        warehouse: &Warehouse,
        from: &str,
        mode: Mode,
    ) -> Result<Self> {
        let setup = source.setup(warehouse, from, mode)?;
        drain::to_end(&setup)?;
        Ok(Self { setup, mode })
    }

    /// Streams everything that was written since. The database stays, for the caller to drop.
    pub(crate) fn stream(
        &self,
        source: &Source,
        warehouse: &Warehouse,
        expected: Expected,
    ) -> Result<Passage> {
        let passage = pass(source, warehouse, &self.setup)?;
        verify(warehouse, &self.setup, self.mode, expected)?;
        Ok(passage)
    }

    /// Removes its slot and its database.
    pub(crate) fn remove(self, source: &Source, warehouse: &Warehouse) -> Result<()> {
        source.drop_slot(&self.setup.database)?;
        warehouse.drop_database(&self.setup.database)
    }
}

/// Reads a full table as a new pipeline.
pub(crate) fn snapshot(
    source: &Source,
    warehouse: &Warehouse,
    from: &str,
    (mode, expected): (Mode, Expected),
) -> Result<Passage> {
    let setup = source.setup(warehouse, from, mode)?;
    let waiting = Waiting { setup, mode };
    let passage = waiting.stream(source, warehouse, expected)?;
    waiting.remove(source, warehouse)?;
    Ok(passage)
}

fn pass(source: &Source, warehouse: &Warehouse, setup: &Setup) -> Result<Passage> {
    source.settle()?;
    warehouse.settle(&setup.database)?;
    let (source_before, warehouse_before) = (source.cpu()?, warehouse.cpu()?);
    let (ended, watch) = drain::to_end(setup)?;
    let source_cpu = source.cpu()?.saturating_sub(source_before);
    let warehouse_cpu = warehouse.cpu()?.saturating_sub(warehouse_before);
    let summary = ended.summary;
    let dead = summary.dead_lettered;
    ensure!(dead == 0, "{dead} changes became dead letters");
    Ok(Passage {
        seconds: summary.seconds,
        outside_seconds: ended.outside.as_secs_f64(),
        rows: summary.rows,
        batches: summary.batches,
        retries: summary.retries,
        peak_resident_kib: watch.memory.peak_kib,
        cpu_seconds: watch.cpu.as_secs_f64(),
        cpu_seconds_by_thread: watch.by_thread(),
        source_cpu_seconds: source_cpu.as_secs_f64(),
        warehouse_cpu_seconds: warehouse_cpu.as_secs_f64(),
    })
}
