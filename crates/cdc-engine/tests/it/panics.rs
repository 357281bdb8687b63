//! A defect that panics in one part of a pipeline ends all of it: it never goes on with half of itself.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cdc_core::{
    ByteBudget, Decoded, Decoder, Halt, Partition, Record, Rejection, ResumePoint, RowShape, Sink,
    TableId, WriteBatch, Writer,
};
use cdc_engine::{Ends, EngineSettings, Meter, Pipeline, PipelineError, Shutdown, StopWhen};
use cdc_testkit::{
    MemoryBody, MemoryError, MemorySink, MemorySource, MemoryStager, MemoryWriter, TextDecoder,
};

use crate::rig::Rig;

/// How much may be done before the defect strikes, for all lanes together.
#[derive(Debug, Clone)]
struct Fuse(Arc<AtomicU32>);

impl Fuse {
    /// Strikes behind so many.
    fn behind(count: u32) -> Self {
        Self(Arc::new(AtomicU32::new(count)))
    }

    fn burn(&self) {
        let left = self.0.fetch_sub(1, Ordering::Relaxed);
        assert_ne!(left, 0, "a defect of this part");
    }
}

/// A decoder with a defect.
struct Fragile {
    inner: TextDecoder,
    fuse: Fuse,
}

impl Decoder for Fragile {
    fn decode<'e>(&'e mut self, record: Record<'e>) -> Result<Decoded<'e>, Box<Rejection>> {
        self.fuse.burn();
        self.inner.decode(record)
    }
}

/// A sink whose writers have a defect.
struct FragileSink {
    inner: MemorySink,
    fuse: Fuse,
}

struct FragileWriter {
    inner: MemoryWriter,
    fuse: Fuse,
}

impl Sink for FragileSink {
    type Body = MemoryBody;
    type Plan = ();
    type Error = MemoryError;
    type Stager = MemoryStager;
    type Writer = FragileWriter;

    async fn open_lane(&self) -> Result<(MemoryStager, FragileWriter), MemoryError> {
        let (stager, inner) = self.inner.open_lane().await?;
        Ok((stager, FragileWriter { inner, fuse: self.fuse.clone() }))
    }
}

impl Writer for FragileWriter {
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

    async fn apply(&mut self, batch: &WriteBatch<MemoryBody>) -> Result<(), MemoryError> {
        self.fuse.burn();
        self.inner.apply(batch).await
    }

    async fn release(&mut self, partitions: &[Partition]) -> Result<(), MemoryError> {
        self.inner.release(partitions).await
    }
}

/// Runs three lanes over a filled log, of which one part breaks, and gives what became of the run.
async fn run(rig: &Rig, decoding: Fuse, applying: Fuse) -> PipelineError {
    let budget = ByteBudget::new(1 << 20);
    let ends = Ends {
        source: MemorySource::new(rig.log.clone(), budget.clone()),
        decoder: move || Fragile { inner: TextDecoder::default(), fuse: decoding.clone() },
        sink: FragileSink { inner: MemorySink::new(rig.warehouse.clone()), fuse: applying },
        rules: Vec::new(),
    };
    let settings = EngineSettings {
        lanes: NonZeroUsize::new(3).unwrap(),
        drain_limit: Duration::from_secs(10),
        stop_when: StopWhen::Asked,
        ..EngineSettings::default()
    };
    let pipeline = Pipeline::open(settings, ends, budget, Meter::shared()).await.unwrap();
    let (_stop, shutdown) = Shutdown::channel();
    let run = tokio::time::timeout(Duration::from_secs(10), pipeline.run(shutdown)).await;
    run.expect("the others go on without the part that is gone").unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn f08_a_panic_in_one_part_ends_the_pipeline_and_the_next_one_brings_the_rest() {
    let whole = || Fuse::behind(u32::MAX);
    let parts = [
        ("staging thread", Fuse::behind(250), whole()),
        ("staging thread", Fuse::behind(0), whole()),
        ("writer task", whole(), Fuse::behind(0)),
        ("writer task", whole(), Fuse::behind(2)),
    ];
    for (expected, decoding, applying) in parts {
        let rig = Rig::filled(3, 600);
        let error = run(&rig, decoding, applying).await;
        let PipelineError::LaneLost { part } = &error else { panic!("{expected}: {error}") };
        assert_eq!(*part, expected);
        assert_eq!(error.halt(), Halt::Environment, "{error}");
        assert!(rig.warehouse.rows().len() < 600, "the defect has not struck");
        rig.log.assign((0..3).map(crate::rig::partition).collect());
        rig.run_to_end(3).await;
        rig.assert_each_key_once(600);
    }
}
