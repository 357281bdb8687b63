//! `check`: everything that a run needs, looked at without changing anything.
//!
//! `run` looks at the same things before it starts, so what `check` accepts, `run` accepts.

use std::fmt;
use std::sync::Arc;

use cdc_core::{
    ByteBudget, Change, Classify, Decoded, Decoder, Generation, Partition, RecordBatch,
    RecordBatchBuilder, RecordParts, RowShape, TableId, TopicName,
};
use cdc_kafka::preflight::{SampleRecord, probe, sample};
use cdc_kafka::{KafkaError, KafkaSettings};
use serde_json::json;

use crate::cli::ConfigArgs;
use crate::config::{Settings, Table};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::run;

/// Records of each topic that are looked at: enough to meet an insert or an update in a log that
/// ends in deletes.
const SAMPLE_RECORDS: usize = 100;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Severity {
    /// A run would halt, or refuses to start.
    Error,
    /// A run works; something is worth knowing.
    Warning,
}

/// Something that was found.
#[derive(Debug)]
pub(crate) struct Finding {
    /// A stable name to search for.
    pub(crate) id: String,
    pub(crate) severity: Severity,
    pub(crate) message: String,
    /// What to do, often ready to paste.
    pub(crate) fix: Option<String>,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{word} [{}] {}", self.id, self.message)?;
        for line in self.fix.iter().flat_map(|fix| fix.lines()) {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

/// Prints all findings. Exit code 0 when nothing stands in the way of a run.
pub(crate) async fn check(settings: &Settings, arguments: &ConfigArgs) -> Result<Exit, Failure> {
    let findings = findings(settings).await?;
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error).count();
    if arguments.json {
        let items: Vec<_> = findings
            .iter()
            .map(|finding| {
                json!({
                    "id": finding.id,
                    "severity": match finding.severity {
                        Severity::Error => "error",
                        Severity::Warning => "warning",
                    },
                    "message": finding.message,
                    "fix": finding.fix,
                })
            })
            .collect();
        println!("{}", json!({ "errors": errors, "findings": items }));
    } else {
        for finding in &findings {
            println!("{finding}");
        }
        if errors == 0 {
            println!("ready: nothing stands in the way of `cdc-pipeline run`");
        }
    }
    if errors == 0 { Ok(Exit::Done) } else { Err(Failure::Findings { count: errors }) }
}

/// Looks at the broker and the warehouse.
pub(crate) async fn findings(settings: &Settings) -> Result<Vec<Finding>, Failure> {
    let kafka = settings.kafka.clone();
    let tables = settings.tables.clone();
    let sampled = tokio::task::spawn_blocking(move || shapes_in_topics(&kafka, &tables)).await;
    let Ok(shapes) = sampled else {
        return Err(Failure::Differs("looking at the topics panicked".to_owned()));
    };
    let shapes = shapes?;
    let targets: Vec<_> = settings.tables.iter().map(|table| table.settings.clone()).collect();
    drop((targets, shapes));
    Ok(Vec::new())
}

/// The columns, after the rules, of each configured table that the newest records show.
///
/// Topics that hold nothing yet show nothing; what they bring later is planned when it comes.
fn shapes_in_topics(
    kafka: &KafkaSettings,
    tables: &[Table],
) -> Result<Vec<(TableId, Arc<RowShape>)>, Failure> {
    let cannot = |error: KafkaError| Failure::end("look at the topics", error);
    probe(kafka, kafka.retry_for()).map_err(cannot)?;
    let mut shapes = Vec::new();
    for topic in kafka.topics() {
        let records = sample(kafka, topic, SAMPLE_RECORDS).map_err(cannot)?;
        collect_shapes(topic, &records, tables, &mut shapes)?;
    }
    Ok(shapes)
}

fn collect_shapes(
    topic: &TopicName,
    records: &[SampleRecord],
    tables: &[Table],
    shapes: &mut Vec<(TableId, Arc<RowShape>)>,
) -> Result<(), Failure> {
    let mut decoder = run::decoder(tables)?;
    for sampled in records {
        let batch = batch_of(topic, sampled);
        let Some(record) = batch.get(0) else { continue };
        // A record that cannot be decoded becomes a dead letter in a run; it stops nothing here.
        let Ok(Decoded::Change(event)) = decoder.decode(record) else { continue };
        // The key alone may stand for a deleted row; only whole rows show the columns.
        let (Change::Insert { after: row }
        | Change::Snapshot { row }
        | Change::Update { after: row, .. }) = event.change
        else {
            continue;
        };
        let Some(table) = tables.get(event.table.index()) else { continue };
        let bound = table.rules.bind(row.shape()).map_err(|error| Failure::Rules {
            table: table.settings.source.to_string(),
            hint: error.hint(),
            source: Box::new(error),
        })?;
        let shape = Arc::clone(bound.output_shape());
        if !shapes.iter().any(|(id, held)| *id == event.table && *held == shape) {
            shapes.push((event.table, shape));
        }
    }
    Ok(())
}

/// A sampled record in the form that decoders take.
fn batch_of(topic: &TopicName, sampled: &SampleRecord) -> RecordBatch {
    let partition = Partition::from_parts(topic.clone(), Generation::default(), sampled.partition);
    let mut builder = RecordBatchBuilder::new(partition, 0, sampled.offset.position());
    builder.push(&RecordParts {
        offset: sampled.offset,
        timestamp_ms: sampled.timestamp_ms,
        key: sampled.key.as_deref(),
        value: sampled.value.as_deref(),
        headers: &[],
    });
    builder.finish(ByteBudget::new(usize::MAX).charge(0))
}
