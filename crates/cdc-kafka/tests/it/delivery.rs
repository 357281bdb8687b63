//! What is delivered, in which order, and when a partition counts as caught up.

use std::time::{Duration, Instant};

use cdc_core::{
    ByteBudget, CheckpointDelta, OffsetRange, ResumePoint, Source, SourceEvent, TopicName,
};
use cdc_kafka::{KafkaSettings, Message};

use crate::support::{PATIENCE, Reader, Topic, at, next, numbers};

#[tokio::test]
async fn delivers_all_records_of_three_partitions_in_order() {
    let topic = Topic::create("all", 3);
    topic.publish(3, 0, 4_000);
    let mut reader = Reader::start(topic.settings());
    reader.until("12,000 records", |reader| reader.total() == 12_000).await;
    reader.until("three ends", |reader| reader.caught_up.len() == 3).await;
    for number in 0..3 {
        assert_eq!(reader.values[&topic.partition(number)], numbers(0, 4_000));
        assert_eq!(reader.caught_up[&topic.partition(number)], next(4_000));
    }
    reader.close().await;
}

#[tokio::test]
async fn a_later_start_at_a_position_repeats_and_misses_nothing() {
    let topic = Topic::create("resume", 2);
    topic.publish(2, 0, 1_000);
    let mut reader = Reader::start(topic.settings());
    reader.points.insert(topic.partition(0), at(300));
    reader.points.insert(topic.partition(1), at(1_000));
    reader.until("the rest", |reader| reader.total() == 700).await;
    topic.publish(2, 1_000, 1_100);
    reader.until("what came later", |reader| reader.total() == 900).await;
    assert_eq!(reader.values[&topic.partition(0)], numbers(300, 1_100));
    assert_eq!(reader.values[&topic.partition(1)], numbers(1_000, 1_100));
    reader.close().await;
}

#[tokio::test]
async fn f46_an_empty_partition_is_caught_up_without_a_record() {
    let topic = Topic::create("empty", 1);
    let mut reader = Reader::start(topic.settings());
    reader.until("the end", |reader| reader.caught_up.contains_key(&topic.partition(0))).await;
    assert_eq!(reader.total(), 0);
    reader.close().await;
}

#[tokio::test]
async fn a_partition_that_grows_is_caught_up_at_the_end_it_had_when_reading_began() {
    let topic = Topic::create("grows", 1);
    topic.publish(1, 0, 20_000);
    let partition = topic.partition(0);
    let budget = ByteBudget::new(64 * 1024);
    let mut reader = Reader::start_with(topic.settings(), budget.clone());
    reader.kept = Some(Vec::new());
    reader.until("a spent budget", |_| budget.spent() > 44 * 1024).await;
    // The reader has begun and cannot go on, so all of these lie behind the end that counts, and the
    // log is never seen at its end before them.
    topic.publish(1, 20_000, 20_500);
    assert!(reader.total() < 20_000);
    reader.kept = None;
    reader.until("the end it had", |reader| reader.caught_up.contains_key(&partition)).await;
    assert_eq!(reader.caught_up[&partition], next(20_000));
    assert_eq!(reader.values[&partition], numbers(0, 20_000));
    reader.until("the end it has", |reader| reader.caught_up[&partition] == next(20_500)).await;
    assert_eq!(reader.values[&partition], numbers(0, 20_500));
    reader.close().await;
}

#[tokio::test]
async fn partitions_of_several_topics_with_one_number_are_told_apart_at_their_ends() {
    let (left, right) = (Topic::create("left", 1), Topic::create("right", 1));
    left.publish(1, 0, 50);
    right.publish(1, 0, 50);
    let names = [&left, &right].map(|topic| TopicName::parse(&topic.name).unwrap());
    let settings = KafkaSettings::new(&left.brokers, names.to_vec()).with_group(&left.name);
    let mut reader = Reader::start(settings);
    reader.until("both ends", |reader| reader.caught_up.len() == 2).await;
    right.publish(1, 50, 60);
    reader.until("the new end", |reader| reader.caught_up[&right.partition(0)] == next(60)).await;
    assert_eq!(reader.caught_up[&left.partition(0)], next(50));
    assert_eq!(reader.values[&right.partition(0)], numbers(0, 60));
    reader.close().await;
}

#[tokio::test]
async fn the_end_of_a_log_is_reported_while_reading() {
    let topic = Topic::create("log-end", 1);
    topic.publish(1, 0, 20);
    let mut reader = Reader::start(topic.settings());
    let end = |reader: &Reader| reader.ends.get(&topic.partition(0)).copied();
    reader.until("the end", |reader| end(reader) == Some(next(20))).await;
    topic.publish(1, 20, 25);
    reader.until("the new end", |reader| end(reader) == Some(next(25))).await;
    reader.close().await;
}

#[tokio::test]
async fn f66_the_end_of_a_log_is_reported_while_nothing_more_can_be_taken() {
    let topic = Topic::create("growing-log", 2);
    topic.publish(2, 0, 5_000);
    let budget = ByteBudget::new(20_000);
    let mut reader = Reader::start_with(topic.settings(), budget);
    reader.kept = Some(Vec::new());
    reader.until("something", |reader| reader.total() > 0).await;
    // Long enough that partitions are paused.
    reader.during(Duration::from_millis(1_500)).await;
    let read = reader.total();
    topic.publish(2, 5_000, 6_000);
    let ends =
        |reader: &Reader| [0, 1].map(|number| reader.ends.get(&topic.partition(number)).copied());
    reader.until("both new ends", |reader| ends(reader) == [Some(next(6_000)); 2]).await;
    assert!(reader.total() < read + 1_000, "the reader was to stand still");
    reader.close().await;
}

#[tokio::test]
async fn keys_headers_tombstones_and_times_arrive_as_they_were_written() {
    let topic = Topic::create("parts", 1);
    let headers = [("a", Some(b"1".as_slice())), ("a", None), ("b", Some(b""))];
    let first = Message {
        timestamp_ms: Some(1_700_000_000_123),
        key: Some(b"k"),
        value: Some(b""),
        headers: &headers,
        ..Message::default()
    };
    let tombstone = Message { key: Some(b"k"), ..Message::default() };
    let messages = [first, tombstone, Message::default()];
    topic.publisher.publish_batch(&topic.name, messages).unwrap();
    topic.publisher.flush(PATIENCE).unwrap();
    let mut reader = Reader::start(topic.settings());
    reader.kept = Some(Vec::new());
    reader.until("three records", |reader| reader.total() == 3).await;
    let kept = reader.kept.take().unwrap();
    let records: Vec<_> = kept.iter().flat_map(cdc_core::RecordBatch::iter).collect();
    let empty = Some(b"".as_slice().into());
    assert_eq!((records[0].key, records[0].value), (Some(b"k".as_slice()), empty));
    assert_eq!(records[0].timestamp_ms, Some(1_700_000_000_123));
    assert_eq!(records[0].headers.into_iter().collect::<Vec<_>>(), headers);
    assert_eq!((records[1].key, records[1].value), (Some(b"k".as_slice()), None));
    assert_eq!((records[2].key, records[2].value), (None, None));
    assert_eq!(records[2].headers.into_iter().count(), 0);
    reader.close().await;
}

#[tokio::test]
async fn a_lone_record_leaves_at_once() {
    let topic = Topic::create("lone", 1);
    let mut reader = Reader::start(topic.settings());
    reader.until("the end", |reader| !reader.caught_up.is_empty()).await;
    let mut delays = Vec::new();
    for number in 0..20 {
        let started = Instant::now();
        topic.publish(1, number, number + 1);
        reader.until("the record", |reader| reader.total() == number + 1).await;
        delays.push(started.elapsed());
    }
    delays.sort();
    // The median of a whole round trip through the broker; other tests share the machine.
    assert!(delays[10] < Duration::from_millis(500), "{delays:?}");
    reader.close().await;
}

#[tokio::test]
async fn a_tiny_budget_keeps_its_membership_and_delivers_everything() {
    let topic = Topic::create("budget", 2);
    for number in 0..6_000 {
        // Each begins in its own way: a beginning that records share is held once.
        let value = format!("{number:x<1000}");
        let message = Message {
            partition: Some(number % 2),
            value: Some(value.as_bytes()),
            ..Message::default()
        };
        topic.publisher.publish(&topic.name, &message).unwrap();
    }
    topic.publisher.flush(PATIENCE).unwrap();
    let budget = ByteBudget::new(256 * 1024);
    let mut reader = Reader::start_with(topic.settings(), budget.clone());
    reader.kept = Some(Vec::new());
    reader.until("a spent budget", |_| budget.spent() > 180 * 1024).await;
    for _ in 0..3 {
        // Long enough that partitions are paused, not just left alone.
        let before = reader.total();
        reader.during(Duration::from_millis(1_600)).await;
        assert!(budget.spent() <= budget.limit() + 64 * 1024, "{}", budget.spent());
        assert!(reader.total() < 6_000);
        reader.kept = Some(Vec::new());
        reader.until("more after a pause", |reader| reader.total() > before).await;
    }
    reader.kept = None;
    reader.until("everything", |reader| reader.total() == 6_000).await;
    assert_eq!(reader.revocations, 0);
    reader.close().await;
    assert_eq!(budget.spent(), 0);
}

#[tokio::test]
async fn a_rewind_reads_again_from_the_older_position_under_a_new_number() {
    let topic = Topic::create("rewind", 1);
    topic.publish(1, 0, 3_000);
    let partition = topic.partition(0);
    let mut reader = Reader::start(topic.settings());
    reader.until("all", |reader| reader.total() == 3_000).await;
    let first = reader.numbers[&partition];
    for from in [100, 2_500, 0] {
        let points = vec![(partition.clone(), at(i64::try_from(from).unwrap()))];
        let number = reader.source.rewind(points).await.unwrap();
        assert!(number > first);
        reader.numbers.insert(partition.clone(), number);
        reader.next.insert(partition.clone(), next(i64::try_from(from).unwrap()));
        reader.values.clear();
        reader.until("the rest again", |reader| reader.total() == 3_000 - from).await;
        assert_eq!(reader.values[&partition], numbers(from, 3_000));
    }
    topic.publish(1, 3_000, 3_010);
    reader.until("what came later", |reader| reader.total() == 3_010).await;
    reader.close().await;
}

#[tokio::test]
async fn a_rewind_in_the_middle_of_reading_leaves_no_gap() {
    let topic = Topic::create("rewind-middle", 1);
    topic.publish(1, 0, 60_000);
    let partition = topic.partition(0);
    let mut reader = Reader::start_with(topic.settings(), ByteBudget::new(128 * 1024));
    reader.until("some", |reader| reader.total() > 5_000).await;
    let number = reader.source.rewind(vec![(partition.clone(), at(10))]).await.unwrap();
    reader.numbers.insert(partition.clone(), number);
    reader.next.insert(partition.clone(), next(10));
    reader.values.clear();
    reader.until("the rest", |reader| reader.total() == 60_000 - 10).await;
    assert_eq!(reader.values[&partition], numbers(10, 60_000));
    reader.close().await;
}

#[tokio::test]
async fn a_rewind_while_partitions_are_paused_leaves_no_gap() {
    let topic = Topic::create("rewind-paused", 1);
    topic.publish(1, 0, 20_000);
    let partition = topic.partition(0);
    let budget = ByteBudget::new(64 * 1024);
    let mut reader = Reader::start_with(topic.settings(), budget.clone());
    reader.kept = Some(Vec::new());
    reader.until("a spent budget", |_| budget.spent() > 44 * 1024).await;
    reader.during(Duration::from_millis(1_500)).await;
    let number = reader.source.rewind(vec![(partition.clone(), at(10))]).await.unwrap();
    reader.numbers.insert(partition.clone(), number);
    reader.next.insert(partition.clone(), next(10));
    reader.values.clear();
    reader.during(Duration::from_millis(500)).await;
    reader.kept = None;
    reader.until("the rest", |reader| reader.total() == 20_000 - 10).await;
    assert_eq!(reader.values[&partition], numbers(10, 20_000));
    assert_eq!(reader.revocations, 0);
    reader.close().await;
}

#[tokio::test]
async fn acknowledged_positions_are_shown_to_the_group() {
    let topic = Topic::create("acknowledged", 1);
    topic.publish(1, 0, 10);
    let mut reader = Reader::start(topic.settings());
    reader.until("all", |reader| reader.total() == 10).await;
    let range = OffsetRange::try_new(next(0), next(7)).unwrap();
    let delta = CheckpointDelta::single(topic.partition(0), range);
    reader.source.acknowledge(&receipt(delta)).await.unwrap();
    reader.close().await;
    let group = format!("{}-group", topic.name);
    assert_eq!(committed(&topic, &group), 7);
    // And they are never read: the sink alone says where to start.
    let mut reader = Reader::start(topic.settings());
    reader.points.insert(topic.partition(0), ResumePoint::Beginning);
    reader.until("all again", |reader| reader.total() == 10).await;
    reader.close().await;
}

#[derive(Debug, Default)]
struct NoRows;

impl cdc_core::Body for NoRows {
    fn bytes(&self) -> usize {
        0
    }

    fn folded(&self, _batch: u32) -> u64 {
        0
    }

    fn clear(&mut self) {}
}

pub(crate) fn receipt(delta: CheckpointDelta) -> cdc_core::Receipt {
    let lease = ByteBudget::new(1).charge(0);
    cdc_core::WriteBatch::new(Vec::new(), NoRows, delta, Vec::new(), Vec::new(), lease).finish().0
}

fn committed(topic: &Topic, group: &str) -> i64 {
    use rdkafka::consumer::{BaseConsumer, Consumer};
    let consumer: BaseConsumer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", &topic.brokers)
        .set("group.id", group)
        .create()
        .unwrap();
    let mut list = rdkafka::TopicPartitionList::new();
    list.add_partition(&topic.name, 0);
    let list = consumer.committed_offsets(list, PATIENCE).unwrap();
    list.elements()[0].offset().to_raw().unwrap()
}

#[tokio::test]
async fn dropping_the_wait_for_an_event_loses_nothing() {
    let topic = Topic::create("cancel", 1);
    topic.publish(1, 0, 2_000);
    let mut reader = Reader::start(topic.settings());
    let deadline = Instant::now() + PATIENCE;
    while reader.total() < 2_000 && Instant::now() < deadline {
        reader.during(Duration::from_millis(1)).await;
    }
    assert_eq!(reader.values[&topic.partition(0)], numbers(0, 2_000));
    let event = tokio::time::timeout(Duration::ZERO, reader.source.poll()).await;
    assert!(!matches!(event, Ok(Ok(SourceEvent::Records(_)))));
    reader.close().await;
}
