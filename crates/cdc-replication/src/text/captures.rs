//! Each value that real connectors sent, decoded, is what the source's text of it gives, or its difference
//! is one of those that the connector makes.

use std::collections::{BTreeMap, BTreeSet};

use cdc_core::{Decimal, NativeShape, RowBuffer, SemanticType, Time, Value};
use cdc_testkit::captures::{Capture, RowEvent, Texts};
use debezium_envelope::{Declarations, Limits, Message, MessageDecoder, Row};

use super::{put, put_shape};

/// Whether a difference is a certain one.
type Judge = fn(&Case<'_>) -> bool;

/// What the connector does to a value, of which the text has more.
const LOSSES: [(&str, Judge); 12] = [
    ("values out of line that an update leaves alone arrive as NULL", |case| {
        case.is_unchanged && case.sent.is_null()
    }),
    ("the driver prints the numbers of shapes in its own way", |case| {
        const SHAPES: [&str; 6] = ["c_box", "c_circle", "c_line", "c_lseg", "c_path", "c_polygon"];
        matches!(case.sent, Value::Bytes(_)) && SHAPES.contains(&case.column)
    }),
    ("NaN in a decimal, or an array with it, arrives as NULL", |case| {
        case.sent.is_null() && case.text.contains("NaN")
    }),
    ("zeros at the end of a decimal, and a negative scale", |case| {
        same_numbers(case.sent, case.own)
    }),
    ("the offset of a timetz, and the end of a day", |case| {
        matches!(case.semantic, SemanticType::ZonedTime) && is_same_moment(case)
    }),
    ("months and days of a span", |case| {
        matches!((case.sent, case.own), (Value::Interval(_), Value::Interval(_)))
    }),
    ("the length of a bit string of varying length", |case| match (case.sent, case.own) {
        (Value::Bits(sent), Value::Bits(own)) => sent.bytes() == own.bytes(),
        _ => false,
    }),
    ("days before the Gregorian calendar, eras and fractions in what the driver reads", |case| {
        is_read_by_the_driver(case)
    }),
    ("names in the stream arrive as NULL", |case| case.column == "c_name" && case.sent.is_null()),
    ("arrays with NULL, or inner arrays, arrive as NULL", |case| {
        matches!(case.own, Value::Array(_)) && (case.sent.is_null() || has_inner_nulls(case.sent))
    }),
    ("the order of an hstore, of which the members are the same", |case| {
        case.column.starts_with("c_hstore") && same_members(case.sent, case.own)
    }),
    ("a sparse vector of many dimensions, or of no element", |case| {
        case.column.starts_with("c_sparsevec") && case.sent.is_null()
    }),
];

/// A value in both forms.
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct Case<'c> {
    column: &'c str,
    semantic: &'c SemanticType,
    text: &'c str,
    sent: Value<'c>,
    own: Value<'c>,
    is_snapshot: bool,
    /// The text before the change is the same.
    is_unchanged: bool,
}

#[test]
fn texts_give_what_connectors_sent_but_for_what_they_lose() {
    let mut tally = Tally::default();
    for (release, mode) in [
        ("2.4.2", "default-schema"),
        ("3.4.0", "default-schema"),
        ("2.4.2", "unknown-types"),
        ("3.7.0", "unknown-types"),
        ("2.4.2", "hstore-map"),
        ("3.4.0", "time-isostring"),
        ("3.4.0", "time-nanoseconds"),
        ("3.7.0", "time-structured"),
        ("3.4.0", "extensions-schema"),
        ("3.7.0", "extensions-schema"),
    ] {
        tally.take(&Capture::open(release, mode), &format!("{release} {mode}"));
    }
    let shown: Vec<&String> = tally.unlisted.iter().take(60).collect();
    assert!(tally.unlisted.is_empty(), "{} differences: {shown:#?}", tally.unlisted.len());
    let idle: Vec<&str> = LOSSES
        .iter()
        .map(|(loss, _)| *loss)
        .filter(|loss| !tally.losses.contains_key(loss))
        .collect();
    assert!(idle.is_empty(), "listed and not met: {idle:?}");
    assert!(tally.equal > 6_000, "only {} values were equal", tally.equal);
}

#[derive(Default)]
struct Tally {
    equal: usize,
    losses: BTreeMap<&'static str, usize>,
    unlisted: BTreeSet<String>,
}

impl Tally {
    fn take(&mut self, capture: &Capture, name: &str) {
        for message in &capture.messages {
            let (Some(event), Some(value)) = (capture.event(message), capture.value(message))
            else {
                continue;
            };
            let Some(texts) = &event.after else { continue };
            let mut decoder = MessageDecoder::new(Declarations::none(), Limits::default());
            // What the decoder refuses is Debezium's own damage.
            let Ok(Message::Change(change)) = decoder.decode(None, Some(value.as_bytes())) else {
                continue;
            };
            if let Some(row) = change.after {
                self.compare(row, texts, event, name);
            }
        }
    }

    fn compare(&mut self, row: Row<'_>, texts: &Texts, event: &RowEvent, name: &str) {
        for (column, sent) in row.shape().columns().iter().zip(row.values()) {
            let Some(Some(text)) = texts.get(&*column.name) else { continue };
            let is_decoded = !matches!(column.semantic, SemanticType::Unsupported { .. });
            if sent == Value::Unavailable || !is_decoded {
                continue;
            }
            // A schema describes bit strings of varying length as those of a fixed one.
            let semantic = &match column.semantic {
                SemanticType::Bits { length } if column.name.starts_with("c_varbit") => {
                    SemanticType::VarBits { length: Some(length) }
                }
                _ => column.semantic.clone(),
            };
            let mut buffer = RowBuffer::new();
            buffer.push(Value::Null);
            let result = match native_shape(&column.name, semantic) {
                Some(shape) => put_shape(&mut buffer, 0, shape, text),
                None => put(&mut buffer, 0, semantic, text),
            };
            let own = buffer.row(row.shape(), "");
            let case = Case {
                column: &column.name,
                semantic,
                text,
                sent,
                own: own.get(0),
                is_snapshot: event.op == "r",
                is_unchanged: event.before.as_ref().and_then(|texts| texts.get(&*column.name))
                    == texts.get(&*column.name),
            };
            if result.is_ok() && same(case.sent, case.own) {
                self.equal += 1;
            } else if let Some((loss, _)) = LOSSES.iter().find(|(_, holds)| holds(&case)) {
                *self.losses.entry(loss).or_default() += 1;
            } else {
                self.unlisted.insert(format!(
                    "{name} {} {} {text}: sent {sent:?}, own {:?} {result:?}",
                    column.name, column.semantic, case.own
                ));
            }
        }
    }
}

/// PostgreSQL's own type, which looks like others.
fn native_shape(column: &str, semantic: &SemanticType) -> Option<NativeShape> {
    match (semantic, column) {
        (SemanticType::Geometry, "c_lseg") => Some(NativeShape::Segment),
        (SemanticType::Geometry, "c_path") => Some(NativeShape::OpenPath),
        (SemanticType::Geometry, "c_polygon") => Some(NativeShape::Polygon),
        _ => None,
    }
}

/// Equality in which NaN is NaN.
fn same(one: Value<'_>, other: Value<'_>) -> bool {
    one == other || format!("{one:?}") == format!("{other:?}")
}

fn same_numbers(one: Value<'_>, other: Value<'_>) -> bool {
    match (one, other) {
        (Value::Decimal(one), Value::Decimal(other)) => Decimal::is_same_number(&one, &other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other.iter())
                    .all(|(one, other)| same(one, other) || same_numbers(one, other))
        }
        _ => false,
    }
}

fn is_same_moment(case: &Case<'_>) -> bool {
    const DAY: i64 = 86_400_000_000_000;
    let (Value::ZonedTime(sent), Value::ZonedTime(own)) = (case.sent, case.own) else {
        return false;
    };
    let in_utc = |time: Time, offset: i32| {
        (time.nanos() - i64::from(offset) * 1_000_000_000).rem_euclid(DAY)
    };
    in_utc(sent.time, sent.offset_seconds) == in_utc(own.time, own.offset_seconds)
}

/// Snapshots and arrays go through classes of the driver.
fn is_read_by_the_driver(case: &Case<'_>) -> bool {
    let is_old = case.text.contains(" BC")
        || case.text.contains("0001-")
        || case.text.contains("1582-10-14");
    match (case.sent, case.own) {
        (Value::Date(_), Value::Date(_)) => is_old,
        (Value::Timestamp(_), Value::Timestamp(_)) | (Value::Instant(_), Value::Instant(_)) => {
            is_old && case.is_snapshot || case.text.contains("294276-")
        }
        (Value::Time(_), Value::Time(_)) => case.text == "24:00:00",
        (sent, Value::Time(_)) => sent.is_null() && case.text == "24:00:00",
        (Value::Array(sent), Value::Array(own)) => {
            sent.len() == own.len() && case.column.contains("time") || case.column == "c_date_array"
        }
        _ => false,
    }
}

fn has_inner_nulls(value: Value<'_>) -> bool {
    matches!(value, Value::Array(array) if array.iter().any(|element| element.is_null()))
}

fn same_members(one: Value<'_>, other: Value<'_>) -> bool {
    let members = |value: Value<'_>| -> Option<BTreeMap<String, Option<String>>> {
        match value {
            Value::Text(text) => serde_json::from_str(text).ok(),
            Value::Map(map) => Some(
                map.iter()
                    .map(|(key, value)| (format!("{key:?}"), Some(format!("{value:?}"))))
                    .collect(),
            ),
            _ => None,
        }
    };
    match (one, other) {
        (Value::Array(one), Value::Array(other)) => one
            .iter()
            .zip(other.iter())
            .all(|(one, other)| same(one, other) || same_members(one, other)),
        _ => members(one).is_some() && members(one) == members(other),
    }
}
