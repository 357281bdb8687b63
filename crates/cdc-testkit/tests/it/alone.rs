//! A sink that prepares nothing and has no second writer, as the contract allows.

use std::sync::Arc;

use cdc_core::{Partition, ResumePoint, RowShape, Sink, TableId, WriteBatch, Writer};
use cdc_testkit::{MemoryBody, MemoryError, MemorySink, MemoryStager, MemoryWriter};

/// The in-memory sink without everything that a sink may leave out.
pub(crate) struct AloneSink(pub(crate) MemorySink);

impl Sink for AloneSink {
    type Body = MemoryBody;
    type Plan = ();
    type Error = MemoryError;
    type Stager = MemoryStager;
    type Writer = AloneWriter;

    async fn open_lane(&self) -> Result<(MemoryStager, AloneWriter), MemoryError> {
        let (stager, writer) = self.0.open_lane().await?;
        Ok((stager, AloneWriter(writer)))
    }
}

pub(crate) struct AloneWriter(MemoryWriter);

impl Writer for AloneWriter {
    type Body = MemoryBody;
    type Plan = ();
    type Error = MemoryError;

    async fn acquire(
        &mut self,
        partitions: &[Partition],
    ) -> Result<Vec<(Partition, ResumePoint)>, MemoryError> {
        self.0.acquire(partitions).await
    }

    async fn plan(&mut self, table: TableId, shape: &Arc<RowShape>) -> Result<(), MemoryError> {
        self.0.plan(table, shape).await
    }

    async fn apply(&mut self, batch: &WriteBatch<MemoryBody>) -> Result<(), MemoryError> {
        self.0.apply(batch).await
    }

    async fn release(&mut self, partitions: &[Partition]) -> Result<(), MemoryError> {
        self.0.release(partitions).await
    }
}
