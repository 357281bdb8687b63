//! Finding the payload of a record, and the members around its rows.

use std::ops::Range;
use std::sync::Arc;

use super::change::SlotState;
use crate::error::{DecodeError, Side};
use crate::json::{JsonError, JsonKind, Reader};
use crate::limits::Limits;
use crate::message::{Op, SchemaBlock};
use crate::schema::{CompiledSchema, SchemaCache};
use crate::source::{RawLogical, RawSource, RawTransaction};

/// What stands at the cursor after the wrapper, if any, was opened.
pub(super) struct Located {
    /// The compiled schema block.
    pub(super) schema: Option<Arc<CompiledSchema>>,
    pub(super) schema_block: SchemaBlock,
    tail: Tail,
}

/// What is left to check behind the payload.
enum Tail {
    /// The text ends.
    End,
    /// The wrapper closes, then the text ends.
    Wrapper,
    /// Nothing: all of the text has been read once.
    Nothing,
}

impl Located {
    fn bare() -> Self {
        Self { schema: None, schema_block: SchemaBlock::Absent, tail: Tail::End }
    }

    /// At the payload of a wrapper whose schema has been read.
    pub(super) fn behind(schema: Arc<CompiledSchema>) -> Self {
        let schema_block = SchemaBlock::Present;
        Self { schema: Some(schema), schema_block, tail: Tail::Wrapper }
    }

    /// Checks what follows the payload.
    pub(super) fn finish(
        &self,
        reader: &mut Reader<'_>,
        side: Side,
        limits: &Limits,
    ) -> Result<(), DecodeError> {
        let json = |error| DecodeError::json(side, limits, error);
        match self.tail {
            Tail::Nothing => return Ok(()),
            Tail::End => {}
            Tail::Wrapper => {
                if reader.member(false).map_err(json)?.is_some() {
                    return Err(json(reader.malformed("the end of the wrapper")));
                }
            }
        }
        reader.end().map_err(json)
    }
}

/// A value as text, behind what is known of it already.
pub(super) struct Opened<'r> {
    /// The text to read: all of it, or what begins with the payload.
    pub(super) text: &'r str,
    /// How many bytes stand before the text.
    pub(super) before: usize,
    /// The schema that stood there.
    pub(super) schema: Option<Arc<CompiledSchema>>,
}

/// Checks that a value is short enough and text. A wrapper that begins with the schema of the record
/// before is known to be text that far, so that only its payload is looked at.
pub(super) fn open<'r>(
    value: &'r [u8],
    cache: &SchemaCache,
    limits: &Limits,
) -> Result<Opened<'r>, DecodeError> {
    refuse_large(value, Side::Value, limits)?;
    let (payload, schema) = match behind_known_schema(value, cache) {
        Some((payload, schema)) => (payload, Some(schema)),
        None => (value, None),
    };
    let before = value.len().saturating_sub(payload.len());
    match str::from_utf8(payload) {
        Ok(text) => Ok(Opened { text, before, schema }),
        Err(error) => Err(DecodeError::InvalidUtf8 {
            side: Side::Value,
            at: before.saturating_add(error.valid_up_to()),
        }),
    }
}

/// The payload of a wrapper, and what its schema means, when it is the schema of the record before.
fn behind_known_schema<'r>(
    value: &'r [u8],
    cache: &SchemaCache,
) -> Option<(&'r [u8], Arc<CompiledSchema>)> {
    let block = value.strip_prefix(SCHEMA)?;
    let (length, schema) = cache.predicted(block)?;
    let payload = block.get(length..)?.strip_prefix(PAYLOAD)?;
    Some((payload, schema))
}

pub(super) fn refuse_large(bytes: &[u8], side: Side, limits: &Limits) -> Result<(), DecodeError> {
    let bytes_max = limits.record_bytes();
    if bytes.len() > bytes_max {
        return Err(DecodeError::RecordTooLarge { side, bytes: bytes.len(), bytes_max });
    }
    Ok(())
}

/// How the usual wrapper begins, and what stands between its members.
const SCHEMA: &[u8] = b"{\"schema\":";
const PAYLOAD: &[u8] = b",\"payload\":";

/// Moves the cursor to the payload and says which schema describes it.
///
/// The usual wrapper is `{"schema":…,"payload":…}` with the schema of the record before; it costs
/// one comparison of bytes. An object with exactly these two members is a wrapper in any order, if
/// its `schema` is null or an object with a `type`.
pub(super) fn locate(
    reader: &mut Reader<'_>,
    cache: &mut SchemaCache,
    side: Side,
    limits: &Limits,
) -> Result<Located, DecodeError> {
    let json = |error| DecodeError::json(side, limits, error);
    let found = reader.kind().map_err(json)?;
    if found != JsonKind::Object {
        return Ok(Located::bare());
    }
    let start = reader.at();
    if reader.eat(SCHEMA)
        && let Some((length, compiled)) = cache.predicted(reader.rest())
    {
        reader.seek(reader.at().saturating_add(length));
        if reader.eat(PAYLOAD) {
            return Ok(Located::behind(compiled));
        }
    }
    reader.seek(start);
    let mut scan = reader.over_rows();
    let Some(Wrapper { schema, payload }) = wrapper(&mut scan).map_err(json)? else {
        return Ok(Located::bare());
    };
    scan.end().map_err(json)?;
    reader.seek(payload.start);
    let block = reader.slice(schema);
    if block == "null" {
        return Ok(Located { tail: Tail::Nothing, ..Located::bare() });
    }
    let schema = Some(cache.get(block)?);
    Ok(Located { schema, schema_block: SchemaBlock::Present, tail: Tail::Nothing })
}

/// Where the two members of a wrapper stand.
struct Wrapper {
    schema: Range<usize>,
    payload: Range<usize>,
}

/// The ranges of `schema` and `payload` when the object at the cursor is a wrapper.
fn wrapper(scan: &mut Reader<'_>) -> Result<Option<Wrapper>, JsonError> {
    let (mut schema, mut payload) = (None, None);
    scan.open_object()?;
    let mut first = true;
    while let Some(token) = scan.member(first)? {
        first = false;
        let place = match scan.slice(token.range) {
            "schema" => &mut schema,
            "payload" => &mut payload,
            _ => return Ok(None),
        };
        let kind = scan.kind()?;
        let range = scan.skip_value()?;
        if place.replace((range, kind)).is_some() {
            return Ok(None);
        }
    }
    let (Some((schema, kind)), Some((payload, _))) = (schema, payload) else { return Ok(None) };
    let is_schema = match kind {
        JsonKind::Null => true,
        JsonKind::Object => scan.slice(schema.clone()).contains("\"type\""),
        JsonKind::Boolean | JsonKind::Number | JsonKind::String | JsonKind::Array => false,
    };
    Ok(is_schema.then_some(Wrapper { schema, payload }))
}

/// One of the two row images of a payload.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) state: ImageState,
    /// Where its object starts.
    pub(super) at: usize,
}

impl Image {
    pub(super) fn slot(&self) -> SlotState {
        match self.state {
            ImageState::Row => SlotState::Filled,
            ImageState::Missing
            | ImageState::Null
            | ImageState::NotARow
            | ImageState::Pending
            | ImageState::Failed(_) => SlotState::Empty,
        }
    }
}

/// How far an image has been read.
#[derive(Debug)]
pub(super) enum ImageState {
    /// The member is absent.
    Missing,
    /// The member is null.
    Null,
    /// The member is neither an object nor null, so this may be no envelope at all.
    NotARow,
    /// The slot holds the row, if the guessed table was the right one.
    Row,
    /// It must wait for the table.
    Pending,
    /// It failed, which counts only if the guessed table was the right one.
    Failed(DecodeError),
}

/// The operation member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpField {
    Missing,
    Row(Op),
    Message,
    Unknown,
    /// It is there, but no text.
    NotText,
}

impl OpField {
    pub(super) fn parse(code: &str) -> Self {
        match Op::parse(code) {
            Some(op) => Self::Row(op),
            None if matches!(code, "m" | "M") => Self::Message,
            None => Self::Unknown,
        }
    }
}

/// What was found in a payload.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) before: Image,
    pub(super) after: Image,
    pub(super) op: OpField,
    pub(super) ts_ms: Option<i64>,
    pub(super) ts_us: Option<i64>,
    pub(super) ts_ns: Option<i64>,
    pub(super) source: Option<Result<RawSource, DecodeError>>,
    pub(super) transaction: Option<Result<RawTransaction, DecodeError>>,
    /// The `message` member of a logical message.
    pub(super) message: Option<Result<RawLogical, DecodeError>>,
    /// The whole payload.
    pub(super) payload: Range<usize>,
}

impl Frame {
    pub(super) fn new() -> Self {
        let missing = || Image { state: ImageState::Missing, at: 0 };
        Self {
            before: missing(),
            after: missing(),
            op: OpField::Missing,
            ts_ms: None,
            ts_us: None,
            ts_ns: None,
            source: None,
            transaction: None,
            message: None,
            payload: 0..0,
        }
    }
}
