//! The reverse of the decoder: messages as the JSON converter of a version of Debezium writes them,
//! byte for byte.
//!
//! It serves test data and generators of traffic. Everything that is the same in each message of a
//! table, above all the schema block, is made once.

mod cell;
mod control;
mod frame;
mod json;
mod options;
mod schema;

use std::sync::Arc;

use self::cell::{Form, Origin, Part};
pub use self::control::{ControlEncoder, ControlRecord};
use self::json::put_string;
use self::options::{ColumnOptions, OldRows};
pub use self::options::{EncoderOptions, Release};
use crate::message::{Envelope, Op, SchemaBlock};
use crate::row::{Column, Row, RowShape, Value};

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
    /// An option for a column that the shape does not have.
    #[error("prepared to encode the column {column}, which has options and is not in the table")]
    UnknownColumn {
        /// The column.
        column: Box<str>,
    },
    /// An envelope says something that the version has no member for.
    #[error("encoded an envelope with {member}, which Debezium {release} does not write")]
    UnknownMember {
        /// The member's path.
        member: &'static str,
        /// The version.
        release: Release,
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
/// They are byte-equal to those of the versions that [`Release`] names: every captured row event of
/// these is decoded and written again in the tests, with schema block and without. Messages about no
/// row are the [`ControlEncoder`]'s; flattened rows are not written.
///
/// What differs all the same: some floats, to which Java before 19 gives a digit more than they need;
/// a NaN in a decimal of fixed scale, which is refused where the connector sends NULL; infinite
/// timestamps in nanoseconds, which are written as 3.6 and later do; and an infinite day in a key
/// that a snapshot read, which is written as the log's.
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
    /// The key columns alone, in key order.
    key_shape: Arc<RowShape>,
    release: Release,
    /// How the cells of each column are written.
    forms: Vec<Form>,
    /// Whether a column has stand-ins in old rows.
    stand_ins: Vec<bool>,
    /// What stands before the payload; empty without schema block.
    value_head: Vec<u8>,
    key_head: Vec<u8>,
}

impl EnvelopeEncoder {
    /// An encoder for the rows of a shape. `topic` names the schemas; `key` lists the key columns in
    /// key order and may be empty for a table without key. A [`SchemaBlock`] will do for the options.
    ///
    /// In the schema block those columns are required that the shape calls so, and the key's; the
    /// shape tells the defaults too. A decoded row's shape has both from its own schema block.
    ///
    /// # Errors
    ///
    /// [`EncodeError::UnknownKeyColumn`] and [`EncodeError::UnknownColumn`], and with a schema block
    /// [`EncodeError::UnsupportedType`] for columns of undeclared or unsupported type, and
    /// [`EncodeError::Unrepresentable`] for a default that the column's type has no form for.
    pub fn new(
        topic: &str,
        shape: &Arc<RowShape>,
        key: &[&str],
        options: impl Into<EncoderOptions>,
    ) -> Result<Self, EncodeError> {
        let options = options.into();
        let find = |name: &&str| {
            let unknown = EncodeError::UnknownKeyColumn { column: (*name).into() };
            shape.index_of(name).ok_or(unknown)
        };
        let key = key.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        if let Some(name) = options.columns.keys().find(|name| shape.index_of(name).is_none()) {
            return Err(EncodeError::UnknownColumn { column: name.as_str().into() });
        }
        let forms = shape.columns().iter().map(|column| form(column, &options)).collect();
        let is_made_up = |at| {
            options.old_rows == OldRows::KeyAndStandIns
                && !key.contains(&at)
                && shape.default_of(at).is_none()
        };
        let stand_ins = (0..shape.len()).map(is_made_up).collect();
        let (value_head, key_head) = match options.schema_block {
            SchemaBlock::Absent => (Vec::new(), Vec::new()),
            SchemaBlock::Present => {
                let fields = schema::fields(shape, &key, &options)?;
                let value_head = schema::value_head(topic, &fields, options.release);
                (value_head, schema::key_head(topic, &fields, &key))
            }
        };
        let name = |name: &str| {
            let mut text = vec![b','];
            put_string(&mut text, name);
            text.push(b':');
            text
        };
        let names = shape.columns().iter().map(|column| name(&column.name)).collect();
        let key_columns = key.iter().filter_map(|index| shape.columns().get(*index)).cloned();
        let key_shape = Arc::new(RowShape::new(key_columns.collect()));
        let (shape, release) = (Arc::clone(shape), options.release);
        Ok(Self { shape, names, key, key_shape, release, forms, stand_ins, value_head, key_head })
    }

    /// Appends the key of a row, or of the key's own columns alone, as a tombstone has it. Appends
    /// nothing for a table without key: its records have null keys.
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
        let is_key = !Arc::ptr_eq(&self.shape, row.shape()) && self.key_shape == *row.shape();
        if !is_key {
            self.check(row)?;
        }
        out.extend_from_slice(&self.key_head);
        let start = out.len();
        for (place, index) in self.key.iter().enumerate() {
            let value = row.get(if is_key { place } else { *index });
            self.put_column(*index, Image::New, value, out)?;
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
        self.put_row(change.before, Image::Old, out)?;
        out.extend_from_slice(b",\"after\":");
        let image = if change.op == Op::Read { Image::Read } else { Image::New };
        self.put_row(change.after, image, out)?;
        frame::put_rest(change, self.release, out)?;
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

    fn put_row(
        &self,
        row: Option<Row<'_>>,
        image: Image,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let Some(row) = row else {
            out.extend_from_slice(b"null");
            return Ok(());
        };
        self.check(row)?;
        let start = out.len();
        for index in 0..self.names.len() {
            self.put_column(index, image, row.get(index), out)?;
        }
        close_object(start, out);
        Ok(())
    }

    fn put_column(
        &self,
        index: usize,
        image: Image,
        value: Value<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let (Some(name), Some(column), Some(form)) =
            (self.names.get(index), self.shape.columns().get(index), self.forms.get(index))
        else {
            return Ok(());
        };
        out.extend_from_slice(name);
        let is_made_up = self.stand_ins.get(index).copied().unwrap_or_default();
        let origin = match image {
            Image::Old if is_made_up => Origin::StandIn,
            Image::New | Image::Old => Origin::Log,
            Image::Read => Origin::Snapshot,
        };
        let form = Form { origin, ..*form };
        cell::put(out, &column.semantic, value, form).ok_or_else(|| unrepresentable(column))
    }
}

/// Which of an envelope's rows is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Image {
    New,
    Old,
    /// The one that a snapshot has read.
    Read,
}

/// How the cells of a column are written if they come from the log.
fn form(column: &Column, options: &EncoderOptions) -> Form {
    let ColumnOptions { digits, document, .. } = options.column(&column.name);
    let (origin, part) = (Origin::Log, Part::Column);
    Form { digits, document, release: options.release, origin, part }
}

fn unrepresentable(column: &Column) -> EncodeError {
    let semantic = column.semantic.to_string().into();
    EncodeError::Unrepresentable { column: (&*column.name).into(), semantic }
}

/// Turns the leading comma of the first member into the opening brace, and closes.
fn close_object(start: usize, out: &mut Vec<u8>) {
    match out.get_mut(start) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}
