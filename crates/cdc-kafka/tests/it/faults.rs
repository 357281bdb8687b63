//! Brokers that fail, and clients that are told so by name.

use cdc_core::{
    ByteBudget, CheckpointDelta, Classify, ErrorClass, Halt, OffsetRange, Source as _, TopicName,
};
use cdc_kafka::{KafkaError, KafkaSettings, KafkaSource};
use cdc_stack::kafka::{Broker, BrokerOptions};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::delivery::receipt;
use crate::support::{Reader, Topic, next, numbers};

#[tokio::test]
async fn f19_a_killed_broker_is_waited_for_and_nothing_is_lost_or_repeated() {
    let broker = Broker::start(&BrokerOptions::default()).expect("a broker must start");
    let topic = Topic::create_at(&broker.bootstrap(), "killed", 2);
    topic.publish(2, 0, 500);
    let mut reader = Reader::start(topic.settings());
    reader.until("the first half", |reader| reader.total() == 1_000).await;
    broker.kill();
    reader.during(std::time::Duration::from_secs(1)).await;
    let restarted = tokio::task::spawn_blocking(move || {
        broker.restart().expect("a broker must start again");
        broker
    });
    let broker = restarted.await.unwrap();
    topic.publish(2, 500, 1_000);
    reader.until("the second half", |reader| reader.total() == 2_000).await;
    for number in 0..2 {
        assert_eq!(reader.values[&topic.partition(number)], numbers(0, 1_000));
    }
    reader.close().await;
    drop(broker);
}

#[tokio::test]
async fn a_source_that_starts_before_its_broker_waits_for_it_and_closes_in_time() {
    let settings = KafkaSettings::new("127.0.0.1:1", vec![TopicName::parse("t").unwrap()]);
    let mut reader = Reader::start(settings);
    reader.during(std::time::Duration::from_secs(1)).await;
    assert!(reader.numbers.is_empty());
    let started = std::time::Instant::now();
    reader.close().await;
    assert!(started.elapsed() < std::time::Duration::from_secs(12), "{:?}", started.elapsed());
}

#[tokio::test]
async fn f42_a_source_whose_brokers_are_all_down_reads_when_one_comes() {
    let broker =
        Broker::start(&BrokerOptions { heap_mib: 256, ..BrokerOptions::default() }).unwrap();
    let topic = Topic::create_at(&broker.bootstrap(), "late", 2);
    topic.publish(2, 0, 100);
    broker.kill();
    let mut reader = Reader::start(topic.settings());
    reader.during(std::time::Duration::from_secs(2)).await;
    assert!(reader.numbers.is_empty());
    let restarted = tokio::task::spawn_blocking(move || {
        broker.restart().unwrap();
        broker
    });
    let broker = restarted.await.unwrap();
    reader.until("everything", |reader| reader.total() == 200).await;
    reader.close().await;
    drop(broker);
}

#[tokio::test]
async fn f26_a_group_that_refuses_every_commit_changes_nothing() {
    let cluster: MockCluster<'_, DefaultProducerContext> = MockCluster::new(1).unwrap();
    cluster.create_topic("uncommitted", 1, 1).unwrap();
    let topic = mock_topic(&cluster, "uncommitted");
    topic.publish(1, 0, 10);
    let mut reader = Reader::start(topic.settings());
    reader.until("the first half", |reader| reader.total() == 10).await;
    let number = reader.numbers[&topic.partition(0)];
    let refusals = [
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_OFFSET_METADATA_TOO_LARGE,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
    ];
    for refusal in refusals {
        // Only the last one says that this is no member any more, which has to join again then.
        assert_eq!((reader.revocations, reader.numbers[&topic.partition(0)]), (0, number));
        cluster.request_errors(RDKafkaApiKey::OffsetCommit, &[refusal; 100]);
        let range = OffsetRange::try_new(next(0), next(10)).unwrap();
        let delta = CheckpointDelta::single(topic.partition(0), range);
        reader.source.acknowledge(&receipt(delta)).await.unwrap();
        // Longer than the source waits before it commits.
        reader.during(std::time::Duration::from_millis(1_500)).await;
        cluster.clear_request_errors(RDKafkaApiKey::OffsetCommit);
    }
    topic.publish(1, 10, 20);
    reader.until("the second half", |reader| reader.total() == 20).await;
    assert_eq!(reader.values[&topic.partition(0)], numbers(0, 20));
    reader.close().await;
}

#[tokio::test]
async fn failing_requests_are_retried_until_they_succeed() {
    let cluster: MockCluster<'_, DefaultProducerContext> = MockCluster::new(1).unwrap();
    cluster.create_topic("flaky", 1, 1).unwrap();
    let fault = RDKafkaRespErr::RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION;
    let topic = mock_topic(&cluster, "flaky");
    topic.publish(1, 0, 10);
    cluster.request_errors(RDKafkaApiKey::ListOffsets, &[fault; 4]);
    cluster.request_errors(RDKafkaApiKey::Fetch, &[fault; 3]);
    let mut reader = Reader::start(topic.settings());
    reader.until("all", |reader| reader.total() == 10).await;
    assert_eq!(reader.values[&topic.partition(0)], numbers(0, 10));
    reader.close().await;
}

#[tokio::test]
async fn f09_a_consumer_that_gets_nothing_while_records_wait_is_replaced() {
    let cluster: MockCluster<'_, DefaultProducerContext> = MockCluster::new(1).unwrap();
    cluster.create_topic("stalled", 1, 1).unwrap();
    let topic = mock_topic(&cluster, "stalled");
    topic.publish(1, 0, 10);
    let settings = topic.settings().with_stall_after(std::time::Duration::from_secs(3));
    let mut reader = Reader::start(settings);
    reader.until("the first half", |reader| reader.total() == 10).await;
    let first = reader.numbers[&topic.partition(0)];
    // Fetches fail for several seconds, so nothing says that there is more.
    let fault = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN;
    cluster.request_errors(RDKafkaApiKey::Fetch, &[fault; 80]);
    topic.publish(1, 10, 20);
    reader.until("a revocation", |reader| reader.revocations > 0).await;
    cluster.clear_request_errors(RDKafkaApiKey::Fetch);
    reader.until("the second half", |reader| reader.total() == 20).await;
    assert_eq!(reader.values[&topic.partition(0)], numbers(0, 20));
    assert!(reader.numbers[&topic.partition(0)] > first);
    reader.close().await;
}

#[tokio::test]
async fn refused_access_to_a_topic_is_fatal() {
    let cluster: MockCluster<'_, DefaultProducerContext> = MockCluster::new(1).unwrap();
    cluster.create_topic("secret", 1, 1).unwrap();
    let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    cluster.topic_error("secret", refusal).unwrap();
    let topic = mock_topic(&cluster, "secret");
    let error = Reader::start(topic.settings()).failure().await;
    assert!(
        matches!(&error, KafkaError::Refused { reason } if reason.contains("secret")),
        "{error}"
    );
    assert_eq!(error.class(), ErrorClass::Fatal(Halt::Environment));
}

#[tokio::test]
async fn a_missing_topic_is_fatal_and_is_not_created() {
    let present = Topic::create("present", 1);
    let missing = TopicName::parse("never-created").unwrap();
    let settings = KafkaSettings::new(&present.brokers, vec![missing]).with_group(&present.name);
    let error = Reader::start(settings).failure().await;
    let KafkaError::TopicGone { reason } = &error else { panic!("{error}") };
    assert!(reason.contains("never-created"), "{reason}");
}

#[tokio::test]
async fn f47_of_two_processes_with_the_same_instance_id_one_ends_by_name_and_the_other_reads_on() {
    let topic = Topic::create("fenced", 1);
    topic.publish(1, 0, 10);
    let settings = topic.settings().with_instance_id("twin");
    let mut first = Reader::start(settings.clone());
    first.until("its partition", |reader| reader.total() == 10).await;
    let mut second = Reader::start(settings);
    let (has_first_ended, error) = tokio::select! {
        error = first.failure() => (true, error),
        error = second.failure() => (false, error),
    };
    let KafkaError::Fenced { instance_id, .. } = &error else { panic!("{error}") };
    assert_eq!(instance_id, "twin");
    let (ended, mut left) = if has_first_ended { (first, second) } else { (second, first) };
    ended.close().await;
    topic.publish(1, 10, 20);
    let (partition, all) = (topic.partition(0), numbers(0, 20));
    let is_read =
        |reader: &Reader| reader.values.get(&partition).is_some_and(|it| it.last() == all.last());
    left.until("what came afterwards", is_read).await;
    left.close().await;
}

/// A broker that takes a member for a second one with its own instance id, as it may when the member joins
/// again before it has seen the answer to its first attempt.
#[tokio::test]
async fn a_member_that_is_taken_for_another_one_joins_once_more_and_reads_on() {
    let cluster: MockCluster<'_, DefaultProducerContext> = MockCluster::new(1).unwrap();
    cluster.create_topic("taken", 1, 1).unwrap();
    let topic = mock_topic(&cluster, "taken");
    topic.publish(1, 0, 10);
    let mut reader = Reader::start(topic.settings().with_instance_id("only"));
    reader.until("the first half", |reader| reader.total() == 10).await;
    let fenced = RDKafkaRespErr::RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID;
    cluster.request_errors(RDKafkaApiKey::Heartbeat, &[fenced]);
    reader.until("a revocation", |reader| reader.revocations > 0).await;
    topic.publish(1, 10, 20);
    reader.until("the second half", |reader| reader.total() == 20).await;
    assert_eq!(reader.values[&topic.partition(0)], numbers(0, 20));
    cluster.request_errors(RDKafkaApiKey::Heartbeat, &[fenced]);
    let error = reader.failure().await;
    assert!(matches!(&error, KafkaError::Fenced { .. }), "{error}");
    reader.close().await;
}

#[test]
fn a_source_without_topics_is_refused() {
    let settings = KafkaSettings::new("127.0.0.1:1", Vec::new());
    let error = KafkaSource::start(settings, ByteBudget::new(1 << 20)).unwrap_err();
    assert_eq!(error.class(), ErrorClass::Fatal(Halt::Configuration));
}

pub(crate) fn mock_topic(cluster: &MockCluster<'_, DefaultProducerContext>, name: &str) -> Topic {
    let brokers = cluster.bootstrap_servers();
    let publisher = cdc_kafka::Publisher::connect(&brokers).unwrap();
    Topic { name: name.to_owned(), brokers, publisher }
}
