//! A topic of a test's own: how it is made, filled by hand, and measured.

use std::convert::Infallible;
use std::io::Write as _;
use std::time::Duration;

use cdc_core::TopicName;
use cdc_kafka::{KafkaError, KafkaSettings, Message, Publisher, preflight};
use cdc_stack::kafka::Broker;
use cdc_workload::{EnvelopeOptions, EnvelopeWriter, Transaction};

use super::{stack, until, until_some};

/// How long a broker may take for one answer or to take a test's messages.
const PATIENCE: Duration = Duration::from_mins(1);

/// An existing topic.
#[derive(Debug)]
pub(crate) struct Topic {
    name: String,
    brokers: String,
    publisher: Publisher,
}

/// A record to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Option<Vec<u8>>,
}

impl Topic {
    /// Creates a topic of this name on the shared broker.
    pub(crate) fn shared(name: &str, partitions: i32) -> Self {
        Self::on(stack().broker(), name, partitions)
    }

    /// Creates it on a test's own broker.
    pub(crate) fn on(broker: &Broker, name: &str, partitions: i32) -> Self {
        let brokers = broker.bootstrap();
        let publisher = Publisher::connect(&brokers).expect("a publisher");
        publisher.create_topic(name, partitions).expect("a topic");
        Self { name: name.to_owned(), brokers, publisher }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The addresses of its broker.
    pub(crate) fn brokers(&self) -> &str {
        &self.brokers
    }

    /// Removes the records of partition 0 before an offset, as retention does.
    pub(crate) fn delete_before(&self, offset: u64) {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        let Self { name, brokers, .. } = self;
        let place = format!(r#"{{"topic": "{name}", "partition": 0, "offset": {offset}}}"#);
        write!(file, r#"{{"version": 1, "partitions": [{place}]}}"#).expect("a written file");
        let path = file.path().to_str().expect("a path of text");
        let arguments = ["--bootstrap-server", brokers, "--offset-json-file", path];
        tool("org.apache.kafka.tools.DeleteRecordsCommand", &arguments);
    }

    /// Deletes the topic and creates another one of the same name, with this many partitions.
    pub(crate) fn created_again(self, partitions: i32) -> Self {
        self.command(&["--delete"]);
        let topic = TopicName::parse(&self.name).expect("a topic's name");
        let settings = KafkaSettings::new(self.brokers.clone(), vec![topic]);
        until("the end of the topic", || {
            let found = preflight::probe(&settings, PATIENCE);
            matches!(found, Err(KafkaError::MissingTopic { .. }))
        });
        Self::on(stack().broker(), &self.name, partitions)
    }

    /// Adds partitions until there are so many.
    pub(crate) fn widened(self, partitions: i32) -> Self {
        self.command(&["--alter", "--partitions", &partitions.to_string()]);
        let Self { name, brokers, .. } = self;
        // A publisher that knew the topic before does not look again soon.
        let publisher = Publisher::connect(&brokers).expect("a publisher");
        Self { name, brokers, publisher }
    }

    fn command(&self, arguments: &[&str]) {
        let place = ["--bootstrap-server", &*self.brokers, "--topic", &*self.name];
        tool("org.apache.kafka.tools.TopicCommand", &[&place, arguments].concat());
    }

    /// Publishes records and waits until the broker has them.
    pub(crate) fn publish(&self, letters: &[Letter]) {
        for letter in letters {
            let (key, value) = (Some(&*letter.key), letter.value.as_deref());
            let message = Message { key, value, ..Message::default() };
            self.publisher.publish(&self.name, &message).expect("a published record");
        }
        self.publisher.flush(PATIENCE).expect("records that the broker took");
    }

    /// How many records it holds.
    pub(crate) fn records(&self) -> u64 {
        records_in(&self.brokers, &self.name)
    }

    /// Waits until it holds this many records, and no more.
    pub(crate) fn wait_for(&self, records: u64) {
        let what = format!("{} holding {records} records", self.name);
        let held = until_some(&what, || Some(self.records()).filter(|held| *held >= records));
        assert_eq!(held, records, "{}", self.name);
    }
}

/// Runs one of Kafka's own programs on the shared broker.
pub(crate) fn tool(class: &str, arguments: &[&str]) {
    stack().broker().tool(class, arguments).unwrap_or_else(|error| panic!("{error}"));
}

/// How many records a topic holds that is neither transactional nor compacted yet: then it is exact.
pub(crate) fn records_in(brokers: &str, topic: &str) -> u64 {
    let name = TopicName::parse(topic).expect("a topic's name");
    let settings = KafkaSettings::new(brokers.to_owned(), vec![name]);
    let report = preflight::probe(&settings, PATIENCE).expect("a broker that answers");
    report.topics().iter().map(preflight::TopicInfo::offsets_held).sum()
}

/// A writer of envelopes as a connector for this topic would be.
pub(crate) fn envelopes() -> EnvelopeWriter {
    EnvelopeWriter::new(&EnvelopeOptions::default())
}

/// The records of some transactions.
pub(crate) fn letters<'t>(
    writer: &mut EnvelopeWriter,
    transactions: impl IntoIterator<Item = &'t Transaction>,
) -> Vec<Letter> {
    let mut letters = Vec::new();
    for transaction in transactions {
        let written = writer.write(transaction, |record| {
            let value = record.value.map(<[u8]>::to_vec);
            letters.push(Letter { key: record.key.to_vec(), value });
            Ok::<(), Infallible>(())
        });
        written.unwrap_or_else(|never| match never {});
    }
    letters
}
