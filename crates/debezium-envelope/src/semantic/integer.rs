//! Integers, and years among them, checked against the range of their Connect type.

use super::CellInput;
use crate::error::CellError;
use crate::row::{SemanticType, Value};
use crate::schema::ConnectSchema;

pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    match (schema.name.as_deref(), schema.kind.as_str()) {
        // An eight-bit integer has no type of its own in PostgreSQL and loses nothing in sixteen.
        (None, "int8" | "int16") => Some(SemanticType::Int16),
        (None, "int32") => Some(SemanticType::Int32),
        (None, "int64") => Some(SemanticType::Int64),
        (Some("io.debezium.time.Year"), "int32") => Some(SemanticType::Year),
        _ => None,
    }
}

pub(super) fn decode_16(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    const EXPECTED: &str = "a 16-bit integer";
    let value = cell.integer(EXPECTED)?;
    let value = value.try_into().map_err(|_| CellError::OutOfRange { expected: EXPECTED })?;
    cell.set(Value::Int16(value))?;
    Ok(())
}

pub(super) fn decode_32(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    const EXPECTED: &str = "a 32-bit integer";
    let value = cell.integer(EXPECTED)?;
    let value = value.try_into().map_err(|_| CellError::OutOfRange { expected: EXPECTED })?;
    cell.set(Value::Int32(value))?;
    Ok(())
}

pub(super) fn decode_64(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let value = cell.integer("a 64-bit integer")?;
    cell.set(Value::Int64(value))?;
    Ok(())
}
