//! The images of rows that a capture's messages hold, decoded.

use std::collections::BTreeMap;
use std::sync::Arc;

use cdc_testkit::captures::{Capture, Message as Record};
use debezium_envelope::{
    Declarations, DecodeError, Limits, Message, MessageDecoder, Op, Row, RowBuffer, RowShape,
};
use fixture_capture::modes::key_of;
use serde_json::value::RawValue;

/// Which state of the row it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    Before,
    After,
}

/// Which part of a message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// A whole row.
    Row,
    /// An old row of which the source keeps only the key.
    OldKey,
    /// The record's key.
    Key,
}

/// The cells of a row or key.
#[derive(Debug)]
pub(super) struct Image {
    /// The line of the source's account.
    pub(super) event: usize,
    pub(super) side: Side,
    pub(super) part: Part,
    pub(super) shape: Arc<RowShape>,
    pub(super) cells: RowBuffer,
    /// The columns whose values were refused, and why; their cells are NULL.
    pub(super) refused: BTreeMap<String, String>,
}

/// All images of the rows of a table.
pub(super) fn of_table(capture: &Capture, table: &str, declarations: &Declarations) -> Vec<Image> {
    let topic = &capture.about.topics[table];
    let mut decoder = MessageDecoder::new(declarations.clone(), Limits::default());
    let own = capture.messages.iter().filter(|record| record.topic == *topic);
    own.flat_map(|record| of_record(capture, record, &mut decoder)).collect()
}

#[expect(clippy::wildcard_enum_match_arm, reason = "a table's topic has no other messages")]
fn of_record(capture: &Capture, record: &Record, decoder: &mut MessageDecoder) -> Vec<Image> {
    let event = record.event.expect("a record of a table tells of an event");
    let table = &capture.events[event].table;
    let key = capture.key(record);
    let mut record = record.clone();
    let mut refused = BTreeMap::new();
    loop {
        let value = capture.value(&record);
        let outcome =
            decoder.decode(key.as_deref().map(str::as_bytes), value.as_deref().map(str::as_bytes));
        let message = match outcome {
            Ok(message) => message,
            Err(error) => {
                let column = column_of(&error, &record);
                blank(&mut record, &column);
                let again = refused.insert(column, format!("{}: {error}", error.code()));
                assert_eq!(again, None, "{}: {error}", record.topic);
                continue;
            }
        };
        let make = |row: Row<'_>, side, part| {
            let mut cells = RowBuffer::new();
            row.values().for_each(|value| cells.push(value));
            let refused = if part == Part::Key { BTreeMap::new() } else { refused.clone() };
            Image { event, side, part, shape: Arc::clone(row.shape()), cells, refused }
        };
        return match message {
            Message::Change(change) => {
                let is_delete = change.op == Op::Delete;
                let is_whole = capture.events[event].identity == "f";
                let old = if is_whole { Part::Row } else { Part::OldKey };
                let of_key = if is_delete { Side::Before } else { Side::After };
                [
                    change.before.map(|row| make(row, Side::Before, old)),
                    change.after.map(|row| make(row, Side::After, Part::Row)),
                    change.key.map(|row| make(row, of_key, Part::Key)),
                ]
                .into_iter()
                .flatten()
                .collect()
            }
            Message::Tombstone(tombstone) => {
                let key = tombstone.key.map(|row| make(row, Side::Before, Part::Key));
                assert_eq!(key.is_none(), key_of(table).is_empty(), "{}", record.topic);
                key.into_iter().collect()
            }
            other => panic!("{} at {}: {other:?}", record.topic, record.offset),
        };
    }
}

fn column_of(error: &DecodeError, record: &Record) -> String {
    let column = error.column();
    column.unwrap_or_else(|| panic!("{} at {}: {error}", record.topic, record.offset)).to_owned()
}

/// Puts NULL in the place of a column's values, so that the other cells of the row are tested too.
fn blank(record: &mut Record, column: &str) {
    type Members = BTreeMap<String, Box<RawValue>>;
    let null = || RawValue::from_string("null".to_owned()).unwrap();
    let value = record.value.as_deref().expect("what was refused has a value");
    let mut payload: Members = serde_json::from_str(value).unwrap();
    if let Some(own) = payload.get_mut(column) {
        *own = null();
    }
    for side in ["before", "after"] {
        let Some(image) = payload.get_mut(side) else { continue };
        let Ok(Some(mut cells)) = serde_json::from_str::<Option<Members>>(image.get()) else {
            continue;
        };
        if let Some(cell) = cells.get_mut(column) {
            *cell = null();
        }
        *image = serde_json::value::to_raw_value(&cells).unwrap();
    }
    record.value = Some(serde_json::to_string(&payload).unwrap());
}
