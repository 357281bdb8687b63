//! Positions that the log does not hold, and offsets that no record stands at.

use cdc_core::{Classify, ErrorClass, Halt};
use cdc_kafka::KafkaError;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::support::{PATIENCE, Reader, Topic, at, next, numbers, unique};

#[tokio::test]
async fn f33_a_position_that_retention_has_passed_is_fatal_and_names_both_positions() {
    let topic = Topic::create("gone", 1);
    topic.publish(1, 0, 100);
    topic.delete_before(40).await;
    let mut reader = Reader::start(topic.settings());
    reader.points.insert(topic.partition(0), at(25));
    let error = reader.failure().await;
    let KafkaError::ResumeGone { resume, first, gone, .. } = &error else { panic!("{error}") };
    assert_eq!((*resume, *first, *gone), (next(25), next(40), 15));
    assert_eq!(error.class(), ErrorClass::Fatal(Halt::Data));
    let command = format!("`cdc-pipeline accept-gap --topic {} --reason", topic.name);
    assert!(error.hint().unwrap().contains(&command), "{:?}", error.hint());
    assert_eq!(reader.total(), 0);
    reader.close().await;
}

#[tokio::test]
async fn f29_a_position_beyond_the_end_is_fatal_and_names_both_positions() {
    let topic = Topic::create("beyond", 1);
    topic.publish(1, 0, 10);
    let mut reader = Reader::start(topic.settings());
    reader.points.insert(topic.partition(0), at(11));
    let error = reader.failure().await;
    let KafkaError::ResumeBeyondEnd { resume, end, .. } = &error else { panic!("{error}") };
    assert_eq!((*resume, *end), (next(11), next(10)));
    reader.close().await;
}

#[tokio::test]
async fn the_beginning_is_where_the_log_begins_now() {
    let topic = Topic::create("begins", 1);
    topic.publish(1, 0, 100);
    topic.delete_before(40).await;
    let mut reader = Reader::start(topic.settings());
    reader.kept = Some(Vec::new());
    reader.until("the rest", |reader| reader.total() == 60).await;
    assert_eq!(reader.kept.as_ref().unwrap()[0].range().from(), next(40));
    assert_eq!(reader.values[&topic.partition(0)], numbers(40, 100));
    reader.close().await;
}

#[tokio::test]
async fn after_a_lost_position_of_one_partition_the_others_go_on() {
    let topic = Topic::create("others", 2);
    topic.publish(2, 0, 50);
    topic.delete_before(40).await;
    let mut reader = Reader::start(topic.settings());
    reader.points.insert(topic.partition(0), at(0));
    assert!(matches!(reader.failure().await, KafkaError::ResumeGone { .. }));
    reader.until("the other one", |reader| reader.total() == 50).await;
    assert_eq!(reader.values[&topic.partition(1)], numbers(0, 50));
    reader.close().await;
}

pub(crate) fn transactional(topic: &Topic) -> BaseProducer {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &topic.brokers)
        .set("transactional.id", unique("writer"))
        .create()
        .unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    producer
}

pub(crate) fn write(producer: &BaseProducer, topic: &Topic, from: usize, until: usize) {
    producer.begin_transaction().unwrap();
    for value in numbers(from, until) {
        let record = BaseRecord::<str, str>::to(&topic.name).partition(0).payload(&value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(PATIENCE).unwrap();
}

#[tokio::test]
async fn f35_aborted_transactions_are_skipped_and_the_marker_at_the_end_is_covered() {
    let topic = Topic::create("transactions", 1);
    let producer = transactional(&topic);
    write(&producer, &topic, 0, 10);
    producer.commit_transaction(PATIENCE).unwrap();
    write(&producer, &topic, 100, 105);
    producer.abort_transaction(PATIENCE).unwrap();
    let mut reader = Reader::start(topic.settings());
    // 10 records and a marker, 5 records and a marker.
    reader
        .until("the end", |reader| reader.caught_up.get(&topic.partition(0)) == Some(&next(17)))
        .await;
    assert_eq!(reader.values[&topic.partition(0)], numbers(0, 10));
    // Another aborted one: progress moves over it without any record.
    write(&producer, &topic, 200, 203);
    producer.abort_transaction(PATIENCE).unwrap();
    reader
        .until("the new end", |reader| reader.caught_up.get(&topic.partition(0)) == Some(&next(21)))
        .await;
    assert_eq!(reader.next[&topic.partition(0)], next(21));
    assert_eq!(reader.total(), 10);
    reader.close().await;
    // And the end is a position to resume from.
    let mut reader = Reader::start(topic.settings());
    reader.points.insert(topic.partition(0), at(21));
    reader.until("the end again", |reader| !reader.caught_up.is_empty()).await;
    assert_eq!(reader.total(), 0);
    reader.close().await;
}

#[tokio::test]
async fn f35_an_open_transaction_is_not_delivered_before_its_end() {
    let topic = Topic::create("open-transaction", 1);
    topic.publish(1, 0, 3);
    let producer = transactional(&topic);
    write(&producer, &topic, 3, 8);
    let mut reader = Reader::start(topic.settings());
    reader.until("what is committed", |reader| !reader.caught_up.is_empty()).await;
    assert_eq!(reader.caught_up[&topic.partition(0)], next(3));
    assert_eq!(reader.values[&topic.partition(0)], numbers(0, 3));
    producer.commit_transaction(PATIENCE).unwrap();
    reader.until("the rest", |reader| reader.total() == 8).await;
    reader.close().await;
}
