//! Reads every file under `fixtures/debezium` and holds it against the source's account.

use std::collections::{BTreeMap, BTreeSet};

use cdc_testkit::captures::{Capture, Message, names};
use fixture_capture::modes::{MODES, Mode, RELEASES, modes_of, topic_of};
use fixture_capture::pairing::{Due, Kind, due};
use serde_json::Value;

fn captures() -> impl Iterator<Item = (Mode, Capture)> {
    RELEASES.into_iter().flat_map(|release| {
        modes_of(&release)
            .into_iter()
            .map(move |mode| (mode, Capture::open(release.name, mode.name)))
    })
}

/// A message's own schema block and payload, or nothing and the whole value.
fn parts(capture: &Capture, message: &Message) -> (Value, Value) {
    let value = capture.value(message).expect("it has a value");
    let mut value: Value = serde_json::from_str(&value).expect("it is JSON");
    if capture.about.schema_block {
        (value["schema"].take(), value["payload"].take())
    } else {
        (Value::Null, value)
    }
}

#[test]
fn every_release_has_the_modes_that_are_captured_and_no_others() {
    let wanted: BTreeSet<(String, String)> = RELEASES
        .iter()
        .flat_map(|release| {
            release.modes.iter().map(|mode| (release.name.to_owned(), (*mode).to_owned()))
        })
        .collect();
    assert_eq!(names().into_iter().collect::<BTreeSet<_>>(), wanted);
    let used: BTreeSet<&str> = RELEASES.iter().flat_map(|it| it.modes.iter().copied()).collect();
    assert_eq!(used, MODES.iter().map(|mode| mode.name).collect(), "a mode belongs to no release");
}

#[test]
fn every_event_of_every_table_has_its_messages_in_order() {
    for (mode, capture) in captures() {
        let name = format!("{} {}", capture.about.release, mode.name);
        for table in mode.tables {
            let topic = topic_of(&mode.prefix(), table);
            let own: Vec<&Message> =
                capture.messages.iter().filter(|message| message.topic == topic).collect();
            let seen: Vec<Due> = own
                .iter()
                .map(|message| {
                    let line = message.event.expect("a message of a table tells of an event");
                    let op = message.value.as_ref().map(|_| operation(&capture, message));
                    (line, kind(op.as_deref()))
                })
                .collect();
            assert_eq!(seen, due(&capture.events, table, &mode), "{name} {table}");
            assert!(!own.is_empty(), "{name} {table}");
            let offsets: Vec<i64> = own.iter().map(|message| message.offset).collect();
            assert!(offsets.is_sorted(), "{name} {table}: {offsets:?}");
        }
    }
}

fn operation(capture: &Capture, message: &Message) -> String {
    let (_, payload) = parts(capture, message);
    let op = payload.get("op").or_else(|| payload.get("__op"));
    op.and_then(Value::as_str).expect("a row's message names its operation").to_owned()
}

fn kind(op: Option<&str>) -> Kind {
    let known = ["r", "c", "u", "d", "t"].into_iter();
    op.map_or(Kind::Tombstone, |op| {
        Kind::Row(known.clone().find(|it| *it == op).expect("it is a known operation"))
    })
}

#[test]
fn what_a_capture_says_about_itself_is_what_is_in_it() {
    for (mode, capture) in captures() {
        let about = &capture.about;
        let release = RELEASES.iter().find(|it| it.name == about.release).expect("it is known");
        assert_eq!((about.mode.as_str(), about.debezium.as_str()), (mode.name, release.debezium));
        assert_eq!(about.tables, mode.tables);
        for (name, value) in mode.options {
            assert_eq!(about.options.get(*name).map(String::as_str), Some(*value), "{about:?}");
        }
        let mut counts = BTreeMap::new();
        for message in &capture.messages {
            *counts.entry(message.topic.clone()).or_insert(0) += 1;
        }
        assert_eq!(counts, about.messages);
        let blocks = capture.messages.iter().flat_map(|it| [it.key_schema, it.value_schema]);
        let blocks: BTreeSet<usize> = blocks.flatten().collect();
        assert_eq!(blocks, (0..capture.schemas.len()).collect(), "a schema block is unused");
        assert_eq!(about.schema_block, !blocks.is_empty());
    }
}

#[test]
fn a_row_has_only_columns_that_the_source_knows() {
    for (mode, capture) in captures() {
        for message in &capture.messages {
            let Some(event) = capture.event(message) else { continue };
            if message.value.is_none() {
                continue;
            }
            let (_, payload) = parts(&capture, message);
            let image = if mode.is_flattened() { &payload } else { &payload["after"] };
            let known = event.after.as_ref().or(event.before.as_ref());
            for column in image.as_object().into_iter().flatten().map(|(name, _)| name) {
                let is_known = known.is_some_and(|texts| {
                    texts.keys().any(|name| name == column || mangled(name) == *column)
                });
                assert!(is_known || column.starts_with("__"), "{}: {column}", message.topic);
            }
        }
    }
}

/// A name outside ASCII as some releases read it from the stream: each of its bytes becomes a
/// character of its own, and one above 127 is taken for negative.
fn mangled(name: &str) -> String {
    let character = |byte: u8| match byte {
        0..=127 => char::from(byte),
        _ => char::from_u32(0xff00 | u32::from(byte)).expect("it is a character"),
    };
    name.bytes().map(character).collect()
}

#[test]
fn with_a_schema_block_and_without_the_payloads_are_alike() {
    for release in RELEASES.iter().filter(|release| release.modes.contains(&"default")) {
        let with = Capture::open(release.name, "default-schema");
        let without = Capture::open(release.name, "default");
        let images = |capture: &Capture, column: &str| -> Vec<Value> {
            let rows = capture.messages.iter().filter(|it| it.event.is_some());
            rows.filter(|it| it.value.is_some())
                .map(|message| {
                    let mut image = parts(capture, message).1[column].take();
                    if let Some(columns) = image.as_object_mut() {
                        // Inner arrays are the names of Java objects, and those differ.
                        columns.remove("c_text_grid");
                    }
                    image
                })
                .collect()
        };
        for column in ["before", "after"] {
            assert_eq!(images(&with, column), images(&without, column), "{}", release.name);
        }
    }
}

#[test]
fn a_value_that_an_update_leaves_alone_is_unavailable_without_its_old_image() {
    for (_, capture) in captures().filter(|(mode, _)| mode.name == "default-schema") {
        let mut unavailable = 0;
        for message in capture.messages.iter().filter(|it| it.topic.ends_with(".big_values")) {
            let event = capture.event(message).expect("it tells of an event");
            if event.op != "u" || message.value.is_none() {
                continue;
            }
            let (_, payload) = parts(&capture, message);
            let placeholder = payload["after"]["c_text"] == "__debezium_unavailable_value";
            let text = |image: &Option<_>| {
                let image: &cdc_testkit::captures::Texts = image.as_ref().expect("it is an update");
                image["c_text"].clone()
            };
            let alone = text(&event.before) == text(&event.after);
            if payload["after"].is_object() {
                assert_eq!(placeholder, alone && event.identity == "d", "{event:?}");
            }
            unavailable += usize::from(placeholder);
        }
        assert!(unavailable >= 4, "{}: {unavailable}", capture.about.release);
    }
}

#[test]
fn messages_heartbeats_and_transactions_are_there() {
    for (mode, capture) in captures() {
        let of = |topic: String| {
            capture.messages.iter().filter(move |message| message.topic == topic).count()
        };
        let name = format!("{} {}", capture.about.release, mode.name);
        assert_eq!(of(format!("{}.message", mode.prefix())), 3, "{name}");
        if mode.name == "transactions" {
            assert!(of(format!("__debezium-heartbeat.{}", mode.prefix())) > 0, "{name}");
            let transactions: BTreeSet<&str> = capture
                .messages
                .iter()
                .filter_map(|message| capture.event(message))
                .filter(|event| event.op != "r")
                .map(|event| event.transaction.as_str())
                .collect();
            assert!(
                of(format!("{}.transaction", mode.prefix())) >= 2 * transactions.len(),
                "{name}: each has a beginning and an end"
            );
        }
    }
}
