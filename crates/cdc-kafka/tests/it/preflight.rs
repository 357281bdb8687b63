//! The check before the start.

use std::time::{Duration, Instant};

use cdc_core::{Classify, ErrorClass, Halt, TopicName};
use cdc_kafka::preflight::{cleanup_policies, probe, probe_and_sample, sample};
use cdc_kafka::{KafkaError, KafkaSettings, Message};

use crate::support::{PATIENCE, Topic, next};

#[test]
fn reports_the_partitions_of_a_topic_and_what_they_hold() {
    let topic = Topic::create("report", 3);
    topic.publish(2, 0, 25);
    let report = probe(&topic.settings(), PATIENCE).unwrap();
    assert_eq!(report.brokers(), 1);
    let [info] = report.topics() else { panic!("{report:?}") };
    assert_eq!((info.name().as_str(), info.offsets_held()), (topic.name.as_str(), 50));
    let ends: Vec<_> = info.partitions().iter().map(|partition| partition.end).collect();
    assert_eq!(ends, [next(25), next(25), next(0)]);
}

#[test]
fn says_what_becomes_of_old_records() {
    for (policy, compacts) in [("delete", false), ("compact", true), ("compact,delete", true)] {
        let topic = Topic::create_with("policy", &[("cleanup.policy", policy)]);
        let found = cleanup_policies(&topic.settings()).unwrap();
        let [(name, Some(found))] = &*found else { panic!("{found:?}") };
        assert_eq!((name.as_str(), found.compacts()), (&*topic.name, compacts), "{found}");
        assert_eq!(found.to_string().contains("delete"), policy.contains("delete"), "{found}");
    }
}

#[test]
fn names_the_near_miss_of_a_topic_that_does_not_exist() {
    let topic = Topic::create("dbserver1.public.orders", 1);
    let misspelt = TopicName::parse(&topic.name.replace("orders", "order")).unwrap();
    let settings = KafkaSettings::new(&topic.brokers, vec![misspelt]);
    let error = probe(&settings, PATIENCE).unwrap_err();
    let KafkaError::MissingTopic { near, .. } = &error else { panic!("{error}") };
    assert_eq!(near.as_deref(), Some(topic.name.as_str()));
    assert_eq!(error.class(), ErrorClass::Fatal(Halt::Configuration));
}

#[test]
fn gives_up_on_an_absent_broker_in_time() {
    let settings = KafkaSettings::new("127.0.0.1:1", vec![TopicName::parse("t").unwrap()]);
    let started = Instant::now();
    let error = probe(&settings, Duration::from_secs(1)).unwrap_err();
    assert!(matches!(error, KafkaError::Unreachable { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[test]
fn samples_the_newest_records_of_a_topic() {
    let topic = Topic::create("sample", 2);
    for number in 0..30_i64 {
        let value = number.to_string();
        let message = Message {
            partition: Some(i32::try_from(number % 2).unwrap()),
            timestamp_ms: Some(1_700_000_000_000 + number),
            key: Some(b"k"),
            value: Some(value.as_bytes()),
            ..Message::default()
        };
        topic.publisher.publish(&topic.name, &message).unwrap();
    }
    topic.publisher.flush(PATIENCE).unwrap();
    let name = TopicName::parse(&topic.name).unwrap();
    let newest = sample(&topic.settings(), &name, 3).unwrap();
    let (report, both) = probe_and_sample(&topic.settings(), 3).unwrap();
    assert_eq!((report, both), (probe(&topic.settings(), PATIENCE).unwrap(), vec![newest.clone()]));
    let values: Vec<_> = newest.iter().map(|record| record.value.as_deref().unwrap()).collect();
    assert_eq!(values, [b"29", b"28", b"27"]);
    assert_eq!(newest[0].key.as_deref(), Some(b"k".as_slice()));
}

#[test]
fn a_sample_of_an_empty_topic_is_empty() {
    let topic = Topic::create("no-sample", 2);
    let name = TopicName::parse(&topic.name).unwrap();
    assert_eq!(sample(&topic.settings(), &name, 3).unwrap(), []);
}

#[test]
fn a_key_stays_in_the_partition_that_java_clients_would_choose() {
    let topic = Topic::create("keys", 5);
    // From the unit tests of Kafka's own murmur2.
    let hashes = [("21", -973_932_308_i32), ("foobar", -790_332_482), ("abc", 479_470_107)];
    let mut expected = [0, 0, 0, 0, 0];
    for (key, hash) in hashes {
        let message = Message { key: Some(key.as_bytes()), ..Message::default() };
        topic.publisher.publish(&topic.name, &message).unwrap();
        expected[usize::try_from((hash & 0x7fff_ffff) % 5).unwrap()] += 1;
    }
    topic.publisher.flush(PATIENCE).unwrap();
    let report = probe(&topic.settings(), PATIENCE).unwrap();
    let found: Vec<_> =
        report.topics()[0].partitions().iter().map(|partition| partition.end.get()).collect();
    assert_eq!(found, expected);
}
