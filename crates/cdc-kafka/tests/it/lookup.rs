//! Single records by their places: what is there, and why nothing is.

use std::time::{Duration, Instant};

use cdc_core::{Classify, ErrorClass, Halt, Offset, Partition};
use cdc_kafka::{FoundRecord, KafkaError, LookedUp, Message, Publisher, look_up};
use cdc_stack::kafka::{Broker, BrokerOptions};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, Producer as _};
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use crate::faults::mock_topic;
use crate::logs::EAGER;
use crate::positions::{transactional, write};
use crate::support::{PATIENCE, Topic, next, unique};

/// What stands at these places of a partition.
fn found(topic: &Topic, partition: i32, places: &[i64]) -> Result<Vec<LookedUp>, KafkaError> {
    let places: Vec<Offset> = places.iter().map(|raw| Offset::try_new(*raw).unwrap()).collect();
    look_up(&topic.settings(), &topic.partition(partition), &places)
}

/// The values of what was found, all of which must be records.
fn values(found: &[LookedUp]) -> Vec<String> {
    let value = |found: &LookedUp| match found {
        LookedUp::Record(record) => String::from_utf8(record.value.clone().unwrap()).unwrap(),
        LookedUp::Removed { .. } | LookedUp::BeyondEnd { .. } | LookedUp::Absent => {
            panic!("no record: {found:?}")
        }
    };
    found.iter().map(value).collect()
}

#[test]
fn a_record_is_found_with_all_that_it_has() {
    let topic = Topic::create("looked-up", 1);
    let headers = [("one", Some(b"1".as_slice())), ("none", None), ("one", Some(b"2"))];
    let message = Message {
        partition: Some(0),
        timestamp_ms: Some(1_700_000_000_123),
        key: Some(b"key"),
        value: Some(b"value"),
        headers: &headers,
    };
    topic.publisher.publish(&topic.name, &message).unwrap();
    let bare = Message { partition: Some(0), timestamp_ms: Some(7), ..Message::default() };
    topic.publisher.publish(&topic.name, &bare).unwrap();
    topic.publisher.flush(PATIENCE).unwrap();
    let headers = headers.map(|(name, value)| (name.to_owned(), value.map(<[u8]>::to_vec)));
    let whole = FoundRecord {
        timestamp_ms: Some(1_700_000_000_123),
        key: Some(b"key".to_vec()),
        value: Some(b"value".to_vec()),
        headers: headers.to_vec(),
    };
    let nothing =
        FoundRecord { timestamp_ms: Some(7), key: None, value: None, headers: Vec::new() };
    let expected = [LookedUp::Record(whole), LookedUp::Record(nothing)];
    assert_eq!(found(&topic, 0, &[0, 1]).unwrap(), expected);
}

#[test]
fn near_and_far_places_of_each_partition_are_read_in_one_look() {
    let topic = Topic::create("near-and-far", 3);
    topic.publish(2, 0, 1_000);
    // Neighbours, a step that is read over, one that is not, the same place twice, and the last record.
    let places = [0, 1, 2, 60, 500, 500, 999];
    let expected: Vec<String> = places.iter().map(ToString::to_string).collect();
    for partition in 0..2 {
        assert_eq!(values(&found(&topic, partition, &places).unwrap()), expected);
    }
    assert_eq!(found(&topic, 0, &[]).unwrap(), []);
    let nowhere = LookedUp::BeyondEnd { end: next(0) };
    assert_eq!(found(&topic, 2, &[0]).unwrap(), std::slice::from_ref(&nowhere), "an empty one");
    assert_eq!(found(&topic, 7, &[0]).unwrap(), [nowhere], "one that the topic does not have");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retention_has_removed_and_what_was_never_written_are_told_apart() {
    let topic = Topic::create("cut-short", 2);
    topic.publish(2, 0, 50);
    topic.delete_before(40).await;
    let answers = tokio::task::block_in_place(|| found(&topic, 0, &[0, 39, 40, 49, 50, 1_000]));
    let answers = answers.unwrap();
    let (removed, beyond) =
        (LookedUp::Removed { first: next(40) }, LookedUp::BeyondEnd { end: next(50) });
    assert_eq!(answers[..2], [removed.clone(), removed]);
    assert_eq!(values(&answers[2..4]), ["40", "49"]);
    assert_eq!(answers[4..], [beyond.clone(), beyond]);
    let other = tokio::task::block_in_place(|| found(&topic, 1, &[0])).unwrap();
    assert_eq!(values(&other), ["0"], "the other partition has lost nothing");
}

#[test]
fn markers_and_aborted_records_are_no_records() {
    let topic = Topic::create("marked", 1);
    let producer = transactional(&topic);
    // Two records and a marker, two that are given up and a marker, one record and a marker.
    write(&producer, &topic, 0, 2);
    producer.commit_transaction(PATIENCE).unwrap();
    write(&producer, &topic, 100, 102);
    producer.abort_transaction(PATIENCE).unwrap();
    write(&producer, &topic, 2, 3);
    producer.commit_transaction(PATIENCE).unwrap();
    let answers = found(&topic, 0, &[0, 1, 2, 3, 4, 5, 6, 7, 8]).unwrap();
    assert_eq!(values(&answers[..2]), ["0", "1"]);
    assert!(answers[2..6].iter().all(|answer| *answer == LookedUp::Absent), "{answers:?}");
    assert_eq!(values(&answers[6..7]), ["2"], "what was delivered instead is found as itself");
    assert_eq!(answers[7], LookedUp::Absent, "the last marker, behind which nothing comes");
    assert_eq!(answers[8], LookedUp::BeyondEnd { end: next(8) });
}

#[test]
fn a_record_that_was_compacted_away_is_absent_and_the_newest_of_its_key_is_there() {
    let options = BrokerOptions {
        heap_mib: 256,
        settings: vec![("log.cleaner.backoff.ms".to_owned(), "100".to_owned())],
        ..BrokerOptions::default()
    };
    let broker = Broker::start(&options).unwrap();
    let publisher = Publisher::connect(&broker.bootstrap()).unwrap();
    let topic = Topic { name: unique("compacted-away"), brokers: broker.bootstrap(), publisher };
    topic.publisher.create_topic_with(&topic.name, 1, &EAGER).unwrap();
    let publish = |number: i64| {
        let value = number.to_string();
        let (key, value) = (Some(b"key".as_slice()), Some(value.as_bytes()));
        topic
            .publisher
            .publish(&topic.name, &Message { key, value, ..Message::default() })
            .unwrap();
        topic.publisher.flush(PATIENCE).unwrap();
    };
    publish(0);
    let deadline = Instant::now() + PATIENCE;
    for number in 1.. {
        // Only a segment that is not written to any more is compacted.
        std::thread::sleep(Duration::from_millis(300));
        publish(number);
        let answers = found(&topic, 0, &[0, number]).unwrap();
        assert_eq!(values(&answers[1..]), [number.to_string()]);
        if answers[0] == LookedUp::Absent {
            return;
        }
        assert_eq!(values(&answers[..1]), ["0"]);
        assert!(Instant::now() < deadline, "nothing is compacted");
    }
}

#[test]
fn a_topic_that_does_not_exist_is_named_with_the_one_that_was_meant() {
    let topic = Topic::create("dbserver1.public.letters", 1);
    let misspelt = Partition::new(&topic.name.replace("letters", "letter"), 0, 0).unwrap();
    let error = look_up(&topic.settings(), &misspelt, &[Offset::try_new(0).unwrap()]).unwrap_err();
    let KafkaError::MissingTopic { topic: missing, near } = &error else { panic!("{error}") };
    assert_eq!((missing, near.as_deref()), (misspelt.topic(), Some(&*topic.name)));
    assert_eq!(error.class(), ErrorClass::Fatal(Halt::Configuration));
}

#[test]
fn a_look_ends_in_bounded_time_without_a_broker_and_with_one_that_delivers_nothing() {
    let place = [Offset::try_new(0).unwrap()];
    let started = Instant::now();
    let absent = cdc_kafka::KafkaSettings::new("127.0.0.1:1", Vec::new())
        .with_retry_for(Duration::from_secs(1));
    let error = look_up(&absent, &Partition::new("t", 0, 0).unwrap(), &place).unwrap_err();
    assert!(matches!(error, KafkaError::Unreachable { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());

    let cluster: MockCluster<'_, DefaultProducerContext> = MockCluster::new(1).unwrap();
    cluster.create_topic("withheld", 1, 1).unwrap();
    let topic = mock_topic(&cluster, "withheld");
    topic.publish(1, 0, 10);
    assert_eq!(values(&found(&topic, 0, &[0]).unwrap()), ["0"]);
    let fault = RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN;
    cluster.request_errors(RDKafkaApiKey::Fetch, &[fault; 1_000]);
    let started = Instant::now();
    let error = found(&topic, 0, &[0]).unwrap_err();
    assert!(matches!(error, KafkaError::Unreachable { .. }), "{error}");
    assert_eq!(error.class(), ErrorClass::Fatal(Halt::Environment));
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
}
