//! Logs of odd shapes: compacted, with a record larger than all bounds, with one partition far fuller
//! than the others.

use std::time::{Duration, Instant};

use cdc_core::ByteBudget;
use cdc_kafka::{Message, Publisher};
use cdc_stack::kafka::{Broker, BrokerOptions};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::support::{PATIENCE, Reader, Topic, at, next, unique};

/// Settings under which a broker compacts whatever it may, at once.
pub(crate) const EAGER: [(&str, &str); 5] = [
    ("cleanup.policy", "compact"),
    ("min.cleanable.dirty.ratio", "0.001"),
    ("min.compaction.lag.ms", "0"),
    ("max.compaction.lag.ms", "1"),
    ("segment.ms", "100"),
];

#[tokio::test]
async fn f34_the_gaps_of_a_compacted_log_are_no_loss() {
    let options = BrokerOptions {
        heap_mib: 256,
        settings: vec![("log.cleaner.backoff.ms".to_owned(), "100".to_owned())],
        ..BrokerOptions::default()
    };
    let broker = Broker::start(&options).unwrap();
    let brokers = broker.bootstrap();
    let publisher = Publisher::connect(&brokers).unwrap();
    let name = unique("compacted");
    publisher.create_topic_with(&name, 1, &EAGER).unwrap();
    let topic = Topic { name, brokers, publisher };
    let partition = topic.partition(0);
    let publish = |number: usize| {
        let (key, value) = (format!("key {}", number % 7), number.to_string());
        let (key, value) = (Some(key.as_bytes()), Some(value.as_bytes()));
        topic
            .publisher
            .publish(&topic.name, &Message { key, value, ..Message::default() })
            .unwrap();
        topic.publisher.flush(PATIENCE).unwrap();
    };
    (0..100).for_each(publish);
    let deadline = Instant::now() + PATIENCE;
    for number in 100.. {
        // Only a segment that is not written to any more is compacted.
        tokio::time::sleep(Duration::from_millis(300)).await;
        publish(number);
        let end = next(i64::try_from(number).unwrap() + 1);
        let mut reader = Reader::start(topic.settings());
        reader.until("the end", |reader| reader.caught_up.get(&partition) == Some(&end)).await;
        assert_eq!(reader.next[&partition], end, "what no record stands for is covered");
        let left = reader.total();
        reader.close().await;
        if left < 60 {
            break;
        }
        assert!(Instant::now() < deadline, "nothing is compacted: {left} records are left");
    }
    // A position in the middle of what is gone is as good as any.
    let mut reader = Reader::start(topic.settings());
    reader.points.insert(partition.clone(), at(10));
    reader.until("the end", |reader| !reader.caught_up.is_empty()).await;
    let values = &reader.values[&partition];
    let newest: Vec<usize> = values.iter().map(|value| value.parse().unwrap()).collect();
    assert!(newest.is_sorted() && newest.len() < 100, "{newest:?}");
    let keys: std::collections::BTreeSet<_> = newest.iter().map(|number| number % 7).collect();
    assert_eq!(keys.len(), 7, "the newest record of each key is there: {newest:?}");
    reader.close().await;
}

#[tokio::test]
async fn f38_a_record_larger_than_the_budget_and_than_a_fetch_passes_alone() {
    const BYTES: usize = 24 << 20;

    let topic = Topic::create_with("huge", &[("max.message.bytes", "33554432")]);
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &topic.brokers)
        .set("message.max.bytes", "33554432")
        .set("acks", "all")
        .create()
        .unwrap();
    let huge = "x".repeat(BYTES);
    for value in ["before", &huge, "after"] {
        let record = BaseRecord::<str, str>::to(&topic.name).payload(value);
        producer.send(record).map_err(|(error, _)| error).unwrap();
        producer.flush(PATIENCE).unwrap();
    }
    let budget = ByteBudget::new(1 << 20);
    let settings = topic.settings().with_fetch_bytes(1 << 20);
    let mut reader = Reader::start_with(settings, budget.clone());
    reader.until("all three", |reader| reader.total() == 3).await;
    let lengths: Vec<_> = reader.values[&topic.partition(0)].iter().map(String::len).collect();
    assert_eq!(lengths, [6, BYTES, 5]);
    assert_eq!(reader.revocations, 0);
    reader.close().await;
    assert_eq!(budget.spent(), 0);
}

#[tokio::test]
async fn f45_a_partition_that_has_nearly_everything_does_not_keep_the_others_waiting() {
    const HOT: usize = 40_000;

    let topic = Topic::create("skewed", 4);
    // Nothing that could be compressed: all of it would be one answer of the broker.
    let mut noise = 1_u64;
    for _ in 0..HOT {
        let value: Vec<u8> = (0..1_000)
            .map(|_| {
                noise = noise.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                b' ' + u8::try_from(noise >> 58).unwrap()
            })
            .collect();
        let value = Some(&*value);
        let message = Message { partition: Some(0), value, ..Message::default() };
        topic.publisher.publish(&topic.name, &message).unwrap();
    }
    for partition in 1..4 {
        for _ in 0..50 {
            let value = Some(b"little".as_slice());
            let message = Message { partition: Some(partition), value, ..Message::default() };
            topic.publisher.publish(&topic.name, &message).unwrap();
        }
    }
    topic.publisher.flush(PATIENCE).unwrap();
    let mut reader = Reader::start_with(topic.settings(), ByteBudget::new(1 << 20));
    let count =
        |reader: &Reader, number| reader.values.get(&topic.partition(number)).map_or(0, Vec::len);
    reader
        .until("the little ones", |reader| (1..4).all(|number| count(reader, number) == 50))
        .await;
    assert!(count(&reader, 0) < HOT / 2, "they came behind {} of the full one", count(&reader, 0));
    reader.until("the full one", |reader| count(reader, 0) == HOT).await;
    reader.close().await;
}
