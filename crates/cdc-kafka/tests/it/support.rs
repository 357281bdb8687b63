//! One broker for all tests, topics of their own for each, and a reader that plays the engine.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use cdc_core::{
    ByteBudget, NextOffset, Partition, RecordBatch, ResumePoint, Revocation, Source, SourceEvent,
    TopicName, Witness, Witnesses,
};
use cdc_kafka::{KafkaError, KafkaSettings, KafkaSource, Message, Publisher};
use cdc_stack::kafka::{Broker, BrokerOptions};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::{Offset, TopicPartitionList};
use tokio::time::{Instant, timeout_at};

pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

pub(crate) fn broker() -> &'static Broker {
    static BROKER: OnceLock<Broker> = OnceLock::new();
    BROKER.get_or_init(|| Broker::start(&BrokerOptions::default()).expect("a broker must start"))
}

/// A name that no other test uses.
pub(crate) fn unique(name: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// A topic of its own.
pub(crate) struct Topic {
    pub(crate) name: String,
    pub(crate) brokers: String,
    pub(crate) publisher: Publisher,
}

impl Topic {
    pub(crate) fn create(name: &str, partitions: i32) -> Self {
        Self::create_at(&broker().bootstrap(), name, partitions)
    }

    /// A topic of one partition, with settings of its own.
    pub(crate) fn create_with(name: &str, settings: &[(&str, &str)]) -> Self {
        let brokers = broker().bootstrap();
        let name = unique(name);
        let publisher = Publisher::connect(&brokers).unwrap();
        publisher.create_topic_with(&name, 1, settings).unwrap();
        Self { name, brokers, publisher }
    }

    pub(crate) fn create_at(brokers: &str, name: &str, partitions: i32) -> Self {
        let name = unique(name);
        let publisher = Publisher::connect(brokers).unwrap();
        publisher.create_topic(&name, partitions).unwrap();
        Self { name, brokers: brokers.to_owned(), publisher }
    }

    pub(crate) fn partition(&self, number: i32) -> Partition {
        Partition::new(&self.name, 0, number).unwrap()
    }

    pub(crate) fn settings(&self) -> KafkaSettings {
        KafkaSettings::new(&self.brokers, vec![TopicName::parse(&self.name).unwrap()])
            .with_group(format!("{}-group", self.name))
    }

    fn admin(&self) -> AdminClient<DefaultClientContext> {
        ClientConfig::new().set("bootstrap.servers", &self.brokers).create().unwrap()
    }

    /// Removes the records of partition 0 before an offset, as retention does.
    pub(crate) async fn delete_before(&self, offset: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.name, 0, Offset::Offset(offset)).unwrap();
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let deleted = self.admin().delete_records(&list, &options).await.unwrap();
        deleted.find_partition(&self.name, 0).unwrap().error().unwrap();
    }

    /// Deletes the topic and waits until the broker no longer knows it.
    pub(crate) async fn delete(&self) {
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let deleted = self.admin().delete_topics(&[&self.name], &options).await.unwrap();
        assert_eq!(deleted, [Ok(self.name.clone())]);
    }

    /// Deletes the topic and creates another one of the same name, with this many partitions.
    pub(crate) async fn create_again(&self, partitions: i32) {
        self.delete().await;
        let deadline = Instant::now() + PATIENCE;
        // The broker may still be deleting when it takes the name for free, or the reverse.
        loop {
            let topic = NewTopic::new(&self.name, partitions, TopicReplication::Fixed(-1));
            let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
            let created = self.admin().create_topics([&topic], &options).await.unwrap();
            if created == [Ok(self.name.clone())] {
                return;
            }
            assert!(Instant::now() < deadline, "{created:?}");
        }
    }

    /// Writes the numbers `from..until`, as text, to each partition.
    pub(crate) fn publish(&self, partitions: i32, from: usize, until: usize) {
        for number in from..until {
            let value = number.to_string();
            for partition in 0..partitions {
                let value = Some(value.as_bytes());
                let message = Message { partition: Some(partition), value, ..Message::default() };
                self.publisher.publish(&self.name, &message).unwrap();
            }
        }
        self.publisher.flush(PATIENCE).unwrap();
    }
}

/// What the reader does with a revocation.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnRevoked {
    Relinquish,
    Keep,
}

/// Plays the engine: resumes from its points, drops batches of older numbers, checks that ranges
/// join, and keeps what it read.
pub(crate) struct Reader {
    pub(crate) source: KafkaSource,
    pub(crate) points: BTreeMap<Partition, ResumePoint>,
    /// What is recalled with every assignment.
    pub(crate) recalled: Witnesses,
    pub(crate) next: BTreeMap<Partition, NextOffset>,
    pub(crate) numbers: BTreeMap<Partition, u64>,
    pub(crate) values: BTreeMap<Partition, Vec<String>>,
    pub(crate) caught_up: BTreeMap<Partition, NextOffset>,
    pub(crate) ends: BTreeMap<Partition, NextOffset>,
    pub(crate) revoked: Vec<Revocation>,
    pub(crate) revocations: usize,
    pub(crate) on_revoked: OnRevoked,
    /// Batches whose memory is still charged.
    pub(crate) kept: Option<Vec<RecordBatch>>,
}

impl Reader {
    pub(crate) fn start(settings: KafkaSettings) -> Self {
        Self::start_with(settings, ByteBudget::new(16 << 20))
    }

    pub(crate) fn start_with(settings: KafkaSettings, budget: ByteBudget) -> Self {
        Self {
            source: KafkaSource::start(settings, budget).unwrap(),
            points: BTreeMap::new(),
            recalled: Witnesses::new(),
            next: BTreeMap::new(),
            numbers: BTreeMap::new(),
            values: BTreeMap::new(),
            caught_up: BTreeMap::new(),
            ends: BTreeMap::new(),
            revoked: Vec::new(),
            revocations: 0,
            on_revoked: OnRevoked::Relinquish,
            kept: None,
        }
    }

    pub(crate) async fn close(self) {
        self.source.close().await;
    }

    /// Polls until a condition holds.
    pub(crate) async fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done(self) {
            match timeout_at(deadline, self.source.poll()).await {
                Ok(event) => self.handle(event.unwrap()).await,
                Err(elapsed) => {
                    panic!("{elapsed}: {what} did not happen; read {:?}", self.counts())
                }
            }
        }
    }

    /// Polls until the source fails.
    pub(crate) async fn failure(&mut self) -> KafkaError {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match timeout_at(deadline, self.source.poll()).await {
                Ok(Ok(event)) => self.handle(event).await,
                Ok(Err(error)) => return error,
                Err(elapsed) => panic!("{elapsed}: no failure; read {:?}", self.counts()),
            }
        }
    }

    /// Handles what comes within a time; for behaviour that must *not* happen.
    pub(crate) async fn during(&mut self, time: Duration) {
        let deadline = Instant::now() + time;
        while let Ok(event) = timeout_at(deadline, self.source.poll()).await {
            self.handle(event.unwrap()).await;
        }
    }

    async fn handle(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Assigned(assignment) => {
                let mut points = Vec::new();
                for partition in assignment.partitions() {
                    let point = self.points.get(partition).copied();
                    let point = point.unwrap_or(ResumePoint::Beginning);
                    self.numbers.insert(partition.clone(), assignment.number());
                    self.next.remove(partition);
                    if let ResumePoint::At(next) = point {
                        self.next.insert(partition.clone(), next);
                    }
                    points.push((partition.clone(), point));
                }
                self.source.recall(self.recalled.clone()).await.unwrap();
                self.source.resume(assignment, points).await.unwrap();
            }
            SourceEvent::Revoked(revocation) => {
                self.revocations += 1;
                match self.on_revoked {
                    OnRevoked::Relinquish => self.relinquish(revocation).await,
                    OnRevoked::Keep => self.revoked.push(revocation),
                }
            }
            SourceEvent::Records(batch) => self.take(batch),
            SourceEvent::CaughtUp(partition) => {
                let next = self.next.get(&partition).copied().unwrap_or(NextOffset::ZERO);
                self.caught_up.insert(partition, next);
            }
            SourceEvent::LogEnd(partition, end) => _ = self.ends.insert(partition, end),
            SourceEvent::End => panic!("a topic has no end"),
        }
    }

    pub(crate) async fn relinquish(&mut self, revocation: Revocation) {
        for partition in revocation.partitions() {
            self.numbers.remove(partition);
            if let Some(next) = self.next.get(partition) {
                self.points.insert(partition.clone(), ResumePoint::At(*next));
            }
        }
        self.source.relinquish(revocation).await.unwrap();
    }

    /// The records of a partition at these offsets, as a sink remembers them. They must have been kept.
    pub(crate) fn witnesses(&self, partition: &Partition, newest_first: &[i64]) -> Witnesses {
        let batches = self.kept.as_ref().expect("records are kept").iter();
        let records = batches.filter(|batch| batch.partition() == partition);
        let all: BTreeMap<_, _> = records
            .flat_map(RecordBatch::iter)
            .map(|record| (record.offset.get(), Witness::of(&record)))
            .collect();
        let chosen = newest_first.iter().map(|offset| all[offset].clone()).collect();
        Witnesses::from([(partition.clone(), chosen)])
    }

    fn take(&mut self, batch: RecordBatch) {
        let partition = batch.partition().clone();
        if self.numbers.get(&partition) != Some(&batch.assignment()) {
            return;
        }
        let range = batch.range();
        if let Some(next) = self.next.get(&partition) {
            assert_eq!(*next, range.from(), "ranges of {partition} must join");
        }
        self.next.insert(partition.clone(), range.until());
        let values = self.values.entry(partition).or_default();
        for record in batch.iter() {
            let value = record.value.unwrap_or_default();
            values.push(String::from_utf8(value.to_vec()).unwrap());
        }
        if let Some(kept) = &mut self.kept {
            kept.push(batch);
        }
    }

    pub(crate) fn counts(&self) -> BTreeMap<String, usize> {
        self.values
            .iter()
            .map(|(partition, values)| (partition.to_string(), values.len()))
            .collect()
    }

    pub(crate) fn total(&self) -> usize {
        self.values.values().map(Vec::len).sum()
    }
}

/// The numbers `from..until` as text.
pub(crate) fn numbers(from: usize, until: usize) -> Vec<String> {
    (from..until).map(|number| number.to_string()).collect()
}

pub(crate) fn at(raw: i64) -> ResumePoint {
    ResumePoint::At(next(raw))
}

pub(crate) fn next(raw: i64) -> NextOffset {
    NextOffset::try_new(raw).unwrap()
}
