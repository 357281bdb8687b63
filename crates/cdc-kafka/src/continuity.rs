//! Whether topics are still those that were read: looks up remembered records.
//!
//! Neither a position nor the name of a topic says so, and the client library does not tell its
//! topics' ids. One small fetch for each partition does, by a client of its own that lives as long as
//! the question.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use cdc_core::{
    Continuity, Inquiry, NextOffset, Offset, Partition, RecordParts, TopicName, Witness,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as DriverError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message, Offset as RawOffset, TopicPartitionList};

use crate::policy::{CleanupPolicy, policies};
use crate::preflight::Recognition;
use crate::source::Context;
use crate::{KafkaError, KafkaSettings};

/// How long all answers together may take, before the question is put off.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one wait for a record may take.
const POLL_WAIT: Duration = Duration::from_millis(20);

/// What is asked about a partition.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) partition: Partition,
    pub(crate) resume: NextOffset,
    pub(crate) inquiry: Inquiry,
}

/// A topic's open questions by the number of the partition.
type Open = BTreeMap<i32, Question>;

/// Finds out of each partition whether reading may go on. `Err` when the broker did not say, and the
/// question should be asked again.
pub(crate) fn examine(
    settings: &KafkaSettings,
    questions: Vec<Question>,
) -> Result<Vec<(Partition, Recognition)>, DriverError> {
    let mut answers = Vec::with_capacity(questions.len());
    for (question, verdict) in judge(settings, questions)? {
        let Question { partition, resume, .. } = question;
        let answer = match verdict {
            Continuity::Proven => Ok(Continuity::Proven),
            Continuity::Forgotten => {
                tracing::info!(%partition, "retention has removed every record that the log is known by: \
                    that it is the one that was read cannot be proven");
                Ok(Continuity::Forgotten)
            }
            Continuity::Missing(newest) if compacts(settings, partition.topic()) => {
                tracing::warn!(%partition, %newest, "compaction has removed every record that the log is \
                    known by: that it is the one that was read cannot be proven");
                Ok(Continuity::Missing(newest))
            }
            Continuity::Missing(offset) => {
                Err(KafkaError::RecordsMissing { partition: partition.clone(), resume, offset })
            }
            Continuity::Broken(offset) => {
                Err(KafkaError::Replaced { partition: partition.clone(), resume, offset })
            }
        };
        answers.push((partition, answer));
    }
    Ok(answers)
}

/// What each log says of the records that are remembered of it.
fn judge(
    settings: &KafkaSettings,
    questions: Vec<Question>,
) -> Result<Vec<(Question, Continuity)>, DriverError> {
    let mut judged = Vec::with_capacity(questions.len());
    let mut open: BTreeMap<TopicName, Open> = BTreeMap::new();
    for question in questions {
        if let Some(verdict) = question.inquiry.verdict() {
            judged.push((question, verdict));
            continue;
        }
        let of_topic = open.entry(question.partition.topic().clone()).or_default();
        of_topic.insert(question.partition.number().get(), question);
    }
    if open.is_empty() {
        return Ok(judged);
    }
    let client = connect(settings)?;
    let deadline = Instant::now() + PATIENCE;
    // One topic after the other: the end of a partition is told by its number alone.
    for (topic, mut open) in open {
        while !open.is_empty() {
            ask(&client, &topic, &mut open, deadline)?;
            open = open
                .into_iter()
                .filter_map(|(number, question)| match question.inquiry.verdict() {
                    None => Some((number, question)),
                    Some(verdict) => {
                        judged.push((question, verdict));
                        None
                    }
                })
                .collect();
        }
    }
    close_aside(client);
    Ok(judged)
}

fn connect(settings: &KafkaSettings) -> Result<BaseConsumer<Context>, DriverError> {
    settings
        .reader_config()
        // One record is wanted. The broker sends what it stands in, and little more.
        .set("max.partition.fetch.bytes", "4096")
        .set("queued.min.messages", "1")
        .set("fetch.wait.max.ms", "10")
        .create_with_context(Context::new())
}

/// Puts one question to each partition of a topic.
fn ask(
    client: &BaseConsumer<Context>,
    topic: &TopicName,
    open: &mut Open,
    deadline: Instant,
) -> Result<(), DriverError> {
    let mut list = TopicPartitionList::new();
    for (number, question) in open.iter() {
        if let Some(offset) = question.inquiry.asks() {
            list.add_partition_offset(topic.as_str(), *number, RawOffset::Offset(offset.get()))?;
        }
    }
    client.assign(&list)?;
    let mut waiting: BTreeSet<i32> = open.keys().copied().collect();
    while !waiting.is_empty() {
        if Instant::now() >= deadline {
            return Err(DriverError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut));
        }
        let (number, found) = match client.poll(POLL_WAIT) {
            None => continue,
            Some(Ok(message)) => (message.partition(), witness(&message)),
            Some(Err(DriverError::PartitionEOF(number))) => (number, None),
            // Retention has moved on between the two questions: ask again from the beginning.
            Some(Err(error)) if is_lost(&error) => return Err(error),
            Some(Err(error)) => {
                tracing::debug!(error = %error, "looking up a record: retrying");
                continue;
            }
        };
        if waiting.remove(&number)
            && let Some(question) = open.get_mut(&number)
        {
            let asked = question.inquiry.asks();
            let found = found.filter(|found| Some(found.offset()) == asked);
            question.inquiry.answer(found);
        }
    }
    client.unassign()
}

fn is_lost(error: &DriverError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange)
    )
}

fn witness(message: &BorrowedMessage<'_>) -> Option<Witness> {
    Some(Witness::of_parts(&RecordParts {
        offset: Offset::try_new(message.offset()).ok()?,
        timestamp_ms: message.timestamp().to_millis(),
        key: message.key(),
        value: message.payload(),
        headers: &[],
    }))
}

/// Whether a topic loses records in its middle. A broker that does not say counts as no.
fn compacts(settings: &KafkaSettings, topic: &TopicName) -> bool {
    match policies(settings, std::slice::from_ref(topic)) {
        Ok(policies) => policies.get(topic).is_some_and(CleanupPolicy::compacts),
        Err(error) => {
            tracing::debug!(%topic, error = %error, "the broker does not say whether the topic is compacted");
            false
        }
    }
}

/// Closing a client takes its library a tenth of a second, which nobody has to wait for.
pub(crate) fn close_aside(client: BaseConsumer<Context>) {
    let closing = std::thread::Builder::new().name("kafka-close".to_owned());
    // Where no thread can be had, dropping the closure has closed the client already.
    let _closed_here = closing.spawn(move || drop(client)).is_err();
}
