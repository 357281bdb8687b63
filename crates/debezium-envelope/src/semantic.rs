//! The registry of semantic types: from what a schema says to a [`SemanticType`], and from a
//! [`SemanticType`] to the decoder of its cells.
//!
//! Each family of types is one file with the same two entry points: `from_connect` recognises the
//! family's schemas, `decode` reads one cell. Adding a type means adding a file and its lines here.

mod boolean;
mod bytes;
mod decimal;
mod float;
mod integer;
mod temporal;
mod text;
mod undeclared;
mod uuid;
mod zoned;

pub(crate) use self::text::PLACEHOLDER;
use crate::error::CellError;
use crate::json::{JsonKind, NumberToken, Reader, StringToken};
use crate::limits::Limits;
use crate::row::{RowBuffer, SemanticType, Value};
use crate::schema::ConnectSchema;

/// Space that cells need only while they are read.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    pub(crate) text: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) wide: Vec<u8>,
}

/// One cell about to be read: the cursor on its value, and where the result goes.
pub(crate) struct CellInput<'c, 't> {
    pub(crate) reader: &'c mut Reader<'t>,
    pub(crate) buffer: &'c mut RowBuffer,
    pub(crate) scratch: &'c mut Scratch,
    pub(crate) limits: &'c Limits,
    pub(crate) index: usize,
}

impl<'t> CellInput<'_, 't> {
    fn set(&mut self, value: Value<'_>) {
        self.buffer.set(self.index, value);
    }

    fn wrong_type(&mut self, expected: &'static str) -> CellError {
        match self.reader.kind() {
            Ok(found) => CellError::WrongType { expected, found },
            Err(error) => CellError::Json(error),
        }
    }

    fn number(&mut self, expected: &'static str) -> Result<NumberToken<'t>, CellError> {
        if self.reader.kind()? == JsonKind::Number {
            Ok(self.reader.number()?)
        } else {
            Err(self.wrong_type(expected))
        }
    }

    fn integer(&mut self, expected: &'static str) -> Result<i64, CellError> {
        if let Some(value) = self.reader.short_integer() {
            return Ok(value);
        }
        let number = self.number(expected)?;
        if !number.integer {
            return Err(CellError::WrongType { expected, found: JsonKind::Number });
        }
        number.text.parse().map_err(|_| CellError::OutOfRange { expected })
    }

    fn string(&mut self, expected: &'static str) -> Result<StringToken, CellError> {
        if self.reader.kind()? == JsonKind::String {
            Ok(self.reader.string()?)
        } else {
            Err(self.wrong_type(expected))
        }
    }
}

/// The semantic type that a schema describes. Schemas that no family knows are
/// [`SemanticType::Unsupported`] by their name; only a contradiction inside a schema is an error.
pub(crate) fn from_connect(schema: &ConnectSchema) -> Result<SemanticType, &'static str> {
    if let Some(found) = decimal::from_connect(schema)? {
        return Ok(found);
    }
    let families = [
        boolean::from_connect,
        integer::from_connect,
        float::from_connect,
        text::from_connect,
        bytes::from_connect,
        temporal::from_connect,
        zoned::from_connect,
        uuid::from_connect,
    ];
    let found = families.iter().find_map(|family| family(schema));
    let name = || schema.name.as_deref().unwrap_or(&schema.kind).to_owned();
    Ok(found.unwrap_or_else(|| SemanticType::Unsupported { name: name() }))
}

/// Reads one cell. The cell must be NULL before; an error leaves it so.
#[inline]
pub(crate) fn decode(
    semantic: &SemanticType,
    mut cell: CellInput<'_, '_>,
) -> Result<(), CellError> {
    if cell.reader.eat_null() {
        return Ok(());
    }
    match semantic {
        SemanticType::Boolean => boolean::decode(&mut cell),
        SemanticType::Int16 => integer::decode_16(&mut cell),
        SemanticType::Int32 => integer::decode_32(&mut cell),
        SemanticType::Int64 => integer::decode_64(&mut cell),
        SemanticType::Float32 => float::decode_32(&mut cell),
        SemanticType::Float64 => float::decode_64(&mut cell),
        SemanticType::Text | SemanticType::Enum { .. } => text::decode(&mut cell),
        SemanticType::Json => text::decode_json(&mut cell),
        SemanticType::Bytes => bytes::decode(&mut cell),
        SemanticType::Decimal { scale, .. } => decimal::decode_fixed(*scale, &mut cell),
        SemanticType::VariableDecimal => decimal::decode_variable(&mut cell),
        SemanticType::Date => temporal::decode_date(&mut cell),
        SemanticType::Time(unit) => temporal::decode_time(*unit, &mut cell),
        SemanticType::Timestamp(unit) => temporal::decode_timestamp(*unit, &mut cell),
        SemanticType::ZonedTimestamp => zoned::decode(&mut cell),
        SemanticType::Uuid => uuid::decode(&mut cell),
        SemanticType::SelfEvident => undeclared::decode(&mut cell),
        SemanticType::Unsupported { .. } => {
            cell.reader.skip_value()?;
            Ok(())
        }
    }
}
