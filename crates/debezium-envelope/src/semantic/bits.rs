//! Bit strings: little-endian bytes with the length that the column declares.

use super::CellInput;
use super::bytes::base64;
use crate::error::CellError;
use crate::row::{Bits, SemanticType, Value};
use crate::schema::ConnectSchema;

/// The length that the connector gives a column without one.
const UNBOUNDED: u32 = 2_147_483_647;

/// A schema says the same of `bit(n)` and `bit varying(n)`, unless the connector was told to add the
/// source's own type.
pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    if (schema.name.as_deref(), schema.kind.as_str()) != (Some("io.debezium.data.Bits"), "bytes") {
        return None;
    }
    let length = schema.parameter("length").and_then(|length| length.parse().ok())?;
    let varying = schema.parameter("__debezium.source.column.type") == Some("VARBIT");
    Some(match length {
        UNBOUNDED => SemanticType::VarBits { length: None },
        length if varying => SemanticType::VarBits { length: Some(length) },
        length => SemanticType::Bits { length },
    })
}

/// `length` is that of every value, `length_max` the bound of values whose own length is lost. Bytes
/// beyond the length are tolerated while they are zero: some databases pad.
pub(super) fn decode(
    length: Option<u32>,
    length_max: Option<u32>,
    cell: &mut CellInput<'_, '_>,
) -> Result<(), CellError> {
    let token = cell.string("base64 text")?;
    let bytes = base64(cell.reader, &token, cell.scratch)?;
    let too_long = CellError::OutOfRange { expected: "the declared length of the bit string" };
    Bits::new(bytes, length_max).ok_or(too_long)?;
    let bits = Bits::new(bytes, length).ok_or(too_long)?;
    cell.buffer.put(cell.index, Value::Bits(bits))?;
    Ok(())
}
