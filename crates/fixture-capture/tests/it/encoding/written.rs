//! Decodes the records of a capture, writes them again, and finds where both differ.

use std::collections::BTreeMap;
use std::sync::Arc;

use cdc_testkit::captures::{Capture, Message as Record};
use debezium_envelope::{
    BinaryMode, ControlEncoder, Declarations, EncoderOptions, EnvelopeEncoder, Limits, Message,
    MessageDecoder, Release, RowShape, SchemaBlock,
};

use super::Deviation;
use super::members::{Members, replaced};

/// Columns of types with fewer than six digits of a second.
const DIGITS: [(&str, u8); 8] = [
    ("c_time0", 0),
    ("c_time3", 3),
    ("c_timetz3", 3),
    ("c_timestamp0", 0),
    ("c_timestamp3", 3),
    ("c_timestamptz0", 0),
    ("c_timestamptz3", 3),
    ("added", 3),
];

/// Arrays whose elements are required by the schema: of types that the connector does not know, and of
/// sparse vectors.
const REQUIRED_ELEMENTS: [&str; 4] =
    ["c_domain_array", "c_vector_array", "c_halfvec_array", "c_sparsevec_array"];

/// A column whose values are sent as JSON text, which other columns are too.
const HSTORE: &str = "c_hstore";

/// What a message has been described by: the shapes of rows and keys.
type Shapes = (Option<Arc<RowShape>>, Option<Arc<RowShape>>);

/// Notes the deviations of a capture and counts the keys and values that have none.
pub(super) fn again(capture: &Capture, deviations: &mut Vec<Deviation>) -> usize {
    let mode = capture.about.mode.as_str();
    if mode.starts_with("flattened") {
        deviations.push(deviation(capture, "", "flattened", mode));
        return 0;
    }
    // A capture without schema blocks has the records of the one with them.
    let described = (!capture.about.schema_block)
        .then(|| Capture::open(&capture.about.release, &format!("{mode}-schema")));
    let described = described.as_ref().unwrap_or(capture);
    assert_eq!(capture.messages.len(), described.messages.len(), "{mode}");
    let shapes = shapes(described);
    let mut equal = 0;
    for ((record, twin), shapes) in capture.messages.iter().zip(&described.messages).zip(&shapes) {
        assert_eq!((record.offset, record.event), (twin.offset, twin.event), "{mode}");
        // What has a schema block is also tried without it.
        let described = capture.about.schema_block.then_some(SchemaBlock::Present);
        for block in described.into_iter().chain([SchemaBlock::Absent]) {
            equal += Rewriting { capture, record, block, shapes }.run(deviations);
        }
    }
    equal
}

fn deviation(capture: &Capture, table: &str, place: &str, details: &str) -> Deviation {
    Deviation {
        release: capture.about.release.clone(),
        mode: capture.about.mode.clone(),
        table: table.to_owned(),
        place: place.to_owned(),
        details: details.chars().take(600).collect(),
    }
}

/// What describes each record: its own rows, or those of a record with the same schema block.
fn shapes(capture: &Capture) -> Vec<Shapes> {
    let mut by_schema: BTreeMap<usize, Arc<RowShape>> = BTreeMap::new();
    let mut by_topic: BTreeMap<&str, Arc<RowShape>> = BTreeMap::new();
    let mut all = Vec::new();
    for record in &capture.messages {
        let (key, value) = (capture.key(record), capture.value(record));
        let (mut row_shape, mut key_shape) = (None, None);
        let mut value = value;
        loop {
            let mut decoder = MessageDecoder::new(Declarations::none(), Limits::default());
            let outcome = decoder
                .decode(key.as_deref().map(str::as_bytes), value.as_deref().map(str::as_bytes));
            match outcome {
                Ok(Message::Change(change)) => {
                    let row = change.after.or(change.before);
                    row_shape = row.map(|row| Arc::clone(row.shape()));
                    key_shape = change.key.map(|row| Arc::clone(row.shape()));
                }
                Ok(Message::Tombstone(tombstone)) => {
                    key_shape = tombstone.key.map(|row| Arc::clone(row.shape()));
                }
                Ok(_) => {}
                Err(error) => {
                    let column = error.column().expect("a value was refused").to_owned();
                    value = value.map(|value| blanked(&value, &column));
                    continue;
                }
            }
            break;
        }
        if let (Some(line), Some(shape)) = (record.value_schema, &row_shape) {
            by_schema.insert(line, Arc::clone(shape));
            by_topic.insert(&record.topic, Arc::clone(shape));
        }
        all.push((row_shape, key_shape));
    }
    for (record, (row_shape, _)) in capture.messages.iter().zip(&mut all) {
        if row_shape.is_none() && record.event.is_some() {
            let same = record.value_schema.and_then(|line| by_schema.get(&line));
            *row_shape = same.or_else(|| by_topic.get(record.topic.as_str())).cloned();
        }
    }
    all
}

/// A value in which a column of both rows is NULL.
fn blanked(value: &str, column: &str) -> String {
    let rows = |payload: &str| {
        let row = |row: &str| replaced(row, column, |_| "null".to_owned());
        let payload = replaced(payload, "before", row);
        replaced(&payload, "after", row)
    };
    match Members::of(value).and_then(|members| members.get("schema")) {
        Some(_) => replaced(value, "payload", rows),
        None => rows(value),
    }
}

/// One record in one form.
struct Rewriting<'c> {
    capture: &'c Capture,
    record: &'c Record,
    block: SchemaBlock,
    shapes: &'c Shapes,
}

impl Rewriting<'_> {
    fn run(&self, deviations: &mut Vec<Deviation>) -> usize {
        let Self { capture, record, .. } = self;
        let (key, mut value) = match self.block {
            SchemaBlock::Present => (capture.key(record), capture.value(record)),
            SchemaBlock::Absent => (record.key.clone(), record.value.clone()),
        };
        let mut found = Vec::new();
        let (written_key, written_value) = loop {
            let bytes = |text: &Option<String>| text.clone().map(String::into_bytes);
            let (key, bytes) = (bytes(&key), bytes(&value));
            let mut decoder = MessageDecoder::new(self.declarations(), Limits::default());
            match decoder.decode(key.as_deref(), bytes.as_deref()) {
                Ok(message) => match self.written(&message) {
                    Ok(written) => break written,
                    Err(place) => {
                        deviations.push(self.deviation(&place, ""));
                        return 0;
                    }
                },
                Err(error) => {
                    let column = error.column().expect("a value was refused").to_owned();
                    found.push(self.deviation(&format!("refused.{column}"), &error.to_string()));
                    value = value.map(|value| blanked(&value, &column));
                }
            }
        };
        if written_key != key {
            self.compare(
                "key",
                &key.unwrap_or_default(),
                &written_key.unwrap_or_default(),
                &mut found,
            );
        }
        if written_value != value {
            let (value, written) = (value.unwrap_or_default(), written_value.unwrap_or_default());
            self.compare("", &value, &written, &mut found);
        }
        let equal = if found.is_empty() { 2 } else { 0 };
        deviations.append(&mut found);
        equal
    }

    fn table(&self) -> &str {
        self.capture.event(self.record).map(|event| event.table.as_str()).unwrap_or_default()
    }

    fn deviation(&self, place: &str, details: &str) -> Deviation {
        deviation(self.capture, self.table(), place, details)
    }

    fn declarations(&self) -> Declarations {
        let mut declarations = Declarations::none();
        if self.block == SchemaBlock::Absent {
            for shape in [&self.shapes.1, &self.shapes.0].into_iter().flatten() {
                for column in shape.columns() {
                    declarations.declare("*", &column.name, column.semantic.clone());
                }
            }
        }
        declarations
    }

    fn release(&self) -> Release {
        match self.capture.about.release.as_str() {
            "2.4.2" => Release::V2_4,
            "3.4.0" => Release::V3_4,
            "3.7.0" => Release::V3_7,
            other => panic!("no release of the encoder is {other}"),
        }
    }

    fn options(&self, shape: &RowShape) -> EncoderOptions {
        let mut options = EncoderOptions::new(self.block).release(self.release());
        if self.capture.about.mode == "time-connect" {
            options = options.connect_times();
        }
        if self.capture.event(self.record).is_some_and(|event| event.identity == "d") {
            options = options.old_rows_of_keys();
        }
        for (column, digits) in DIGITS {
            if shape.index_of(column).is_some() {
                options = options.fraction_digits(column, digits);
            }
        }
        if shape.index_of(HSTORE).is_some() {
            options = options.hstore(HSTORE);
        }
        for column in REQUIRED_ELEMENTS {
            if shape.index_of(column).is_some() {
                options = options.required_elements(column);
            }
        }
        options
    }

    /// The key and the value, or the place of what cannot be written.
    #[expect(clippy::wildcard_enum_match_arm, reason = "the rest is not about a row")]
    fn written(&self, message: &Message<'_>) -> Result<(Option<String>, Option<String>), String> {
        let (row_shape, key_shape) = self.shapes;
        let names: Vec<&str> = key_shape
            .iter()
            .flat_map(|shape| shape.columns())
            .map(|column| &*column.name)
            .collect();
        let own = row_shape.as_ref().or(key_shape.as_ref());
        let none = Arc::new(RowShape::new(Vec::new()));
        let shape = own.unwrap_or(&none);
        let options = self.options(shape);
        let encoder = EnvelopeEncoder::new(&self.record.topic, shape, &names, options);
        let encoder = encoder.map_err(|error| format!("encoder: {error}"))?;
        let (mut key, mut value) = (Vec::new(), Vec::new());
        let (key_row, has_value) = match message {
            Message::Change(change) => {
                encoder.value(change, &mut value).map_err(|error| format!("value: {error}"))?;
                (change.key, true)
            }
            Message::Tombstone(tombstone) => (tombstone.key, false),
            other => return Ok(self.control(other)),
        };
        if let Some(row) = key_row {
            encoder.key(row, &mut key).map_err(|error| format!("key: {error}"))?;
        }
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ok((key_row.map(|_| text(key)), has_value.then(|| text(value))))
    }

    #[expect(clippy::wildcard_enum_match_arm, reason = "the captures have no other messages")]
    fn control(&self, message: &Message<'_>) -> (Option<String>, Option<String>) {
        let options = &self.capture.about.options;
        let binary = options.get("binary.handling.mode");
        let binary = binary.map_or(BinaryMode::Bytes, |mode| BinaryMode::parse(mode).unwrap());
        let encoder = ControlEncoder::new(self.release(), self.block, binary);
        let record = match message {
            Message::LogicalMessage(message) => encoder.logical_message(message).unwrap(),
            Message::Heartbeat(heartbeat) => {
                encoder.heartbeat(&options["topic.prefix"], *heartbeat)
            }
            Message::Transaction(marker) => encoder.transaction(marker),
            other => panic!("{other:?}"),
        };
        let text = |bytes| Some(String::from_utf8(bytes).unwrap());
        (text(record.key), text(record.value))
    }

    /// Notes each member that differs, and else that only the order or the spelling does.
    fn compare(&self, place: &str, captured: &str, written: &str, found: &mut Vec<Deviation>) {
        let before = found.len();
        let inner = |name: &str| match place {
            "" | "payload" => name.to_owned(),
            outer => format!("{outer}.{name}"),
        };
        if let (Some(one), Some(two)) = (Members::of(captured), Members::of(written)) {
            let nested = ["schema", "payload", "before", "after", "source"];
            for (name, text) in &one.0 {
                match two.get(name) {
                    Some(other) if other == *text => {}
                    Some(other) if nested.contains(&name.as_str()) => {
                        self.compare(&inner(name), text, other, found);
                    }
                    Some(other) => {
                        let details = format!("{text} written as {other}");
                        found.push(self.deviation(&inner(name), &details));
                    }
                    None => found.push(self.deviation(&inner(name), "missing")),
                }
            }
        }
        if found.len() == before {
            let details = format!("{captured} written as {written}");
            found.push(self.deviation(place, &details));
        }
    }
}
