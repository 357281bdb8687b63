//! Topics that were deleted and created again, and what a group remembers of them.

use std::time::Duration;

use cdc_core::{Classify, ErrorClass, Halt, Witness, Witnesses};
use cdc_kafka::preflight::probe;
use cdc_kafka::{KafkaError, Message};
use cdc_stack::kafka::{Broker, BrokerOptions};
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use crate::support::{PATIENCE, Reader, Topic, at, next, numbers};

/// Reads the topic to its end and remembers some records of its first partition, newest first.
async fn remembered(topic: &Topic, partitions: usize, offsets: &[i64]) -> Witnesses {
    let mut reader = Reader::start(topic.settings());
    reader.kept = Some(Vec::new());
    reader.until("the end", |reader| reader.caught_up.len() == partitions).await;
    let witnesses = reader.witnesses(&topic.partition(0), offsets);
    reader.close().await;
    witnesses
}

/// A reader that resumes the first partition at a position, with what is remembered.
fn resumed(topic: &Topic, position: i64, recalled: &Witnesses) -> Reader {
    let mut reader = Reader::start(topic.settings());
    reader.points.insert(topic.partition(0), at(position));
    reader.recalled = recalled.clone();
    reader
}

fn assert_incarnation_hint(topic: &Topic, error: &KafkaError) {
    assert_eq!(error.class(), ErrorClass::Fatal(Halt::Data), "{error}");
    let command = format!("`cdc-pipeline accept-incarnation --topic {} --reason", topic.name);
    assert!(error.hint().unwrap().contains(&command), "{:?}", error.hint());
}

#[tokio::test]
async fn f30_a_topic_created_again_that_has_grown_past_the_position_is_fatal() {
    let topic = Topic::create("again", 2);
    topic.publish(2, 0, 50);
    let recalled = remembered(&topic, 2, &[49, 20]).await;
    topic.create_again(2).await;
    topic.publish(2, 1_000, 1_200);
    let mut reader = resumed(&topic, 50, &recalled);
    let error = reader.failure().await;
    let KafkaError::Replaced { resume, offset, .. } = &error else { panic!("{error}") };
    assert_eq!((*resume, offset.get()), (next(50), 49));
    assert_incarnation_hint(&topic, &error);
    // Of the other partition nothing is remembered, and nothing is missing.
    reader.until("the other one", |reader| reader.total() == 200).await;
    assert_eq!(reader.values[&topic.partition(1)], numbers(1_000, 1_200));
    reader.close().await;
}

#[tokio::test]
async fn f29_a_topic_created_again_that_is_shorter_is_fatal() {
    let topic = Topic::create("shorter", 1);
    topic.publish(1, 0, 50);
    let recalled = remembered(&topic, 1, &[49, 20]).await;
    topic.create_again(1).await;
    topic.publish(1, 0, 20);
    let mut reader = resumed(&topic, 50, &recalled);
    let error = reader.failure().await;
    let KafkaError::ResumeBeyondEnd { resume, end, .. } = &error else { panic!("{error}") };
    assert_eq!((*resume, *end), (next(50), next(20)));
    assert_incarnation_hint(&topic, &error);
    reader.close().await;
}

#[tokio::test]
async fn a_topic_is_known_by_what_retention_has_left() {
    let topic = Topic::create("known", 1);
    topic.publish(1, 0, 50);
    let recalled = remembered(&topic, 1, &[45, 30, 10]).await;
    for (begins, total) in [(0, 5), (20, 5), (40, 5), (48, 5), (50, 0)] {
        topic.delete_before(begins).await;
        let position = 50 - i64::try_from(total).unwrap();
        if begins > position {
            // That is a gap, which is another test.
            continue;
        }
        let mut reader = resumed(&topic, position, &recalled);
        reader.until("the rest", |reader| !reader.caught_up.is_empty()).await;
        assert_eq!(reader.total(), total, "{begins}");
        reader.close().await;
    }
}

#[tokio::test]
async fn a_compacted_topic_without_any_remembered_record_is_read_and_another_one_is_not() {
    for policy in ["compact", "delete"] {
        let topic = Topic::create_with("emptied", &[("cleanup.policy", policy)]);
        let message = Message { key: Some(b"k"), value: Some(b"v"), ..Message::default() };
        for _ in 0..10 {
            topic.publisher.publish(&topic.name, &message).unwrap();
        }
        topic.publisher.flush(PATIENCE).unwrap();
        // No record stands there, as if it had been compacted: beyond the end.
        let recalled = remembered(&topic, 1, &[9]).await;
        let [(partition, held)] = recalled.into_iter().collect::<Vec<_>>().try_into().unwrap();
        let offset = cdc_core::Offset::try_new(10).unwrap();
        let beyond = Witness::restore(offset, held[0].digest());
        let recalled = Witnesses::from([(partition, vec![beyond])]);
        let mut reader = resumed(&topic, 10, &recalled);
        if policy == "compact" {
            reader.until("the end", |reader| !reader.caught_up.is_empty()).await;
        } else {
            let error = reader.failure().await;
            assert!(matches!(error, KafkaError::RecordsMissing { .. }), "{error}");
            assert_incarnation_hint(&topic, &error);
        }
        reader.close().await;
    }
}

#[tokio::test]
async fn f33_records_that_retention_removes_under_a_reader_are_a_gap_and_never_a_jump() {
    let topic = Topic::create("running", 1);
    topic.publish(1, 0, 3_000);
    // A budget that lets a part through only.
    let mut reader = Reader::start_with(topic.settings(), cdc_core::ByteBudget::new(20_000));
    reader.kept = Some(Vec::new());
    reader.until("something", |reader| reader.total() > 0).await;
    reader.during(Duration::from_secs(2)).await;
    let read = reader.total();
    assert!(read < 3_000, "the budget holds it up");
    topic.delete_before(2_990).await;
    reader.kept = None;
    let error = reader.failure().await;
    let KafkaError::ResumeGone { resume, first, .. } = &error else { panic!("{error}") };
    assert_eq!(*first, next(2_990));
    assert_eq!(
        reader.values[&topic.partition(0)],
        numbers(0, usize::try_from(resume.get()).unwrap())
    );
    reader.close().await;
}

/// What the group itself has committed.
fn commit(topic: &Topic, offset: i64) {
    let group: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", &topic.brokers)
        .set("group.id", topic.settings().group())
        .create()
        .unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic.name, 0, Offset::Offset(offset)).unwrap();
    group.commit(&list, CommitMode::Sync).unwrap();
}

#[tokio::test]
async fn f28_an_offset_that_an_operator_moved_in_the_group_is_not_followed() {
    let topic = Topic::create("moved", 1);
    topic.publish(1, 0, 100);
    let recalled = remembered(&topic, 1, &[39]).await;
    for moved in [0, 70, 100] {
        commit(&topic, moved);
        let mut reader = resumed(&topic, 40, &recalled);
        reader.until("the rest", |reader| reader.total() == 60).await;
        assert_eq!(reader.values[&topic.partition(0)], numbers(40, 100), "moved to {moved}");
        reader.close().await;
    }
}

#[tokio::test]
async fn f27_a_group_that_has_expired_is_not_missed() {
    let topic = Topic::create("expired", 1);
    topic.publish(1, 0, 100);
    let recalled = remembered(&topic, 1, &[39]).await;
    commit(&topic, 100);
    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &topic.brokers).create().unwrap();
    let group = topic.settings().group().to_owned();
    let options = AdminOptions::new().operation_timeout(Some(PATIENCE));
    let deleted = admin.delete_groups(&[&group], &options).await.unwrap();
    assert_eq!(deleted, [Ok(group)]);
    let mut reader = resumed(&topic, 40, &recalled);
    reader.until("the rest", |reader| reader.total() == 60).await;
    assert_eq!(reader.values[&topic.partition(0)], numbers(40, 100));
    reader.close().await;
}

#[tokio::test]
async fn f29_f30_a_topic_created_again_under_a_reader_ends_it() {
    for (count, size) in [(5, 0), (5, 3), (5, 100), (1, 2_000), (200, 300)] {
        let topic = Topic::create("under", 1);
        topic.publish(1, 0, count);
        let mut reader = Reader::start(topic.settings());
        reader.until("everything", |reader| reader.total() == count).await;
        topic.create_again(1).await;
        topic.publish(1, 10_000, 10_000 + size);
        let error = reader.failure().await;
        println!("{count} {size}: {error}");
        assert!(matches!(error.class(), ErrorClass::Fatal(_)), "{error}");
        assert_eq!(reader.values[&topic.partition(0)], numbers(0, count), "{size} came");
        reader.close().await;
    }
}

#[tokio::test]
async fn f32_a_topic_that_is_deleted_under_a_reader_ends_it_and_is_not_created_again() {
    let options = BrokerOptions { auto_create_topics: true, ..BrokerOptions::default() };
    let broker = Broker::start(&options).unwrap();
    let topic = Topic::create_at(&broker.bootstrap(), "deleted", 1);
    topic.publish(1, 0, 20);
    let mut reader = Reader::start(topic.settings());
    reader.until("everything", |reader| reader.total() == 20).await;
    topic.delete().await;
    let error = reader.failure().await;
    assert!(matches!(error, KafkaError::TopicGone { .. }), "{error}");
    reader.close().await;
    let settings = topic.settings();
    let probed = tokio::task::spawn_blocking(move || probe(&settings, PATIENCE)).await.unwrap();
    assert!(matches!(probed, Err(KafkaError::MissingTopic { .. })), "{probed:?}");
}
