//! From the bytes of a record to a [`Message`].
//!
//! A message is read once, front to back, into cells; then a view over the cells is handed out. Rows
//! stand before the `source` block that names their table, so a message without schema block is read
//! under the assumption that it is about the same table as the one before. The source block settles
//! it, and rows read under a wrong assumption are read again.

mod change;
mod control;
mod flat;
mod frame;
mod key;
mod payload;
mod slot;
mod tables;

use std::sync::Arc;

use self::change::{Change, SlotState, check, is_not_an_envelope, missing_source, refuse_wrapped};
use self::flat::FlatRows;
use self::frame::{Frame, ImageState, Located, OpField, Opened};
use self::slot::{Context, RowSlot};
use self::tables::{RowRole, TableName, TablePlans};
use crate::declarations::Declarations;
use crate::error::{DecodeError, Side};
use crate::flattened::Flattened;
use crate::json::{JsonKind, Reader};
use crate::limits::Limits;
use crate::message::{Document, Envelope, LogicalMessage, Message, SchemaBlock, Tombstone};
use crate::schema::{CompiledSchema, SchemaCache};
use crate::semantic::Scratch;
use crate::source::{RawSource, Texts};

/// Decodes the records of one topic. It remembers compiled schemas and reuses its buffers, so that
/// decoding a row allocates nothing once it has seen a few.
///
/// ```
/// use debezium_envelope::{Declarations, Limits, Message, MessageDecoder, Op, SemanticType, Value};
///
/// let mut declarations = Declarations::none();
/// declarations.declare("public.orders", "amount", SemanticType::parse("decimal(10,2)")?);
/// let mut decoder = MessageDecoder::new(declarations, Limits::default());
///
/// let key = br#"{"order_id":7}"#;
/// let value = br#"{"before":null,"after":{"order_id":7,"amount":"BNI="},"source":{
///     "version":"2.4.2.Final","connector":"postgresql","name":"dbserver1","ts_ms":1,"db":"orders_db",
///     "schema":"public","table":"orders","lsn":42},"op":"c","ts_ms":2,"transaction":null}"#;
/// let Message::Change(envelope) = decoder.decode(Some(key), Some(value))? else {
///     panic!("a row event");
/// };
/// assert_eq!(envelope.op, Op::Create);
/// let after = envelope.after.expect("a create has a row");
/// let Some(Value::Decimal(amount)) = after.get_by_name("amount") else { panic!("a decimal") };
/// assert_eq!(amount.to_string(), "12.34");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MessageDecoder {
    declarations: Declarations,
    limits: Limits,
    values: SchemaCache,
    keys: SchemaCache,
    tables: TablePlans,
    before: RowSlot,
    after: RowSlot,
    key: RowSlot,
    scratch: Scratch,
    unescaped: String,
    flattened: Option<FlatRows>,
    byte_order_marks: u64,
}

/// What a value's payload turned out to be.
#[expect(
    clippy::large_enum_variant,
    reason = "it is a result on the stack, and the rule is a frame"
)]
enum Payload {
    /// JSON's null, which stands for Kafka's.
    Null,
    /// An object with these members.
    Frame(Frame, Located),
    /// A flattened row, which stands in the slot of rows after a change.
    Flattened(SchemaBlock),
}

impl MessageDecoder {
    /// A decoder that takes undescribed columns for what the declarations say.
    pub fn new(declarations: Declarations, limits: Limits) -> Self {
        Self {
            values: SchemaCache::new(Side::Value, declarations.clone()),
            keys: SchemaCache::new(Side::Key, declarations.clone()),
            declarations,
            limits,
            tables: TablePlans::default(),
            before: RowSlot::new(),
            after: RowSlot::new(),
            key: RowSlot::new(),
            scratch: Scratch::default(),
            unescaped: String::new(),
            flattened: None,
            byte_order_marks: 0,
        }
    }

    /// The same decoder for topics whose connector flattens rows with `ExtractNewRecordState`.
    ///
    /// It takes every object for a row, except those whose schema block names one of Debezium's own
    /// messages: an envelope, a heartbeat, a transaction marker, a logical message. A null value is
    /// a [`Tombstone`], which here may be all that tells of a delete.
    #[must_use]
    pub fn expecting_flattened(mut self, flattened: Flattened) -> Self {
        let flat = FlatRows::new(flattened);
        self.values.expect_flattened(&flat.transform);
        self.tables = TablePlans::default();
        self.flattened = Some(flat);
        self
    }

    /// Decodes one record. `None` is a Kafka null.
    ///
    /// Where a JSON null stands for a Kafka null (`null`, or a wrapper with a null payload), it is
    /// taken for one. A key that is no JSON object is left out of row events, because other
    /// converters write such keys; a tombstone with such a key is an error, because what it deletes
    /// is unknown.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the bytes are not a message. The decoder stays usable, and decoding the
    /// same record again gives the same error.
    pub fn decode<'d>(
        &'d mut self,
        key: Option<&'d [u8]>,
        value: Option<&'d [u8]>,
    ) -> Result<Message<'d>, DecodeError> {
        let key = key.map(|key| self.behind_mark(key));
        let Some(whole) = value else { return self.tombstone(key) };
        let value = self.behind_mark(whole);
        let mark = whole.len().saturating_sub(value.len());
        if value.is_empty() {
            return Err(DecodeError::EmptyValue {});
        }
        let in_value = |error: DecodeError, before| error.behind(before).of_value(value);
        let opened = frame::open(value, &self.values, &self.limits);
        let opened = opened.map_err(|error| in_value(error, mark))?;
        let before = mark.saturating_add(opened.before);
        self.decode_opened(key, opened).map_err(|error| in_value(error, before))
    }

    /// How many keys and values began with a byte-order mark so far. It is no part of JSON, but says
    /// nothing that could be misunderstood, so it is stepped over; Kafka Connect writes none, so a
    /// count above zero tells that something else writes to the topic.
    pub fn byte_order_marks(&self) -> u64 {
        self.byte_order_marks
    }

    fn behind_mark<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") else { return bytes };
        self.byte_order_marks = self.byte_order_marks.saturating_add(1);
        rest
    }

    fn decode_opened<'d>(
        &'d mut self,
        key: Option<&'d [u8]>,
        Opened { text: record, schema, .. }: Opened<'d>,
    ) -> Result<Message<'d>, DecodeError> {
        let (mut frame, located) = match self.read_value(record, schema)? {
            Payload::Null => return self.tombstone(key),
            Payload::Flattened(schema_block) => {
                let key = key_text(key, &self.limits)?;
                let row = self.flattened_row(record, key, schema_block)?;
                return Ok(Message::Flattened(row));
            }
            Payload::Frame(frame, located) => (frame, located),
        };
        if frame.op == OpField::Message && frame.message.is_some() {
            return self.logical_message(record, frame);
        }
        if is_not_an_envelope(&frame)? {
            return Ok(control::classify(record, frame.payload));
        }
        if self.is_document(record, &frame) {
            return self.document(record, frame);
        }
        let schema = located.schema.as_deref();
        let source = self.settle_rows(record, &mut frame, schema)?;
        let key_text = key_text(key, &self.limits)?;
        let key_state = key_text.map_or(Ok(SlotState::Empty), |text| self.read_key(text))?;
        let change = check(&mut frame, source, key_state, located.schema_block)?;
        let envelope = self.view(&change, record, key_text.unwrap_or_default());
        refuse_wrapped(&envelope)?;
        key::refuse_other_key(&envelope)?;
        Ok(Message::Change(envelope))
    }

    fn view<'d>(&'d self, change: &Change, record: &'d str, key: &'d str) -> Envelope<'d> {
        let texts = Texts { record, unescaped: &self.unescaped };
        Envelope {
            op: change.op,
            before: change.before.row(&self.before, record),
            after: change.after.row(&self.after, record),
            key: change.key.row(&self.key, key),
            source: change.source.resolve(texts),
            source_json: change.source.json(texts),
            ts_ms: change.ts_ms,
            ts_us: change.ts_us,
            ts_ns: change.ts_ns,
            transaction: change.transaction.map(|block| block.resolve(texts)),
            schema_block: change.schema_block,
        }
    }

    fn tombstone<'d>(&'d mut self, key: Option<&'d [u8]>) -> Result<Message<'d>, DecodeError> {
        let Some(key) = key else { return Ok(Message::Tombstone(Tombstone { key: None })) };
        let text = checked_text(key, Side::Key, &self.limits)?;
        if text.trim() == "null" {
            return Ok(Message::Tombstone(Tombstone { key: None }));
        }
        if self.flattened.is_some() {
            self.select_flattened_table();
        } else if !self.tables.has_guess() {
            self.tables.select_unknown(&self.declarations);
        }
        if !looks_like_object(key) || self.read_key(text)? == SlotState::Empty {
            return Err(DecodeError::UnreadableKey {});
        }
        Ok(Message::Tombstone(Tombstone { key: Some(self.key.view(text)) }))
    }

    fn logical_message<'d>(
        &'d self,
        record: &'d str,
        frame: Frame,
    ) -> Result<Message<'d>, DecodeError> {
        let source = frame.source.ok_or_else(missing_source)??;
        let missing = || DecodeError::MissingField { path: "message".into() };
        let message = frame.message.ok_or_else(missing)??;
        let transaction = frame.transaction.transpose()?;
        let texts = Texts { record, unescaped: &self.unescaped };
        Ok(Message::LogicalMessage(LogicalMessage {
            source: source.resolve(texts),
            ts_ms: frame.ts_ms,
            transaction: transaction.map(|block| block.resolve(texts)),
            prefix: texts.get(message.prefix),
            content_text: texts.get(message.content),
        }))
    }

    /// Whether the source is one of documents instead of rows.
    fn is_document(&self, record: &str, frame: &Frame) -> bool {
        let texts = Texts { record, unescaped: &self.unescaped };
        matches!(frame.source, Some(Ok(source)) if source.resolve(texts).connector == "mongodb")
    }

    fn document<'d>(&'d self, record: &'d str, frame: Frame) -> Result<Message<'d>, DecodeError> {
        let source = frame.source.ok_or_else(missing_source)??;
        let OpField::Row(op) = frame.op else { return Err(DecodeError::UnknownOperation {}) };
        let source = source.resolve(Texts { record, unescaped: &self.unescaped });
        let payload = record.get(frame.payload).unwrap_or_default();
        Ok(Message::Document(Document { op, source, ts_ms: frame.ts_ms, payload }))
    }

    fn read_value(
        &mut self,
        record: &str,
        known: Option<Arc<CompiledSchema>>,
    ) -> Result<Payload, DecodeError> {
        self.unescaped.clear();
        let limits = self.limits;
        let json = |error| DecodeError::json(Side::Value, &limits, error);
        let mut reader = Reader::new(record, &limits);
        let located = match known {
            Some(schema) => Located::behind(schema),
            None => frame::locate(&mut reader, &mut self.values, Side::Value, &limits)?,
        };
        let schema = located.schema.as_deref();
        let is_row = || schema.is_none_or(|schema| !schema.is_control && schema.row.is_some());
        let payload = match reader.kind().map_err(json)? {
            JsonKind::Object if self.flattened.is_some() && is_row() => {
                self.read_flattened(&mut reader, schema)?;
                Ok(None)
            }
            JsonKind::Object => Ok(Some(self.read_frame(&mut reader, schema)?)),
            found @ (JsonKind::Null
            | JsonKind::Boolean
            | JsonKind::Number
            | JsonKind::String
            | JsonKind::Array) => {
                reader.skip_value().map_err(json)?;
                Err(found)
            }
        };
        located.finish(&mut reader, Side::Value, &limits)?;
        match payload {
            Ok(Some(frame)) => Ok(Payload::Frame(frame, located)),
            Ok(None) => Ok(Payload::Flattened(located.schema_block)),
            Err(JsonKind::Null) => Ok(Payload::Null),
            Err(found) => Err(DecodeError::NotAnObject { side: Side::Value, found }),
        }
    }

    /// Learns the table from the source block and makes both images rows of that table.
    fn settle_rows(
        &mut self,
        record: &str,
        frame: &mut Frame,
        schema: Option<&CompiledSchema>,
    ) -> Result<RawSource, DecodeError> {
        let source = frame.source.take().ok_or_else(missing_source)??;
        let texts = Texts { record, unescaped: &self.unescaped };
        let (db, schema_name, table) =
            (texts.get(source.db), texts.get(source.schema), texts.get(source.table));
        let other_table = self.tables.select(TableName { db, schema: schema_name, table });
        let read_again = schema.is_none() && other_table;
        for (image, is_after) in [(&mut frame.before, false), (&mut frame.after, true)] {
            let wait = match &image.state {
                ImageState::Missing | ImageState::Null => continue,
                ImageState::NotARow => {
                    let path = if is_after { "after" } else { "before" };
                    return Err(DecodeError::InvalidField { path, expected: "a row or null" });
                }
                ImageState::Pending => true,
                ImageState::Row | ImageState::Failed(_) => read_again,
            };
            if wait {
                let mut reader = Reader::new(record, &self.limits);
                reader.seek(image.at);
                let (slot, mut context) = self.image_context(is_after);
                context.read_observed(slot, RowRole::Image, &mut reader)?;
                image.state = ImageState::Row;
            } else if let ImageState::Failed(error) =
                std::mem::replace(&mut image.state, ImageState::Row)
            {
                return Err(error);
            }
        }
        Ok(source)
    }

    /// Reads the key into its slot, which stays empty for a null key or one that is no struct.
    fn read_key(&mut self, text: &str) -> Result<SlotState, DecodeError> {
        let mut reader = Reader::new(text, &self.limits);
        let json = |error| DecodeError::json(Side::Key, &self.limits, error);
        let located = frame::locate(&mut reader, &mut self.keys, Side::Key, &self.limits)?;
        let is_row = reader.kind().map_err(json)? == JsonKind::Object;
        let plan = located.schema.as_ref().map(|schema| &schema.row);
        let mut context = Context {
            scratch: &mut self.scratch,
            tables: &mut self.tables,
            declarations: &self.declarations,
            flattened: None,
            limits: &self.limits,
            side: Side::Key,
        };
        match (is_row, plan) {
            (true, None) => context.read_observed(&mut self.key, RowRole::Key, &mut reader)?,
            (true, Some(plan)) => context.read_row(&mut self.key, plan.as_ref(), &mut reader)?,
            (false, _) => {
                reader.skip_value().map_err(json)?;
            }
        }
        located.finish(&mut reader, Side::Key, &self.limits)?;
        Ok(if is_row { SlotState::Filled } else { SlotState::Empty })
    }
}

fn checked_text<'b>(bytes: &'b [u8], side: Side, limits: &Limits) -> Result<&'b str, DecodeError> {
    frame::refuse_large(bytes, side, limits)?;
    str::from_utf8(bytes)
        .map_err(|error| DecodeError::InvalidUtf8 { side, at: error.valid_up_to() })
}

/// The text of a key that may be a row.
fn key_text<'b>(key: Option<&'b [u8]>, limits: &Limits) -> Result<Option<&'b str>, DecodeError> {
    let key = key.filter(|key| looks_like_object(key));
    key.map(|key| checked_text(key, Side::Key, limits)).transpose()
}

fn looks_like_object(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{')
}
