//! The reverse of the decoder: messages as Debezium 2.4's JSON converter writes them, byte for byte.
//!
//! It serves test data and generators of traffic. Everything that is the same in each message of a
//! table, above all the schema block, is made once.

mod cell;
mod json;
mod schema;

use std::sync::Arc;

use self::json::{put_integer, put_optional, put_string};
use crate::message::{Envelope, SchemaBlock, SourceInfo, TransactionBlock};
use crate::row::{Row, RowShape};

/// Why a message could not be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// The encoder does not know how this type is written.
    #[error("prepared to encode the column {column}: no wire form for {semantic}")]
    UnsupportedType {
        /// The column.
        column: Box<str>,
        /// Its type.
        semantic: Box<str>,
    },
    /// A key column that the shape does not have.
    #[error("prepared to encode the key column {column}, which the table does not have")]
    UnknownKeyColumn {
        /// The column.
        column: Box<str>,
    },
    /// A row of another shape than the encoder was made for.
    #[error("encoded a row of the shape {found} with an encoder for {expected}")]
    OtherShape {
        /// The encoder's shape.
        expected: Box<str>,
        /// The row's shape.
        found: Box<str>,
    },
    /// A value that its column's type has no wire form for: of another kind, not exact in the
    /// column's scale or unit, or a special value that Debezium does not write there.
    #[error("encoded the column {column}: the value has no exact form as {semantic}")]
    Unrepresentable {
        /// The column.
        column: Box<str>,
        /// Its type.
        semantic: Box<str>,
    },
}

/// Writes the messages of one table.
///
/// ```
/// use std::sync::Arc;
/// use debezium_envelope::{
///     Column, Declarations, EnvelopeEncoder, Limits, Message, MessageDecoder, RowBuffer, RowShape,
///     SchemaBlock, SemanticType, Value,
/// };
///
/// let shape = Arc::new(RowShape::new(vec![Column::new("id", SemanticType::Int64)]));
/// let encoder =
///     EnvelopeEncoder::new("shop.public.items", &shape, &["id"], SchemaBlock::Present)?;
/// let mut buffer = RowBuffer::new();
/// buffer.push(Value::Int64(7));
/// let mut key = Vec::new();
/// encoder.key(buffer.row(&shape, ""), &mut key)?;
/// assert!(key.ends_with(br#""payload":{"id":7}}"#));
///
/// let mut decoder = MessageDecoder::new(Declarations::none(), Limits::default());
/// let Message::Tombstone(tombstone) = decoder.decode(Some(&key), None)? else { panic!() };
/// assert_eq!(tombstone.key.and_then(|key| key.get_by_name("id")), Some(Value::Int64(7)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct EnvelopeEncoder {
    shape: Arc<RowShape>,
    /// `,"name":` for each column.
    names: Vec<Vec<u8>>,
    key: Vec<usize>,
    /// What stands before the payload; empty without schema block.
    value_head: Vec<u8>,
    key_head: Vec<u8>,
}

impl EnvelopeEncoder {
    /// An encoder for the rows of a shape. `topic` names the schemas; `key` lists the key columns in
    /// key order and may be empty for a table without key.
    ///
    /// In the schema block key columns are required, all others optional.
    ///
    /// # Errors
    ///
    /// [`EncodeError::UnknownKeyColumn`], and with a schema block [`EncodeError::UnsupportedType`]
    /// for columns of undeclared or unsupported type.
    pub fn new(
        topic: &str,
        shape: &Arc<RowShape>,
        key: &[&str],
        schema_block: SchemaBlock,
    ) -> Result<Self, EncodeError> {
        let find = |name: &&str| {
            let unknown = EncodeError::UnknownKeyColumn { column: (*name).into() };
            shape.index_of(name).ok_or(unknown)
        };
        let key = key.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let (value_head, key_head) = match schema_block {
            SchemaBlock::Absent => (Vec::new(), Vec::new()),
            SchemaBlock::Present => {
                let fields = schema::fields(shape, &key)?;
                (schema::value_head(topic, &fields), schema::key_head(topic, &fields, &key))
            }
        };
        let name = |name: &str| {
            let mut text = vec![b','];
            put_string(&mut text, name);
            text.push(b':');
            text
        };
        let names = shape.columns().iter().map(|column| name(&column.name)).collect();
        Ok(Self { shape: Arc::clone(shape), names, key, value_head, key_head })
    }

    /// Appends the key of a row. Appends nothing for a table without key: its records have null keys.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]; `out` is then as it was.
    pub fn key(&self, row: Row<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.key.is_empty() {
            return Ok(());
        }
        let start = out.len();
        let result = self.put_key(row, out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    /// Appends the value of a change. Whether it gets a schema block is the encoder's choice, not
    /// that of [`Envelope::schema_block`]; the envelope's key is not part of the value.
    ///
    /// # Errors
    ///
    /// [`EncodeError`]; `out` is then as it was.
    pub fn value(&self, change: &Envelope<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let start = out.len();
        let result = self.put_value(change, out);
        if result.is_err() {
            out.truncate(start);
        }
        result
    }

    fn put_key(&self, row: Row<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.check(row)?;
        out.extend_from_slice(&self.key_head);
        let start = out.len();
        for index in &self.key {
            self.put_column(row, *index, out)?;
        }
        close_object(start, out);
        if !self.key_head.is_empty() {
            out.push(b'}');
        }
        Ok(())
    }

    fn put_value(&self, change: &Envelope<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        out.extend_from_slice(&self.value_head);
        out.extend_from_slice(b"{\"before\":");
        self.put_row(change.before, out)?;
        out.extend_from_slice(b",\"after\":");
        self.put_row(change.after, out)?;
        out.extend_from_slice(b",\"source\":");
        put_source(&change.source, out);
        out.extend_from_slice(b",\"op\":\"");
        out.extend_from_slice(change.op.code().encode_utf8(&mut [0; 4]).as_bytes());
        out.extend_from_slice(b"\",\"ts_ms\":");
        put_optional(out, change.ts_ms);
        out.extend_from_slice(b",\"transaction\":");
        put_transaction(change.transaction.as_ref(), out);
        out.push(b'}');
        if !self.value_head.is_empty() {
            out.push(b'}');
        }
        Ok(())
    }

    fn check(&self, row: Row<'_>) -> Result<(), EncodeError> {
        if Arc::ptr_eq(&self.shape, row.shape()) || self.shape == *row.shape() {
            return Ok(());
        }
        let text = |shape: &RowShape| shape.to_string().into();
        Err(EncodeError::OtherShape { expected: text(&self.shape), found: text(row.shape()) })
    }

    fn put_row(&self, row: Option<Row<'_>>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let Some(row) = row else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        self.check(row)?;
        let start = out.len();
        for index in 0..self.names.len() {
            self.put_column(row, index, out)?;
        }
        close_object(start, out);
        Ok(())
    }

    fn put_column(&self, row: Row<'_>, index: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let (Some(name), Some(column)) = (self.names.get(index), self.shape.columns().get(index))
        else {
            return Ok(());
        };
        out.extend_from_slice(name);
        cell::put(out, &column.semantic, row.get(index)).ok_or_else(|| {
            let semantic = column.semantic.to_string().into();
            EncodeError::Unrepresentable { column: (&*column.name).into(), semantic }
        })
    }
}

/// Turns the leading comma of the first member into the opening brace, and closes.
fn close_object(start: usize, out: &mut Vec<u8>) {
    match out.get_mut(start) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}

/// The source block in the member order of version 2.4.2.
fn put_source(source: &SourceInfo<'_>, out: &mut Vec<u8>) {
    let text = |out: &mut Vec<u8>, name: &[u8], value: &str| {
        out.extend_from_slice(name);
        put_string(out, value);
    };
    text(out, b"{\"version\":", source.version);
    text(out, b",\"connector\":", source.connector);
    text(out, b",\"name\":", source.name);
    out.extend_from_slice(b",\"ts_ms\":");
    put_optional(out, source.ts_ms);
    text(out, b",\"snapshot\":", source.snapshot.as_str());
    text(out, b",\"db\":", source.db);
    out.extend_from_slice(b",\"sequence\":");
    match source.sequence {
        None => out.extend_from_slice(b"null"),
        Some(sequence) => {
            let mut separator: &[u8] = b"\"[";
            for half in [sequence.last_commit, sequence.lsn] {
                out.extend_from_slice(separator);
                match half {
                    None => out.extend_from_slice(b"null"),
                    Some(lsn) => {
                        out.extend_from_slice(b"\\\"");
                        put_integer(out, lsn.to_signed());
                        out.extend_from_slice(b"\\\"");
                    }
                }
                separator = b",";
            }
            out.extend_from_slice(b"]\"");
        }
    }
    text(out, b",\"schema\":", source.schema);
    text(out, b",\"table\":", source.table);
    out.extend_from_slice(b",\"txId\":");
    put_optional(out, source.tx_id);
    out.extend_from_slice(b",\"lsn\":");
    put_optional(out, source.lsn.map(crate::lsn::Lsn::to_signed));
    out.extend_from_slice(b",\"xmin\":null}");
}

fn put_transaction(block: Option<&TransactionBlock<'_>>, out: &mut Vec<u8>) {
    let Some(block) = block else {
        out.extend_from_slice(b"null");
        return;
    };
    out.extend_from_slice(b"{\"id\":");
    put_string(out, block.id);
    out.extend_from_slice(b",\"total_order\":");
    put_integer(out, block.total_order);
    out.extend_from_slice(b",\"data_collection_order\":");
    put_integer(out, block.data_collection_order);
    out.push(b'}');
}
