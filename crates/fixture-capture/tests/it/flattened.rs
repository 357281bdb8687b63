//! Rows that a transform took out of their envelopes are read as what the source did.

use std::collections::BTreeMap;

use cdc_testkit::captures::{Capture, RowEvent, names};
use debezium_envelope::{
    Declarations, Flattened, FlattenedRow, FlattenedState, Limits, Message, MessageDecoder, Value,
};
use fixture_capture::modes::key_of;

#[test]
fn flattened_rows_tell_operation_state_and_row() {
    let flattened_modes = names().into_iter().filter(|(_, mode)| mode.starts_with("flattened"));
    for (release, mode) in flattened_modes {
        let capture = Capture::open(&release, &mode);
        let fields = capture.about.options.get("transforms.unwrap.add.fields").unwrap();
        let flattened = Flattened::new("__", fields);
        let decoder = || {
            MessageDecoder::new(Declarations::none(), Limits::default())
                .expecting_flattened(flattened.clone())
        };
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        for message in &capture.messages {
            let Some(event) = capture.event(message) else { continue };
            let (key, value) = (capture.key(message), capture.value(message));
            let (key, value) = (key.as_deref(), value.as_deref());
            let mut decoder = decoder();
            let outcome = decoder.decode(key.map(str::as_bytes), value.map(str::as_bytes));
            match outcome {
                Ok(Message::Flattened(row)) => {
                    assert_is(&row, event);
                    *seen.entry(&event.op).or_default() += 1;
                }
                Ok(Message::Tombstone(_)) => assert_eq!(value, None),
                Err(error) => {
                    assert!(holds_what_is_refused(event), "{release}-{mode}: {error}");
                    *seen.entry("lost").or_default() += 1;
                }
                other => panic!("{release}-{mode}: {other:?}"),
            }
        }
        for op in ["c", "r", "u", "d"] {
            assert!(seen.get(op).is_some_and(|count| *count >= 5), "{release}-{mode}: {seen:?}");
        }
        let lost = seen.get("lost").copied().unwrap_or_default();
        assert!(lost * 5 < capture.messages.len(), "{release}-{mode}: {seen:?}");
    }
}

fn assert_is(row: &FlattenedRow<'_>, event: &RowEvent) {
    let is_deleted = row.state == FlattenedState::Deleted;
    let texts = if is_deleted { &event.before } else { &event.after };
    let texts = texts.as_ref().expect("the source has the row");
    let op = row.op.expect("the transform adds it").to_string();
    // An update of the key is sent as a delete and an insert.
    let changes_key = event.op == "u" && matches!(op.as_str(), "c" | "d");
    assert!(op == event.op || changes_key, "{op} {event:?}");
    assert_eq!(is_deleted, op == "d");
    for name in key_of(&event.table) {
        let own = row.row.get_by_name(name).expect("the key is a part of the row");
        let text = texts[*name].as_deref().expect("a key is not NULL");
        let number = text.parse().map(Value::Int32);
        let is_same = if let Value::Decimal(own) = own {
            own.to_string() == text
        } else {
            own == Value::Text(text) || number == Ok(own)
        };
        assert!(is_same, "{name} is {own:?}, not {text}");
    }
}

/// Whether the row holds an inner array, which arrives as the name of a Java object, or a moment that
/// microseconds since 1970 cannot count.
fn holds_what_is_refused(event: &RowEvent) -> bool {
    let texts = [&event.before, &event.after].into_iter().flatten().flatten();
    let mut texts = texts.filter_map(|(_, text)| text.as_deref());
    texts.any(|text| text.contains("{{") || text.contains("294276-"))
}
