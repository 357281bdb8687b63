//! `run`: build the ends, run, say how it ended.

use std::sync::Arc;
use std::time::Instant;

use cdc_core::{ByteBudget, Classify as _, Decoder, Source};
use cdc_debezium::DebeziumDecoder;
use cdc_engine::{Ends, EngineSettings, Meter, Outcome, Pipeline, Shutdown, StopWhen};
use cdc_kafka::KafkaSource;
use cdc_postgres::{PostgresSettings, PostgresSink, watch_ledger};
use cdc_replication::{ReplicationDecoder, ReplicationSource};
use cdc_rules::RuleSet;
use serde_json::json;

use crate::check::{self, Topics};
use crate::cli::RunArgs;
use crate::config::{Origin, Settings, Table};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;
use crate::progress::{self, Style, Watched};
use crate::signals;
use crate::stream::Stream;

/// Runs until asked to stop, or until caught up.
pub(crate) async fn run(settings: Settings, arguments: &RunArgs) -> Result<Exit, Failure> {
    let style = if arguments.common.json { Style::Json } else { Style::Human };
    let (stop, mut shutdown) = Shutdown::channel();
    signals::stop_on_signal(stop)?;
    let meter = Meter::shared();
    let started = Instant::now();
    let topics = tokio::select! {
        looked = check::refuse(&settings, &arguments.common.config) => looked?,
        () = shutdown.asked() => {
            summarize("stopped", &meter, started, style);
            return Ok(Exit::Done);
        }
    };

    let stop_when = if arguments.until_caught_up { StopWhen::CaughtUp } else { StopWhen::Asked };
    let watched = Watched::new(settings.postgres.pipeline.to_string(), &settings.tables);
    let stream = Stream::default();
    let watched = watched.with_stream(stream.clone());
    let shown = tokio::spawn(progress::show(Arc::clone(&meter), style, watched));
    let books = tokio::spawn(watch_books(settings.postgres.clone()));
    let ended =
        pipeline(settings, topics, stop_when, (Arc::clone(&meter), shutdown), &stream).await;
    shown.abort();
    // A view on a terminal has to be gone before more is written.
    let _aborted = shown.await.is_err();
    books.abort();
    let word = match &ended {
        Ok(Outcome::Stopped) => "stopped",
        Ok(Outcome::CaughtUp | Outcome::Ended) => "caught up",
        Err(_) => "failed",
    };
    summarize(word, &meter, started, style);
    ended.map(|_| Exit::Done)
}

/// Raises the alarm when a checkpoint was moved by somebody else.
async fn watch_books(settings: PostgresSettings) {
    watch_ledger(settings, |error| {
        tracing::error!(hint = error.hint(), "the books do not balance: {error}");
    })
    .await;
}

/// Builds both ends and runs the pipeline between them. Topics whose number of partitions is not known
/// are taken as they come. What a replication source says of itself goes to `stream`.
pub(crate) async fn pipeline(
    settings: Settings,
    topics: Topics,
    stop_when: StopWhen,
    (meter, shutdown): (Arc<Meter>, Shutdown),
    stream: &Stream,
) -> Result<Outcome, Failure> {
    let settings = settings
        .in_their_generations()
        .await
        .map_err(|error| Failure::end("read in which generation topics are followed", error))?;
    let budget = ByteBudget::new(settings.memory);
    let tables = settings.tables;
    let targets = tables.iter().map(|table| table.settings.clone()).collect();
    let between = Between {
        engine: EngineSettings { stop_when, ..settings.engine },
        budget: budget.clone(),
        sink: PostgresSink::new(settings.postgres, targets).following(topics),
        rules: tables.iter().map(|table| table.rules.clone()).collect(),
        meter,
        shutdown,
    };
    match settings.origin {
        Origin::Kafka(kafka) => {
            let source = KafkaSource::start(kafka, budget)
                .map_err(|error| Failure::end("start reading from Kafka", error))?;
            between.run(source, decoder(&tables)?).await
        }
        Origin::Replication { settings, generation } => {
            let names = tables.iter().map(|table| table.settings.source.clone()).collect();
            let source = ReplicationSource::start(settings, names, generation, budget)
                .map_err(|error| Failure::end("start reading the source", error))?;
            stream.show(source.status());
            between.run(source, replication_decoder(&tables)?).await
        }
    }
}

/// Everything of a pipeline but where records come from.
struct Between {
    engine: EngineSettings,
    budget: ByteBudget,
    sink: PostgresSink,
    rules: Vec<RuleSet>,
    meter: Arc<Meter>,
    shutdown: Shutdown,
}

impl Between {
    async fn run<S: Source, D: Decoder + Clone>(
        self,
        source: S,
        decoder: D,
    ) -> Result<Outcome, Failure> {
        let Self { engine, budget, sink, rules, meter, shutdown } = self;
        let ends = Ends { source, decoder: || decoder.clone(), sink, rules };
        let pipeline = Pipeline::open(engine, ends, budget, meter).await?;
        Ok(pipeline.run(shutdown).await?)
    }
}

/// A decoder of Debezium's messages for the configured tables.
pub(crate) fn decoder(tables: &[Table]) -> Result<DebeziumDecoder, Failure> {
    cdc_setup::decoder(tables).map_err(|error| Failure::end("read the tables", error))
}

/// A decoder of the source's own log for the configured tables.
pub(crate) fn replication_decoder(tables: &[Table]) -> Result<ReplicationDecoder, Failure> {
    cdc_setup::replication_decoder(tables).map_err(|error| Failure::end("read the tables", error))
}

/// Says what was done, whatever the end: an operator has to know it after a failure all the more.
fn summarize(ended: &str, meter: &Meter, started: Instant, style: Style) {
    let reading = meter.read();
    let elapsed = started.elapsed();
    let rate = progress::per_second(reading.records, elapsed);
    match style {
        Style::Json => {
            let mut value = progress::totals(&reading);
            if let Some(object) = value.as_object_mut() {
                object.insert("outcome".to_owned(), json!(ended));
                object.insert("seconds".to_owned(), json!(elapsed.as_secs_f64()));
                object.insert("records_per_second".to_owned(), json!(rate));
            }
            output::line(value);
        }
        Style::Human => eprintln!(
            "{ended}: {} records, {} rows, {} skipped, {} dead letters in {:.1} s ({rate} records/s)\
             {}",
            reading.records,
            reading.rows,
            reading.skipped,
            reading.dead_lettered,
            elapsed.as_secs_f64(),
            left(reading.lag_records)
        ),
    }
}

/// What the log was known to hold beyond what is applied.
fn left(records: u64) -> String {
    if records == 0 {
        return String::new();
    }
    format!("; {records} more in the log, to be read at the next start")
}
