//! From the bytes of a record to a [`Message`].
//!
//! A message is read once, front to back, into cells; then a view over the cells is handed out. Rows
//! stand before the `source` block that names their table, so a message without schema block is read
//! under the assumption that it is about the same table as the one before. The source block settles
//! it, and rows read under a wrong assumption are read again.

mod change;
mod control;
mod frame;
mod tables;

use std::sync::Arc;

use self::change::{Change, SlotState, check, is_not_an_envelope, missing_source, refuse_wrapped};
use self::frame::{Frame, Image, ImageState, Located, OpField};
use self::tables::{RowRole, TableName, TablePlans};
use crate::declarations::Declarations;
use crate::error::{DecodeError, Side};
use crate::json::{JsonKind, Reader};
use crate::limits::Limits;
use crate::message::{Envelope, LogicalMessage, Message, Tombstone};
use crate::plan::{RowPlan, RowRead, RowTarget, member_names};
use crate::row::{Row, RowBuffer, RowShape};
use crate::schema::{CompiledSchema, SchemaCache};
use crate::semantic::Scratch;
use crate::source::{FrameReader, RawSource, Texts};

/// A row's cells and the shape they have.
#[derive(Debug)]
struct RowSlot {
    buffer: RowBuffer,
    shape: Arc<RowShape>,
}

impl RowSlot {
    fn new() -> Self {
        Self { buffer: RowBuffer::new(), shape: Arc::new(RowShape::new(Vec::new())) }
    }

    fn view<'d>(&'d self, record: &'d str) -> Row<'d> {
        self.buffer.row(&self.shape, record)
    }

    /// Reads the row at the cursor along the plan.
    fn read(
        &mut self,
        plan: &RowPlan,
        reader: &mut Reader<'_>,
        context: &mut Context<'_>,
    ) -> Result<RowRead, DecodeError> {
        if !Arc::ptr_eq(&self.shape, plan.shape()) {
            self.shape = Arc::clone(plan.shape());
        }
        let mut target = RowTarget {
            buffer: &mut self.buffer,
            scratch: &mut *context.scratch,
            limits: context.limits,
            side: context.side,
        };
        plan.read(reader, &mut target)
    }
}

/// What reading a row needs besides the row's own slot.
struct Context<'c> {
    scratch: &'c mut Scratch,
    tables: &'c mut TablePlans,
    declarations: &'c Declarations,
    limits: &'c Limits,
    side: Side,
}

impl Context<'_> {
    /// Reads the row at the cursor as one of the current table's, whatever members it has.
    fn read_observed(
        &mut self,
        slot: &mut RowSlot,
        role: RowRole,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let at = reader.at();
        if let Some(plan) = self.tables.plan(role) {
            if slot.read(&plan, reader, self)? == RowRead::Done {
                return Ok(());
            }
            reader.seek(at);
        }
        let names = member_names(reader, self.side, self.limits)?;
        reader.seek(at);
        let plan = self.tables.learn(role, names, self.declarations);
        match slot.read(&plan, reader, self)? {
            RowRead::Done => Ok(()),
            // The plan was made from these very members.
            RowRead::OtherMembers => {
                Err(DecodeError::json(self.side, self.limits, reader.malformed("the same members")))
            }
        }
    }

    fn read_row(
        &mut self,
        slot: &mut RowSlot,
        plan: Option<&Arc<RowPlan>>,
        reader: &mut Reader<'_>,
    ) -> Result<(), DecodeError> {
        let problem = || "the envelope's rows are not described".into();
        let plan =
            plan.ok_or_else(|| DecodeError::InvalidSchema { side: self.side, problem: problem() })?;
        // A described row is never of other members: the schema's word is final.
        slot.read(plan, reader, self).map(drop)
    }
}

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
        }
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
        let Some(value) = value else { return self.tombstone(key) };
        if value.is_empty() {
            return Err(DecodeError::EmptyValue {});
        }
        let record = checked_text(value, Side::Value, &self.limits)?;
        let Some((mut frame, located)) = self.read_value(record)? else {
            return self.tombstone(key);
        };
        if let Some(message) = frame.message.take() {
            return self.logical_message(record, frame, message);
        }
        if is_not_an_envelope(&frame)? {
            return Ok(control::classify(record, frame.payload));
        }
        let schema = located.schema.as_deref();
        let source = self.settle_rows(record, &mut frame, schema)?;
        let key_text = key.filter(|key| looks_like_object(key));
        let key_text =
            key_text.map(|key| checked_text(key, Side::Key, &self.limits)).transpose()?;
        let key_state = key_text.map_or(Ok(SlotState::Empty), |text| self.read_key(text))?;
        let change = check(&frame, source, key_state, located.schema_block)?;
        let envelope = self.view(&change, record, key_text.unwrap_or_default());
        refuse_wrapped(&envelope)?;
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
            ts_ms: change.ts_ms,
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
        if !self.tables.has_guess() {
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
        message: std::ops::Range<usize>,
    ) -> Result<Message<'d>, DecodeError> {
        let source = frame.source.ok_or_else(missing_source)??;
        let texts = Texts { record, unescaped: &self.unescaped };
        Ok(Message::LogicalMessage(LogicalMessage {
            source: source.resolve(texts),
            ts_ms: frame.ts_ms,
            message: record.get(message).unwrap_or_default(),
        }))
    }

    /// The payload's members, or `None` for a null payload.
    fn read_value(&mut self, record: &str) -> Result<Option<(Frame, Located)>, DecodeError> {
        self.unescaped.clear();
        let limits = self.limits;
        let json = |error| DecodeError::json(Side::Value, &limits, error);
        let mut reader = Reader::new(record, &limits);
        let located = frame::locate(&mut reader, &mut self.values, Side::Value, &limits)?;
        let kind = reader.kind().map_err(json)?;
        let frame = if kind == JsonKind::Object {
            Some(self.read_frame(&mut reader, located.schema.as_deref())?)
        } else {
            reader.skip_value().map_err(json)?;
            None
        };
        located.finish(&mut reader, Side::Value, &limits)?;
        match (frame, kind) {
            (Some(frame), _) => Ok(Some((frame, located))),
            (None, JsonKind::Null) => Ok(None),
            (None, found) => Err(DecodeError::NotAnObject { side: Side::Value, found }),
        }
    }

    /// Reads the payload's members, in whatever order they stand.
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "a method's path fixes its lifetimes too early"
    )]
    fn read_frame(
        &mut self,
        reader: &mut Reader<'_>,
        schema: Option<&CompiledSchema>,
    ) -> Result<Frame, DecodeError> {
        let limits = self.limits;
        let json = |error| DecodeError::json(Side::Value, &limits, error);
        let mut frame = Frame::new();
        let start = reader.at();
        reader.open_object().map_err(json)?;
        let mut first = true;
        while let Some(token) = reader.member(first).map_err(json)? {
            first = false;
            let name = reader.slice(token.range);
            let kind = reader.kind().map_err(json)?;
            let twice = match (name, kind) {
                ("before" | "after", _) => {
                    let image = self.read_image(reader, schema, name == "after")?;
                    let place = if name == "after" { &mut frame.after } else { &mut frame.before };
                    !matches!(std::mem::replace(place, image).state, ImageState::Missing)
                }
                ("op", JsonKind::String) => {
                    let code = reader.string().map_err(json)?;
                    let code = OpField::parse(reader.slice(code.range));
                    std::mem::replace(&mut frame.op, code) != OpField::Missing
                }
                ("op", kind) if kind != JsonKind::Null => {
                    reader.skip_value().map_err(json)?;
                    std::mem::replace(&mut frame.op, OpField::NotText) != OpField::Missing
                }
                ("source", JsonKind::Object) => {
                    let source = self.in_frame(reader, |frame| frame.source())?;
                    frame.source.replace(source).is_some()
                }
                ("transaction", JsonKind::Object) => {
                    frame.transaction = self.in_frame(reader, |frame| frame.transaction())??;
                    false
                }
                ("ts_ms", JsonKind::Number) => {
                    frame.ts_ms = self.in_frame(reader, |frame| frame.integer("ts_ms"))??;
                    false
                }
                ("message", JsonKind::Object) => {
                    frame.message = Some(reader.skip_value().map_err(json)?);
                    false
                }
                _ => reader.skip_value().map(|_| false).map_err(json)?,
            };
            if twice {
                return Err(DecodeError::DuplicateField { path: name.into() });
            }
        }
        frame.payload = start..reader.at();
        Ok(frame)
    }

    /// Reads a part of the frame; when its content is wrong, steps over it and keeps the error,
    /// because the message may turn out to be one that has no such part.
    fn in_frame<T>(
        &mut self,
        reader: &mut Reader<'_>,
        read: impl FnOnce(&mut FrameReader<'_, '_>) -> Result<T, DecodeError>,
    ) -> Result<Result<T, DecodeError>, DecodeError> {
        let at = reader.at();
        let mut frame =
            FrameReader { reader, unescaped: &mut self.unescaped, limits: &self.limits };
        let result = read(&mut frame);
        if result.is_err() {
            frame.reader.seek(at);
            frame.skip()?;
        }
        Ok(result)
    }

    fn read_image(
        &mut self,
        reader: &mut Reader<'_>,
        schema: Option<&CompiledSchema>,
        is_after: bool,
    ) -> Result<Image, DecodeError> {
        let limits = self.limits;
        let json = |error| DecodeError::json(Side::Value, &limits, error);
        let at = reader.at();
        let image = |state| Image { state, at };
        if reader.eat_null() {
            return Ok(image(ImageState::Null));
        }
        if reader.kind().map_err(json)? != JsonKind::Object {
            reader.skip_value().map_err(json)?;
            return Ok(image(ImageState::NotARow));
        }
        let (slot, mut context) = self.image_context(is_after);
        let result = match schema {
            Some(schema) => {
                let plan = if is_after { &schema.after } else { &schema.before };
                context.read_row(slot, plan.as_ref(), reader)
            }
            None if context.tables.has_guess() => {
                context.read_observed(slot, RowRole::Image, reader)
            }
            None => {
                reader.skip_value().map_err(json)?;
                return Ok(image(ImageState::Pending));
            }
        };
        match result {
            Ok(()) => Ok(image(ImageState::Row)),
            Err(error) => {
                reader.seek(at);
                reader.skip_value().map_err(json)?;
                Ok(image(ImageState::Failed(error)))
            }
        }
    }

    fn image_context(&mut self, is_after: bool) -> (&mut RowSlot, Context<'_>) {
        let slot = if is_after { &mut self.after } else { &mut self.before };
        let context = Context {
            scratch: &mut self.scratch,
            tables: &mut self.tables,
            declarations: &self.declarations,
            limits: &self.limits,
            side: Side::Value,
        };
        (slot, context)
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
    let bytes_max = limits.record_bytes();
    if bytes.len() > bytes_max {
        return Err(DecodeError::RecordTooLarge { side, bytes: bytes.len(), bytes_max });
    }
    str::from_utf8(bytes)
        .map_err(|error| DecodeError::InvalidUtf8 { side, at: error.valid_up_to() })
}

fn looks_like_object(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{')
}
