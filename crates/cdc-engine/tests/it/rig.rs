//! A pipeline on in-memory ends, and the questions that every test asks of the outcome.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use cdc_core::{ByteBudget, Partition};
use cdc_engine::{
    Ends, EngineSettings, Meter, Outcome, Pipeline, PipelineError, Reading, RejectedShare,
    Shutdown, Stop, StopWhen,
};
use cdc_testkit::{Fault, LogWriter, MemorySink, MemorySource, TextDecoder, Warehouse};
use tokio::task::JoinHandle;

/// How long a condition may take to come true: far longer than any test needs.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn partition(number: i32) -> Partition {
    Partition::new("t", 0, number).unwrap()
}

/// Everything a test needs to run a pipeline and look at what it did.
#[derive(Default)]
pub(crate) struct Rig {
    pub(crate) log: LogWriter,
    pub(crate) warehouse: Warehouse,
    pub(crate) rejected_max: RejectedShare,
    /// Whether the source finds its way back by places instead of offsets.
    pub(crate) by_places: bool,
}

impl Rig {
    /// A log of `count` inserts, keys 0, 1, 2 … spread over `partitions` partitions, all assigned.
    pub(crate) fn filled(partitions: i32, count: i64) -> Self {
        let rig = Self::default();
        for key in 0..count {
            let number = i32::try_from(key % i64::from(partitions)).unwrap();
            rig.log.append(&partition(number), Some(&format!("c {key} row")));
        }
        rig.log.assign((0..partitions).map(partition).collect());
        rig
    }

    pub(crate) async fn open(&self, lanes: usize, stop_when: StopWhen) -> Running {
        let budget = ByteBudget::new(1 << 20);
        let source = MemorySource::new(self.log.clone(), budget.clone());
        let source = if self.by_places { source.by_places() } else { source };
        let sink = MemorySink::new(self.warehouse.clone());
        let ends = Ends { source, decoder: TextDecoder::default, sink, rules: Vec::new() };
        let settings = EngineSettings {
            lanes: NonZeroUsize::new(lanes).unwrap(),
            drain_limit: Duration::from_secs(10),
            stop_when,
            rejected_max: self.rejected_max,
            ..EngineSettings::default()
        };
        let meter = Meter::shared();
        let pipeline = Pipeline::open(settings, ends, budget, Arc::clone(&meter)).await.unwrap();
        let (stop, shutdown) = Shutdown::channel();
        Running { handle: tokio::spawn(pipeline.run(shutdown)), stop, meter }
    }

    /// Runs until everything in the log has been dealt with.
    pub(crate) async fn run_to_end(&self, lanes: usize) -> Reading {
        let running = self.open(lanes, StopWhen::CaughtUp).await;
        let meter = Arc::clone(&running.meter);
        assert_eq!(running.end().await.unwrap(), Outcome::CaughtUp);
        meter.read()
    }

    pub(crate) fn script(&self, faults: impl IntoIterator<Item = Fault>) {
        self.warehouse.script(faults);
    }

    /// Each of the `count` keys was stored exactly once, and each log's rows in its order.
    pub(crate) fn assert_each_key_once(&self, count: i64) {
        let rows = self.warehouse.rows();
        let mut keys: Vec<_> = rows.iter().map(|row| row.key).collect();
        keys.sort_unstable();
        assert_eq!(keys, (0..count).collect::<Vec<_>>(), "every key once");
        for number in 0..8 {
            let offsets: Vec<_> = rows
                .iter()
                .filter(|row| row.partition == partition(number))
                .map(|row| row.offset)
                .collect();
            assert!(offsets.is_sorted(), "partition {number} is applied in log order");
        }
    }
}

/// A pipeline on its way.
pub(crate) struct Running {
    handle: JoinHandle<Result<Outcome, PipelineError>>,
    pub(crate) stop: Stop,
    pub(crate) meter: Arc<Meter>,
}

impl Running {
    pub(crate) async fn end(self) -> Result<Outcome, PipelineError> {
        tokio::time::timeout(PATIENCE, self.handle).await.expect("the pipeline ends").unwrap()
    }
}

/// Waits until a condition holds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds() {
        assert!(tokio::time::Instant::now() < deadline, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
