//! Reads the records of topics.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use cdc_core::{ByteBudget, ResumePoint, Source as _, SourceEvent, TopicName};
use cdc_kafka::{KafkaSettings, KafkaSource};
use tokio::time::{Instant, timeout_at};

/// More than what waits between two looks.
const BUDGET_BYTES: usize = 16 << 20;

/// A Kafka record, and the line of the event that it tells of once that is known.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The key's text.
    pub key: Option<String>,
    /// The value's text.
    pub value: Option<String>,
    /// Its headers.
    pub headers: Vec<(String, Option<String>)>,
    /// The line of its event.
    pub event: Option<usize>,
}

/// Records by topic, each topic's in the order of the log.
pub type Records = BTreeMap<String, Vec<Record>>;

/// Reads a topic of one partition from its beginning: until it holds as many records as `wanted`,
/// and then to its end.
///
/// # Errors
///
/// When reading fails or the records do not come within the limit.
pub async fn read(
    brokers: &str,
    topic: &str,
    wanted: usize,
    limit: Duration,
) -> Result<Vec<Record>> {
    let name = TopicName::parse(topic).context("a topic's name is invalid")?;
    let settings = KafkaSettings::new(brokers, vec![name]).with_group(topic);
    let mut source = KafkaSource::start(settings, ByteBudget::new(BUDGET_BYTES))?;
    let deadline = Instant::now() + limit;
    let mut records = Vec::new();
    loop {
        let Ok(event) = timeout_at(deadline, source.poll()).await else {
            bail!("{topic}: {} of {wanted} records came within {limit:?}", records.len());
        };
        match event.with_context(|| format!("cannot read {topic}"))? {
            SourceEvent::Assigned(assignment) => {
                let points = assignment.partitions().iter().cloned();
                let points = points.map(|it| (it, ResumePoint::Beginning)).collect();
                source.resume(assignment, points).await?;
            }
            SourceEvent::Records(batch) => {
                for record in batch.iter() {
                    records.push(owned(&record)?);
                }
            }
            SourceEvent::CaughtUp(_) if records.len() >= wanted => break,
            SourceEvent::CaughtUp(_) | SourceEvent::LogEnd(..) => {}
            SourceEvent::Revoked(_) | SourceEvent::End => {
                bail!("{topic}: the only member of a group lost its partition");
            }
        }
    }
    source.close().await;
    Ok(records)
}

fn owned(record: &cdc_core::Record<'_>) -> Result<Record> {
    let value = record.value.map(cdc_core::RecordValue::to_vec);
    let text = |bytes: Option<&[u8]>| bytes.map(|it| String::from_utf8(it.to_vec())).transpose();
    let headers = record.headers.into_iter();
    let headers = headers.map(|(name, value)| Ok((name.to_owned(), text(value)?)));
    Ok(Record {
        topic: record.partition.topic().as_str().to_owned(),
        partition: record.partition.number().get(),
        offset: record.offset.get(),
        key: text(record.key).context("a key is not UTF-8")?,
        value: text(value.as_deref()).context("a value is not UTF-8")?,
        headers: headers.collect::<Result<_>>().context("a header is not UTF-8")?,
        event: None,
    })
}
