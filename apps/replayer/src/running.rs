//! The pipeline of a run: the configuration's decoder and rules between a source and a sink of the run's own.

use std::sync::Arc;

use cdc_core::{ByteBudget, Sink, Source, TableId};
use cdc_engine::{Ends, EngineSettings, Meter, Outcome, Pipeline, Shutdown, StopWhen};
use cdc_replay::{OnlyTables, Pace, Paced};
use cdc_setup::{Settings, decoder};

use crate::failure::Failure;

/// How a run goes on and ends.
pub(crate) struct Running {
    /// Records a second at most; 0 is without a limit.
    pub(crate) rate: u32,
    pub(crate) meter: Arc<Meter>,
    pub(crate) shutdown: Shutdown,
}

impl Running {
    /// Runs the changes of these tables from the source into the sink.
    pub(crate) async fn run(
        self,
        settings: &Settings,
        tables: impl IntoIterator<Item = TableId>,
        source: impl Source,
        sink: impl Sink,
        budget: ByteBudget,
    ) -> Result<Outcome, Failure> {
        let engine = EngineSettings { stop_when: StopWhen::Asked, ..settings.engine.clone() };
        let decoder =
            decoder(&settings.tables).map_err(|error| Failure::end("read the tables", error))?;
        let decoder = OnlyTables::new(decoder, tables);
        let ends = Ends {
            source: Paced::new(source, Pace::new(self.rate)),
            decoder: || decoder.clone(),
            sink,
            rules: settings.tables.iter().map(|table| table.rules.clone()).collect(),
        };
        let pipeline = Pipeline::open(engine, ends, budget, self.meter).await?;
        Ok(pipeline.run(self.shutdown).await?)
    }
}
