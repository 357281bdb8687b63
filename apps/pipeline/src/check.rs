//! `check`: everything that a run needs, looked at without changing anything.
//!
//! `run` looks at the same things before it starts, so what `check` accepts, `run` accepts.

use std::error::Error;
use std::sync::Arc;

use cdc_core::{
    ByteBudget, Change, Classify, Decoded, Decoder, Generation, Halt, Partition, RecordBatch,
    RecordBatchBuilder, RecordParts, Rejection, RowShape, TableId, TopicName,
};
use cdc_kafka::preflight::{SampleRecord, probe_and_sample};
use cdc_kafka::{KafkaError, KafkaSettings};
use cdc_postgres::{Finding, Severity};
use serde_json::json;

use crate::cli::ConfigArgs;
use crate::config::{Settings, Table};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::run;

/// Records of each topic that are looked at: enough to meet an insert or an update in a log that
/// ends in deletes.
const SAMPLE_RECORDS: usize = 100;

/// A finding for a person: what it is, then the fix, ready to paste.
pub(crate) fn describe(finding: &Finding) -> String {
    let mut text = format!("{} [{}] {}", word(finding.severity), finding.id, finding.message);
    for line in finding.fix.lines() {
        text.push_str("\n    ");
        text.push_str(line);
    }
    text
}

fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

/// Findings that are about the surroundings, not about the configuration.
const UNREACHABLE: [&str; 2] = ["warehouse_unreachable", KAFKA_UNREACHABLE];
const KAFKA_UNREACHABLE: &str = "kafka_unreachable";

/// The failure that findings amount to, if they stand in the way of a run.
pub(crate) fn verdict(findings: &[Finding]) -> Result<(), Failure> {
    let errors = || findings.iter().filter(|finding| finding.severity == Severity::Error);
    let count = errors().count();
    let unreachable = errors().any(|finding| UNREACHABLE.contains(&finding.id));
    match count {
        0 => Ok(()),
        _ if unreachable => Err(Failure::Findings { count, exit: Exit::Environment }),
        _ => Err(Failure::Findings { count, exit: Exit::Configuration }),
    }
}

/// Prints all findings. Exit code 0 when nothing stands in the way of a run.
pub(crate) async fn check(settings: &Settings, arguments: &ConfigArgs) -> Result<Exit, Failure> {
    let findings = findings(settings).await?;
    if arguments.json {
        let items: Vec<_> = findings.iter().map(as_json).collect();
        println!("{}", json!({ "findings": items }));
    } else {
        for finding in &findings {
            println!("{}", describe(finding));
        }
    }
    verdict(&findings)?;
    if !arguments.json {
        println!("ready: nothing stands in the way of `cdc-pipeline run`");
    }
    Ok(Exit::Done)
}

fn as_json(finding: &Finding) -> serde_json::Value {
    json!({
        "id": finding.id,
        "severity": word(finding.severity),
        "message": finding.message,
        "fix": finding.fix,
    })
}

/// Looks at the broker and the warehouse.
pub(crate) async fn findings(settings: &Settings) -> Result<Vec<Finding>, Failure> {
    let kafka = settings.kafka.clone();
    let tables = settings.tables.clone();
    let sampled = tokio::task::spawn_blocking(move || shapes_in_topics(&kafka, &tables)).await;
    let Ok(sampled) = sampled else {
        return Err(Failure::Differs("looking at the topics panicked".to_owned()));
    };
    let (shapes, mut findings) = match sampled? {
        Sampled::Seen(seen) => (seen.shapes, seen.findings),
        Sampled::Refused(error) => (Vec::new(), vec![of_kafka(&error)]),
    };
    let targets: Vec<_> = settings.tables.iter().map(|table| table.settings.clone()).collect();
    findings.extend(cdc_postgres::check(&settings.postgres, &targets, &shapes).await);
    Ok(findings)
}

/// A broker that refuses or cannot be reached is a finding like any other, so that the warehouse is
/// looked at all the same.
fn of_kafka(error: &KafkaError) -> Finding {
    let environment = error.class().halt() == Halt::Environment;
    let mut message = error.to_string();
    if let Some(cause) = error.source() {
        message.push_str(": ");
        message.push_str(&cause.to_string());
    }
    Finding {
        id: if environment { KAFKA_UNREACHABLE } else { "kafka_refused" },
        severity: Severity::Error,
        message,
        fix: error.hint().unwrap_or_else(|| "look at the broker and its log".to_owned()),
    }
}

/// What looking at the topics came to.
enum Sampled {
    Seen(Seen),
    Refused(KafkaError),
}

/// What the newest records show.
#[derive(Default)]
struct Seen {
    shapes: Vec<(TableId, Arc<RowShape>)>,
    findings: Vec<Finding>,
}

/// The columns, after the rules, of each configured table that the newest records show.
///
/// Topics that hold nothing yet show nothing; what they bring later is planned when it comes.
fn shapes_in_topics(kafka: &KafkaSettings, tables: &[Table]) -> Result<Sampled, Failure> {
    let samples = match probe_and_sample(kafka, SAMPLE_RECORDS) {
        Ok((_report, samples)) => samples,
        Err(error) => return Ok(Sampled::Refused(error)),
    };
    let mut seen = Seen::default();
    for (topic, records) in kafka.topics().iter().zip(&samples) {
        look_at(topic, records, tables, &mut seen)?;
    }
    Ok(Sampled::Seen(seen))
}

fn look_at(
    topic: &TopicName,
    records: &[SampleRecord],
    tables: &[Table],
    seen: &mut Seen,
) -> Result<(), Failure> {
    let (mut changes, mut refused) = (0_usize, Vec::new());
    let mut decoder = run::decoder(tables)?;
    for sampled in records {
        let batch = batch_of(topic, sampled);
        let Some(record) = batch.get(0) else { continue };
        let event = match decoder.decode(record) {
            Ok(Decoded::Change(event)) => event,
            Ok(Decoded::Skip(_)) => continue,
            Err(rejection) => {
                refused.push(rejection);
                continue;
            }
        };
        changes = changes.saturating_add(1);
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
        if !seen.shapes.iter().any(|(id, held)| *id == event.table && *held == shape) {
            seen.shapes.push((event.table, shape));
        }
    }
    seen.findings.extend(of_refused(topic, changes, &refused));
    Ok(())
}

/// What records say that a run would keep as dead letters. It stops nothing by itself; but when no
/// record is of a configured table, the configuration names another table than the topic holds.
fn of_refused(topic: &TopicName, changes: usize, refused: &[Box<Rejection>]) -> Option<Finding> {
    let first = refused.first()?;
    let count = refused.len();
    let all_foreign = changes == 0 && refused.iter().all(|why| why.reason == "unknown_table");
    let looked_at = changes.saturating_add(count);
    Some(Finding {
        id: if all_foreign { "topic_of_another_table" } else { "records_refused" },
        severity: if all_foreign { Severity::Error } else { Severity::Warning },
        message: format!(
            "{count} of the {looked_at} newest changes in {topic} would become dead letters, the \
             newest for {}: {}",
            first.reason, first.message
        ),
        fix: first.hint.clone().unwrap_or_else(|| "look at these records in the topic".to_owned()),
    })
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
