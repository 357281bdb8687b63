//! The registry of semantic types: from what a schema says to a [`SemanticType`], and from a
//! [`SemanticType`] to the decoder of its cells.
//!
//! Each family of types is one file with the same two entry points: `from_connect` recognises the
//! family's schemas, `decode` reads one cell. Adding a type means adding a file and its lines here.

mod array;
mod bits;
mod boolean;
mod bytes;
mod decimal;
mod float;
mod geometric;
mod geometry;
mod integer;
mod interval;
mod iso;
mod iso_temporal;
mod map;
mod structured;
mod temporal;
mod text;
mod undeclared;
mod uuid;
mod vector;
mod zoned;

pub(crate) use self::temporal::CUT_END;
pub(crate) use self::text::PLACEHOLDER;
pub(crate) use self::uuid::PLACEHOLDER_UUID;
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

/// What a cell is a part of, which decides whether its value may stand for one that the source did
/// not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A column of the row.
    Column,
    /// The first element of an array, whose placeholder counts if no other follows.
    FirstElement,
    /// Any other part of a value, which is what it looks like.
    Element,
}

impl Role {
    fn detects(self) -> bool {
        self != Self::Element
    }
}

/// One cell about to be read: the cursor on its value, and where the result goes.
pub(crate) struct CellInput<'c, 't> {
    pub(crate) reader: &'c mut Reader<'t>,
    pub(crate) buffer: &'c mut RowBuffer,
    pub(crate) scratch: &'c mut Scratch,
    pub(crate) limits: &'c Limits,
    pub(crate) index: usize,
    pub(crate) role: Role,
}

impl<'t> CellInput<'_, 't> {
    /// The same cursor for another cell.
    fn at(&mut self, index: usize, role: Role) -> CellInput<'_, 't> {
        CellInput {
            reader: &mut *self.reader,
            buffer: &mut *self.buffer,
            scratch: &mut *self.scratch,
            limits: self.limits,
            index,
            role,
        }
    }

    /// Reads an object: `read` takes the value of one of the `members`, or answers false to have it
    /// stepped over, as all others are. None of the `members`, which are at most 32, may stand twice.
    fn each_member(
        &mut self,
        expected: &'static str,
        members: &[&'static str],
        mut read: impl FnMut(&'static str, &mut Self) -> Result<bool, CellError>,
    ) -> Result<(), CellError> {
        if self.reader.kind()? != JsonKind::Object {
            return Err(self.wrong_type(expected));
        }
        self.reader.open_object()?;
        let mut first = true;
        let mut met = 0_u32;
        while let Some(name) = self.reader.member(first)? {
            first = false;
            // No member of a known name needs an escape.
            let name = self.reader.slice(name.range);
            let bits = std::iter::successors(Some(1_u32), |bit| bit.checked_shl(1));
            let known = members.iter().zip(bits).find(|(member, _)| **member == name);
            let at = self.reader.at();
            let is_read = match known {
                Some((member, bit)) if met & bit != 0 => {
                    return Err(CellError::Twice { member });
                }
                Some((member, bit)) => {
                    met |= bit;
                    read(member, self)?
                }
                None => false,
            };
            if !is_read {
                self.reader.seek(at);
                self.reader.skip_value()?;
            }
        }
        Ok(())
    }

    fn set(&mut self, value: Value<'_>) -> Result<(), CellError> {
        self.buffer.put(self.index, value).map_err(CellError::from)
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
    for family in [decimal::from_connect, array::from_connect, map::from_connect] {
        if let Some(found) = family(schema)? {
            return Ok(found);
        }
    }
    let families = [
        boolean::from_connect,
        integer::from_connect,
        float::from_connect,
        text::from_connect,
        bytes::from_connect,
        bits::from_connect,
        temporal::from_connect,
        iso_temporal::from_connect,
        zoned::from_connect,
        interval::from_connect,
        structured::from_connect,
        uuid::from_connect,
        vector::from_connect,
        geometry::from_connect,
        geometric::from_connect,
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
    let cell = &mut cell;
    match semantic {
        SemanticType::Boolean => boolean::decode(cell),
        SemanticType::Int16 => integer::decode_16(cell),
        SemanticType::Int32 | SemanticType::Year => integer::decode_32(cell),
        SemanticType::Int64 => integer::decode_64(cell),
        SemanticType::Float32 => float::decode_32(cell),
        SemanticType::Float64 => float::decode_64(cell),
        SemanticType::Text
        | SemanticType::Xml
        | SemanticType::Ltree
        | SemanticType::Tsvector
        | SemanticType::Enum { .. }
        | SemanticType::EnumSet { .. } => text::decode(cell),
        SemanticType::Json => text::decode_json(cell),
        SemanticType::Bytes => bytes::decode(cell),
        SemanticType::Decimal { scale, .. } => decimal::decode_fixed(*scale, cell),
        SemanticType::VariableDecimal => decimal::decode_variable(cell),
        SemanticType::Date => temporal::decode_date(cell),
        SemanticType::Time(unit) => temporal::decode_time(*unit, cell),
        SemanticType::Timestamp(unit) => temporal::decode_timestamp(*unit, cell),
        SemanticType::ZonedTimestamp => zoned::decode_timestamp(cell),
        SemanticType::Uuid => uuid::decode(cell),
        SemanticType::SelfEvident => undeclared::decode(cell),
        SemanticType::Unsupported { .. } => {
            cell.reader.skip_value()?;
            Ok(())
        }
        SemanticType::EncodedBytes(_)
        | SemanticType::Bits { .. }
        | SemanticType::VarBits { .. }
        | SemanticType::IsoDate
        | SemanticType::IsoTime
        | SemanticType::ZonedTime
        | SemanticType::IsoTimestamp
        | SemanticType::Interval(_)
        | SemanticType::Structured(_)
        | SemanticType::Array { .. }
        | SemanticType::Map { .. }
        | SemanticType::Vector
        | SemanticType::HalfVector
        | SemanticType::SparseVector
        | SemanticType::Point
        | SemanticType::Geometry
        | SemanticType::Geography
        | SemanticType::Circle
        | SemanticType::Line => decode_rare(semantic, cell),
    }
}

/// The types that most tables do not have, kept out of the way of those that all have.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller names every type and hands over those of this function"
)]
fn decode_rare(semantic: &SemanticType, cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    match semantic {
        SemanticType::EncodedBytes(form) => bytes::decode_as(*form, cell),
        SemanticType::Bits { length } => bits::decode(Some(*length), Some(*length), cell),
        SemanticType::VarBits { length } => bits::decode(None, *length, cell),
        SemanticType::IsoDate => iso_temporal::decode_date(cell),
        SemanticType::IsoTime => iso_temporal::decode_time(cell),
        SemanticType::IsoTimestamp => iso_temporal::decode_timestamp(cell),
        SemanticType::ZonedTime => zoned::decode_time(cell),
        SemanticType::Interval(form) => interval::decode(*form, cell),
        SemanticType::Structured(kind) => structured::decode(*kind, cell),
        SemanticType::Array { element } => array::decode(element, cell),
        SemanticType::Map { key, value } => map::decode(key, value, cell),
        SemanticType::Vector => vector::decode(&SemanticType::Float64, cell),
        SemanticType::HalfVector => vector::decode(&SemanticType::Float32, cell),
        SemanticType::SparseVector => vector::decode_sparse(cell),
        SemanticType::Point => geometry::decode_point(cell),
        SemanticType::Geometry | SemanticType::Geography => geometry::decode(cell),
        SemanticType::Circle => geometric::decode_circle(cell),
        SemanticType::Line => geometric::decode_line(cell),
        // Every other type has been decoded by the caller.
        _ => Err(cell.wrong_type("a value of a known type")),
    }
}
