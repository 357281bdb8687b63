//! What a second writer says of a batch that it prepares beside the one in front.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cdc_core::{
    ByteBudget, DeadLetter, Partition, RecordRef, Rejection, ResumePoint, RowShape, Sink, Stage,
    TableId, WriteBatch, Writer,
};
use cdc_engine::{Ends, EngineSettings, Meter, Outcome, Pipeline, Shutdown, StopWhen};
use cdc_testkit::{
    MemoryBody, MemoryError, MemorySink, MemorySource, MemoryStager, MemoryWriter, TextDecoder,
    Warehouse,
};

use crate::rig::Rig;

/// How long a commit takes here: long enough that the next batch is prepared meanwhile.
const COMMIT: Duration = Duration::from_millis(5);

/// A sink whose rows refer to rows of earlier batches, as those of a table with a foreign key do: it
/// refuses a row that is brought before the batch in front has been applied.
struct Referring {
    inner: MemorySink,
    warehouse: Warehouse,
    refused: Arc<AtomicUsize>,
}

struct ReferringWriter {
    inner: MemoryWriter,
    warehouse: Warehouse,
    refused: Arc<AtomicUsize>,
}

impl ReferringWriter {
    /// The first record of a batch whose turn has not come.
    fn early(&self, batch: &WriteBatch<MemoryBody>) -> Option<RecordRef> {
        let (_, range) = batch
            .delta()
            .ranges()
            .find(|(at, range)| self.warehouse.next(at).is_some_and(|next| next != range.from()))?;
        let (records, at) = (batch.records().first()?, |record| RecordRef { batch: 0, record });
        let starts = |index: &usize| {
            records.get(*index).is_some_and(|record| record.offset.get() >= range.from().get())
        };
        (0..records.len()).find(starts).map(|index| at(u32::try_from(index).unwrap()))
    }
}

impl Sink for Referring {
    type Body = MemoryBody;
    type Plan = ();
    type Error = MemoryError;
    type Stager = MemoryStager;
    type Writer = ReferringWriter;

    async fn open_lane(&self) -> Result<(MemoryStager, ReferringWriter), MemoryError> {
        let (stager, inner) = self.inner.open_lane().await?;
        let (warehouse, refused) = (self.warehouse.clone(), Arc::clone(&self.refused));
        Ok((stager, ReferringWriter { inner, warehouse, refused }))
    }
}

impl Writer for ReferringWriter {
    type Body = MemoryBody;
    type Plan = ();
    type Error = MemoryError;

    async fn acquire(
        &mut self,
        partitions: &[Partition],
    ) -> Result<Vec<(Partition, ResumePoint)>, MemoryError> {
        self.inner.acquire(partitions).await
    }

    async fn plan(&mut self, table: TableId, shape: &Arc<RowShape>) -> Result<(), MemoryError> {
        self.inner.plan(table, shape).await
    }

    async fn second(&mut self) -> Result<Option<Self>, MemoryError> {
        let (warehouse, refused) = (self.warehouse.clone(), Arc::clone(&self.refused));
        let second = self.inner.second().await?;
        Ok(second.map(|inner| Self { inner, warehouse, refused }))
    }

    async fn prepare(&mut self, batch: &WriteBatch<MemoryBody>) -> Result<(), MemoryError> {
        if let Some(at) = self.early(batch) {
            self.refused.fetch_add(1, Ordering::Relaxed);
            let rejection = Rejection::new(Stage::Apply, "foreign_key", "no such row");
            let letter = DeadLetter { at, rejection: Box::new(rejection) };
            return Err(MemoryError::Refused(Box::new(letter)));
        }
        self.inner.prepare(batch).await
    }

    async fn abandon(&mut self) {
        self.inner.abandon().await;
    }

    async fn apply(&mut self, batch: &WriteBatch<MemoryBody>) -> Result<(), MemoryError> {
        tokio::time::sleep(COMMIT).await;
        self.inner.apply(batch).await
    }

    async fn release(&mut self, partitions: &[Partition]) -> Result<(), MemoryError> {
        self.inner.release(partitions).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_only_the_batch_in_front_stands_in_the_way_of_is_no_dead_letter() {
    let rig = Rig::filled(1, 400);
    let refused = Arc::new(AtomicUsize::new(0));
    let sink = Referring {
        inner: MemorySink::new(rig.warehouse.clone()),
        warehouse: rig.warehouse.clone(),
        refused: Arc::clone(&refused),
    };
    // Small batches, so that there are many.
    let budget = ByteBudget::new(4 << 10);
    let source = MemorySource::new(rig.log.clone(), budget.clone());
    let ends = Ends { source, decoder: TextDecoder::default, sink, rules: Vec::new() };
    let settings = EngineSettings {
        lanes: NonZeroUsize::MIN,
        stop_when: StopWhen::CaughtUp,
        ..EngineSettings::default()
    };
    let pipeline = Pipeline::open(settings, ends, budget, Meter::shared()).await.unwrap();
    let (_stop, shutdown) = Shutdown::channel();
    assert_eq!(pipeline.run(shutdown).await.unwrap(), Outcome::CaughtUp);
    assert!(refused.load(Ordering::Relaxed) > 0, "no batch was prepared beside another");
    assert_eq!(rig.warehouse.dead_letters().len(), 0);
    rig.assert_each_key_once(400);
}
