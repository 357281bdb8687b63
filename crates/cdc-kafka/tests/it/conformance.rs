//! The source passes the suite that every source must pass, on a real broker.

use std::thread;

use cdc_core::{ByteBudget, NextOffset, Partition, Source as _};
use cdc_kafka::{KafkaSource, Message};
use cdc_testkit::LogMessage;
use cdc_testkit::conformance::Violation;
use cdc_testkit::conformance::source::{self, CASES, SourceUnderTest};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::{Offset, TopicPartitionList};

use crate::support::{PATIENCE, Topic};

/// Enough for a member of the group that reads nothing.
const IDLE_BYTES: usize = 1 << 20;

/// The source, with a topic for each case.
struct Topics;

/// A topic, and the second member of its group.
struct Place {
    topic: Topic,
    other: Option<KafkaSource>,
}

impl SourceUnderTest for Topics {
    type Source = KafkaSource;
    type Place = Place;

    async fn create(&self, partitions: i32) -> Place {
        Place { topic: Topic::create("conformance", partitions), other: None }
    }

    async fn start(&self, place: &Place, budget: ByteBudget) -> KafkaSource {
        KafkaSource::start(place.topic.settings(), budget).unwrap()
    }

    fn partition(&self, place: &Place, number: i32) -> Partition {
        place.topic.partition(number)
    }

    async fn append(&self, place: &Place, partition: &Partition, messages: &[LogMessage<'_>]) {
        let Topic { name, publisher, .. } = &place.topic;
        for &LogMessage { key, value, headers } in messages {
            let partition = Some(partition.number().get());
            let message = Message { partition, key, value, headers, ..Message::default() };
            publisher.publish(name, &message).unwrap();
        }
        publisher.flush(PATIENCE).unwrap();
    }

    async fn forget_before(&self, place: &Place, partition: &Partition, begins: NextOffset) {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &place.topic.brokers);
        let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
        let (number, begins) = (partition.number().get(), Offset::Offset(begins.get()));
        let mut wanted = TopicPartitionList::new();
        wanted.add_partition_offset(&place.topic.name, number, begins).unwrap();
        let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
        let begun = admin.delete_records(&wanted, &options).await.unwrap();
        let partition = begun.find_partition(&place.topic.name, number).unwrap();
        partition.error().unwrap();
        assert_eq!(partition.offset(), begins);
    }

    async fn create_again(&self, place: &Place) {
        place.topic.create_again(1).await;
    }

    async fn revoke_some(&self, place: &mut Place) {
        let budget = ByteBudget::new(IDLE_BYTES);
        place.other = Some(KafkaSource::start(place.topic.settings(), budget).unwrap());
    }

    async fn give_back(&self, place: &mut Place) {
        place.other.take().unwrap().close().await;
    }
}

/// Runs a case with a runtime of its own: publishing blocks, and must hold up no other case.
fn judge(case: &str) -> Result<(), Violation> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(source::run(&Topics, case))
}

#[test]
fn the_source_passes_every_case() {
    // A case spends nearly all of its time waiting for the group or for silence.
    let running = CASES.iter().map(|case| thread::spawn(|| judge(case)));
    let running: Vec<_> = running.collect();
    let violations = running.into_iter().filter_map(|case| case.join().unwrap().err());
    assert_eq!(violations.collect::<Vec<_>>(), []);
}
