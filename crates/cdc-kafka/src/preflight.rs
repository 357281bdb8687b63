//! What to find out about Kafka before a pipeline starts: is a broker there, do the topics exist,
//! and what do their records look like.
//!
//! Nothing here joins a group or leaves a trace on the broker. Calls block; run them where that is
//! allowed.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use cdc_config::closest;
use cdc_core::{
    Continuity, Inquiry, KnownLog, NextOffset, Offset, Partition, PartitionNumber, ResumePoint,
    TopicName,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError as DriverError, RDKafkaErrorCode};
use rdkafka::metadata::{Metadata, MetadataTopic};
use rdkafka::{Message, Offset as RawOffset, TopicPartitionList};

use crate::continuity::{Question, close_aside, examine};
use crate::policy::{CleanupPolicy, policies};
use crate::source::{Context, Watermarks, start_position};
use crate::{KafkaError, KafkaSettings};

/// How long one request may take before it is tried again.
const REQUEST_PATIENCE: Duration = Duration::from_secs(3);

/// How long the first request may take before somebody is told that a broker is waited for.
const FIRST_PATIENCE: Duration = Duration::from_secs(1);

/// How long the records of a sample may take to arrive.
const SAMPLE_PATIENCE: Duration = Duration::from_secs(10);

/// What a broker says about the topics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicReport {
    brokers: usize,
    topics: Vec<TopicInfo>,
}

impl TopicReport {
    /// How many brokers the cluster has.
    pub fn brokers(&self) -> usize {
        self.brokers
    }

    /// The topics in the order of the settings.
    pub fn topics(&self) -> &[TopicInfo] {
        &self.topics
    }
}

/// An existing topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicInfo {
    name: TopicName,
    partitions: Vec<PartitionInfo>,
}

impl TopicInfo {
    /// Its name.
    pub fn name(&self) -> &TopicName {
        &self.name
    }

    /// Its partitions by number.
    pub fn partitions(&self) -> &[PartitionInfo] {
        &self.partitions
    }

    /// How many offsets it holds: an upper bound of the number of its records.
    pub fn offsets_held(&self) -> u64 {
        self.partitions.iter().map(|partition| partition.end.offsets_since(partition.first)).sum()
    }
}

/// A partition of an existing topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartitionInfo {
    /// Its number.
    pub number: PartitionNumber,
    /// Where its log begins.
    pub first: NextOffset,
    /// Where its log ends for a reader of committed records.
    pub end: NextOffset,
}

/// The raw bytes of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SampleRecord {
    /// The partition it stands in.
    pub partition: PartitionNumber,
    /// Where it stands.
    pub offset: Offset,
    /// The log's own time of it, milliseconds since 1970.
    pub timestamp_ms: Option<i64>,
    /// The key's bytes; `None` is a null key.
    pub key: Option<Vec<u8>>,
    /// The value's bytes; `None` is a null value.
    pub value: Option<Vec<u8>>,
}

/// Looks at the topics of the settings, trying again for up to `patience` while no broker answers.
///
/// # Errors
///
/// No broker in time, refused access, or a topic that does not exist: all are fatal.
pub fn probe(settings: &KafkaSettings, patience: Duration) -> Result<TopicReport, KafkaError> {
    let attempt = Attempt::start(settings, patience)?;
    let report = attempt.report()?;
    attempt.close_aside();
    Ok(report)
}

/// Reads the newest records of a topic, at most `count`, newest first by the log's time. Fewer when
/// the topic holds fewer, or when the newest offsets belong to markers of transactions.
///
/// # Errors
///
/// As [`probe`].
pub fn sample(
    settings: &KafkaSettings,
    topic: &TopicName,
    count: usize,
) -> Result<Vec<SampleRecord>, KafkaError> {
    let attempt = Attempt::start(settings, settings.retry_for())?;
    let info = attempt.topic(&attempt.metadata()?, topic)?;
    let records = attempt.newest(&info, count)?;
    attempt.close_aside();
    Ok(records)
}

/// [`probe`], and the newest records of each topic of the settings as [`sample`] gives them, with
/// one connection for all of it: what a start waits for.
///
/// # Errors
///
/// As [`probe`].
pub fn probe_and_sample(
    settings: &KafkaSettings,
    count: usize,
) -> Result<(TopicReport, Vec<Vec<SampleRecord>>), KafkaError> {
    let attempt = Attempt::start(settings, settings.retry_for())?;
    let report = attempt.report()?;
    let records =
        report.topics().iter().map(|info| attempt.newest(info, count)).collect::<Result<_, _>>()?;
    attempt.close_aside();
    Ok((report, records))
}

/// What happens to the old records of each topic of the settings, by its `cleanup.policy`. `None` where the
/// broker does not tell, as it does not tell users without the right to describe its configuration.
///
/// # Errors
///
/// As [`probe`].
pub fn cleanup_policies(
    settings: &KafkaSettings,
) -> Result<Vec<(TopicName, Option<CleanupPolicy>)>, KafkaError> {
    probe(settings, settings.retry_for())?;
    let topics = settings.topics();
    let mut known = policies(settings, topics).unwrap_or_else(|error| {
        tracing::debug!(error = %error, "the broker does not say what becomes of old records");
        BTreeMap::new()
    });
    Ok(topics.iter().map(|topic| (topic.clone(), known.remove(topic))).collect())
}

/// What speaks for reading a log on, or the error with which a source would end.
pub type Recognition = Result<Continuity, KafkaError>;

/// Whether logs are still those that were read, by their positions and by what is remembered of each.
///
/// # Errors
///
/// As [`probe`].
pub fn recognise(
    settings: &KafkaSettings,
    logs: Vec<KnownLog>,
) -> Result<Vec<(Partition, Recognition)>, KafkaError> {
    let attempt = Attempt::start(settings, settings.retry_for())?;
    let mut answers = Vec::with_capacity(logs.len());
    let mut questions = Vec::new();
    for KnownLog { partition, resume, witnesses } in logs {
        let info = attempt.partition(partition.topic(), partition.number())?;
        let held = Watermarks { low: info.first, high: info.end };
        match start_position(&partition, ResumePoint::At(resume), held) {
            Ok(_) => {
                let inquiry = Inquiry::new(&witnesses, info.first);
                questions.push(Question { partition, resume, inquiry });
            }
            Err(error) => answers.push((partition, Err(error))),
        }
    }
    attempt.close_aside();
    let judged = examine(settings, questions).map_err(|source| KafkaError::Unreachable {
        brokers: settings.brokers().to_owned(),
        waited: settings.retry_for(),
        source: Box::new(source),
    })?;
    answers.extend(judged);
    Ok(answers)
}

/// One look at the cluster, with a deadline.
pub(crate) struct Attempt<'s> {
    settings: &'s KafkaSettings,
    client: BaseConsumer<Context>,
    patience: Duration,
    started: Instant,
    /// Whether it has been said that a broker is waited for.
    announced: Cell<bool>,
}

impl<'s> Attempt<'s> {
    pub(crate) fn start(
        settings: &'s KafkaSettings,
        patience: Duration,
    ) -> Result<Self, KafkaError> {
        let client = settings
            .reader_config()
            .create_with_context(Context::new())
            .map_err(KafkaError::client("create a client"))?;
        let announced = Cell::new(false);
        Ok(Self { settings, client, patience, started: Instant::now(), announced })
    }

    fn retried<T>(
        &self,
        mut request: impl FnMut(&BaseConsumer<Context>, Duration) -> Result<T, DriverError>,
    ) -> Result<T, KafkaError> {
        loop {
            let wait = if self.announced.get() { REQUEST_PATIENCE } else { FIRST_PATIENCE };
            let error = match request(&self.client, wait.min(self.left())) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if let Some(reason) = error.rdkafka_error_code().filter(|code| is_refusal(*code)) {
                return Err(KafkaError::Refused { reason: reason.to_string() });
            }
            if self.started.elapsed() >= self.patience {
                return Err(KafkaError::Unreachable {
                    brokers: self.settings.brokers().to_owned(),
                    waited: self.patience,
                    source: Box::new(error),
                });
            }
            if !self.announced.replace(true) {
                let (brokers, seconds) = (self.settings.brokers(), self.patience.as_secs_f64());
                tracing::warn!("waiting for Kafka at {brokers} (up to {seconds} s)");
            }
            tracing::debug!(error = %error, "no answer from Kafka yet: trying again");
            // Polling also serves the client's own log; a failed request may have failed at once.
            if let Some(Err(error)) = self.client.poll(Duration::from_millis(100)) {
                tracing::debug!(error = %error, "no connection to Kafka yet");
            }
        }
    }

    /// What is left of the patience, and time for one answer in any case.
    fn left(&self) -> Duration {
        self.patience.saturating_sub(self.started.elapsed()).max(Duration::from_millis(100))
    }

    /// Closing a client takes its library a tenth of a second, which nobody has to wait for.
    pub(crate) fn close_aside(self) {
        close_aside(self.client);
    }

    fn metadata(&self) -> Result<Metadata, KafkaError> {
        self.retried(|client, wait| client.fetch_metadata(None, wait))
    }

    pub(crate) fn report(&self) -> Result<TopicReport, KafkaError> {
        let metadata = self.metadata()?;
        let names = self.settings.topics().iter();
        let topics = names.map(|name| self.topic(&metadata, name)).collect::<Result<_, _>>()?;
        Ok(TopicReport { brokers: metadata.brokers().len(), topics })
    }

    fn topic(&self, metadata: &Metadata, name: &TopicName) -> Result<TopicInfo, KafkaError> {
        let numbers = partitions(metadata, name)?.into_iter();
        let partitions =
            numbers.map(|number| self.partition(name, number)).collect::<Result<_, _>>()?;
        Ok(TopicInfo { name: name.clone(), partitions })
    }

    /// The newest records of a topic, newest first.
    fn newest(&self, topic: &TopicInfo, count: usize) -> Result<Vec<SampleRecord>, KafkaError> {
        let back = i64::try_from(count).unwrap_or(i64::MAX);
        let mut list = TopicPartitionList::new();
        for held in &topic.partitions {
            let from = held.end.get().saturating_sub(back).max(held.first.get());
            if from < held.end.get() {
                let from = RawOffset::Offset(from);
                list.add_partition_offset(topic.name.as_str(), held.number.get(), from)
                    .map_err(KafkaError::client("choose where to read a sample"))?;
            }
        }
        let mut records = self.read(&list)?;
        records.sort_by_key(|record| (record.timestamp_ms, record.partition, record.offset));
        records.reverse();
        records.truncate(count);
        Ok(records)
    }

    fn partition(
        &self,
        topic: &TopicName,
        number: PartitionNumber,
    ) -> Result<PartitionInfo, KafkaError> {
        let (low, high) = self
            .retried(|client, wait| client.fetch_watermarks(topic.as_str(), number.get(), wait))?;
        let position = |raw: i64| NextOffset::try_new(raw.max(0)).unwrap_or(NextOffset::ZERO);
        Ok(PartitionInfo { number, first: position(low), end: position(high) })
    }

    /// The position of the first record that is not older, by the log's time.
    pub(crate) fn at_time(
        &self,
        partition: &Partition,
        millis: i64,
    ) -> Result<Option<NextOffset>, KafkaError> {
        let (topic, number) = (partition.topic().as_str(), partition.number().get());
        let mut wanted = TopicPartitionList::new();
        wanted
            .add_partition_offset(topic, number, RawOffset::Offset(millis))
            .map_err(KafkaError::client("ask for the records of a time"))?;
        let found = self.retried(|client, wait| client.offsets_for_times(wanted.clone(), wait))?;
        let place = found.find_partition(topic, number).map(|found| found.offset());
        Ok(match place {
            Some(RawOffset::Offset(raw)) => NextOffset::try_new(raw).ok(),
            Some(
                RawOffset::Beginning
                | RawOffset::End
                | RawOffset::Stored
                | RawOffset::Invalid
                | RawOffset::OffsetTail(_),
            )
            | None => None,
        })
    }

    fn read(&self, list: &TopicPartitionList) -> Result<Vec<SampleRecord>, KafkaError> {
        self.client.assign(list).map_err(KafkaError::client("read a sample"))?;
        let mut open = list.count();
        let mut records = Vec::new();
        let deadline = Instant::now() + SAMPLE_PATIENCE;
        while open > 0 && Instant::now() < deadline {
            match self.client.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => {
                    let number = PartitionNumber::try_new(message.partition());
                    let (Ok(partition), Ok(offset)) = (number, Offset::try_new(message.offset()))
                    else {
                        continue;
                    };
                    records.push(SampleRecord {
                        partition,
                        offset,
                        timestamp_ms: message.timestamp().to_millis(),
                        key: message.key().map(<[u8]>::to_vec),
                        value: message.payload().map(<[u8]>::to_vec),
                    });
                }
                Some(Err(DriverError::PartitionEOF(_))) => open = open.saturating_sub(1),
                Some(Err(error)) => tracing::debug!(error = %error, "reading a sample: retrying"),
                None => {}
            }
        }
        self.client.unassign().map_err(KafkaError::client("stop reading a sample"))?;
        Ok(records)
    }
}

fn partitions(metadata: &Metadata, name: &TopicName) -> Result<Vec<PartitionNumber>, KafkaError> {
    let existing = || metadata.topics().iter().filter(|topic| topic.error().is_none());
    let Some(topic) = existing().find(|topic| topic.name() == name.as_str()) else {
        let near = closest(name.as_str(), existing().map(MetadataTopic::name));
        let near = near.map(str::to_owned);
        return Err(KafkaError::MissingTopic { topic: name.clone(), near });
    };
    let mut numbers: Vec<PartitionNumber> = topic
        .partitions()
        .iter()
        .filter_map(|partition| PartitionNumber::try_new(partition.id()).ok())
        .collect();
    numbers.sort();
    Ok(numbers)
}

pub(crate) fn is_refusal(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::UnsupportedSASLMechanism
            | RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed
    )
}
