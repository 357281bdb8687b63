//! The simplest change format: `<operation code> <key> <text>`.

use std::sync::Arc;

use cdc_core::{
    Change, ChangeEvent, Column, Decoded, Decoder, Operation, Origin, Record, Rejection, RowBuffer,
    RowShape, SemanticType, SkipReason, Stage, TableId, Value,
};

/// Decodes text changes: `c 7 hello` inserts row 7, `d 7` deletes it, a null value is a tombstone.
/// The row has the columns `key int64` and `text text`.
#[derive(Debug)]
pub struct TextDecoder {
    shape: Arc<RowShape>,
    buffer: RowBuffer,
    joined: Vec<u8>,
}

impl Default for TextDecoder {
    fn default() -> Self {
        let columns =
            vec![Column::new("key", SemanticType::Int64), Column::new("text", SemanticType::Text)];
        Self {
            shape: Arc::new(RowShape::new(columns)),
            buffer: RowBuffer::new(),
            joined: Vec::new(),
        }
    }
}

fn malformed() -> Box<Rejection> {
    let message = "expected an operation code, a key and text";
    Box::new(Rejection::new(Stage::Decode, "malformed", message))
}

impl Decoder for TextDecoder {
    fn decode<'e>(&'e mut self, record: Record<'e>) -> Result<Decoded<'e>, Box<Rejection>> {
        let Some(value) = record.value else { return Ok(Decoded::Skip(SkipReason::Tombstone)) };
        let value = value.joined(&mut self.joined);
        let value = std::str::from_utf8(value).map_err(|_| malformed())?;
        let mut words = value.splitn(3, ' ');
        let operation = words.next().and_then(Operation::from_code).ok_or_else(malformed)?;
        let key = words.next().and_then(|word| word.parse().ok());
        self.buffer.clear();
        self.buffer.push(key.map_or(Value::Null, Value::Int64));
        self.buffer.push(words.next().map_or(Value::Null, Value::Text));
        let row = self.buffer.row(&self.shape, "");
        if key.is_none() && operation != Operation::Truncate {
            return Err(malformed());
        }
        let change = match operation {
            Operation::Insert => Change::Insert { after: row },
            Operation::Snapshot => Change::Snapshot { row },
            Operation::Update => Change::Update { before: None, after: row },
            Operation::Delete => Change::Delete { before: row },
            Operation::Truncate => Change::Truncate,
        };
        let table = TableId::new(0);
        Ok(Decoded::Change(ChangeEvent {
            table,
            change,
            origin: Origin::default(),
            ordinal: 0,
            record,
        }))
    }
}
