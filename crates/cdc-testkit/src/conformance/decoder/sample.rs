//! Messages for decoders, and what a decoder made of them.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use cdc_core::{
    ByteBudget, Decoded, Decoder, NextOffset, Offset, Operation, Partition, RecordBatch,
    RecordBatchBuilder, RecordParts, Rejection, SkipReason,
};

use super::{DecoderUnderTest, MARKER};
use crate::TextDecoder;

/// A message as a source gives it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// The key's bytes; `None` is a null key.
    pub key: Option<Vec<u8>>,
    /// The value's bytes; `None` is a null value.
    pub value: Option<Vec<u8>>,
}

impl Message {
    /// A message with a key and a value.
    pub fn new(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self { key: Some(key.into()), value: Some(value.into()) }
    }

    /// The same key with another value.
    #[must_use]
    pub fn with_value(&self, value: Option<Vec<u8>>) -> Self {
        Self { key: self.key.clone(), value }
    }
}

/// Samples of the [text format](TextDecoder).
#[derive(Debug, Clone, Copy, Default)]
pub struct TextSamples;

impl DecoderUnderTest for TextSamples {
    type Decoder = TextDecoder;

    fn decoder(&self) -> TextDecoder {
        TextDecoder::default()
    }

    fn partition(&self) -> Partition {
        Partition::new("conformance", 0, 0).expect("the name is well formed")
    }

    fn changes(&self) -> Vec<(Message, Operation)> {
        let values = [
            ("c 7 hello", Operation::Insert),
            ("r 8 read", Operation::Snapshot),
            ("u 7 a longer text with größe", Operation::Update),
            ("d 7", Operation::Delete),
            ("t", Operation::Truncate),
        ];
        values.map(|(value, operation)| (Message::new("key", value), operation)).to_vec()
    }

    fn skipped(&self) -> Vec<Message> {
        vec![Message::new("key", "").with_value(None)]
    }

    fn malformed(&self) -> Vec<Message> {
        let values = ["x 7", "c seven", "c", ""];
        values.map(|value| Message::new("key", format!("{value} {MARKER}"))).to_vec()
    }
}

/// What a decoder made of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// A change: its operation, and everything else about it as text.
    Change(Operation, String),
    Skipped(SkipReason),
    Rejected(Box<Rejection>),
}

/// A batch of one record.
pub(super) fn record_of(partition: Partition, message: &Message, offset: i64) -> RecordBatch {
    let offset = Offset::try_new(offset).expect("the suite's own offsets are not negative");
    let mut builder = RecordBatchBuilder::new(partition, 1, NextOffset::ZERO);
    builder.push(&RecordParts {
        offset,
        timestamp_ms: Some(1_700_000_000_000),
        key: message.key.as_deref(),
        value: message.value.as_deref(),
        headers: &[],
    });
    builder.finish(ByteBudget::new(1).charge(0))
}

/// Decodes a message; a panic is a finding.
pub(super) fn decode<U: DecoderUnderTest>(
    under_test: &U,
    decoder: &mut U::Decoder,
    message: &Message,
) -> Result<Seen, String> {
    let batch = record_of(under_test.partition(), message, 5);
    let record = batch.get(0).expect("there is one record");
    let outcome = catch_unwind(AssertUnwindSafe(|| match decoder.decode(record) {
        Ok(Decoded::Change(event)) => {
            let mut text = format!("{:?} {:?} {}", event.table, event.origin, event.ordinal);
            if let Some(row) = event.change.row() {
                for (index, column) in row.shape().columns().iter().enumerate() {
                    write!(text, " {column:?}={:?}", row.get(index))
                        .expect("writing to a string does not fail");
                }
            }
            Seen::Change(event.change.operation(), text)
        }
        Ok(Decoded::Skip(reason)) => Seen::Skipped(reason),
        Err(rejection) => Seen::Rejected(rejection),
    }));
    outcome.map_err(|_| {
        let length = message.value.as_ref().map_or(0, Vec::len);
        format!("panicked at a value of {length} bytes")
    })
}
