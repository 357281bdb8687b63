//! IEEE numbers, whose special values travel as strings.

use std::str::FromStr;

use super::CellInput;
use crate::error::CellError;
use crate::json::JsonKind;
use crate::row::{SemanticType, Value};
use crate::schema::ConnectSchema;

pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    match (schema.name.as_deref(), schema.kind.as_str()) {
        (None, "float32" | "float") => Some(SemanticType::Float32),
        (None, "float64" | "double") => Some(SemanticType::Float64),
        _ => None,
    }
}

/// A number token parses straight into its own width: going through 64 bits would round twice.
fn decode<T: FromStr>(
    cell: &mut CellInput<'_, '_>,
    expected: &'static str,
    fits: impl Fn(&T, &str) -> bool,
) -> Result<T, CellError> {
    let word = if cell.reader.kind()? == JsonKind::String {
        let token = cell.reader.string()?;
        match cell.reader.slice(token.range) {
            word @ ("NaN" | "Infinity" | "-Infinity") => word,
            _ => return Err(CellError::InvalidText { expected: "NaN, Infinity or -Infinity" }),
        }
    } else {
        let number = cell.number(expected)?;
        let value = number.text.parse().map_err(|_| CellError::OutOfRange { expected })?;
        return if fits(&value, number.text) {
            Ok(value)
        } else {
            Err(CellError::OutOfRange { expected })
        };
    };
    word.parse().map_err(|_| CellError::OutOfRange { expected })
}

pub(super) fn decode_32(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let value = decode(cell, "a 32-bit float", |value: &f32, text| {
        value.is_finite() && (*value != 0.0 || is_zero(text))
    })?;
    cell.set(Value::Float32(value))?;
    Ok(())
}

/// Whether a number says zero, instead of something that is too small for the type.
fn is_zero(text: &str) -> bool {
    text.bytes()
        .take_while(|byte| !matches!(byte, b'e' | b'E'))
        .all(|byte| !matches!(byte, b'1'..=b'9'))
}

/// The 64-bit number at the cursor, for types that are made of some.
pub(super) fn read_64(cell: &mut CellInput<'_, '_>) -> Result<f64, CellError> {
    decode(cell, "a 64-bit float", |value: &f64, text| {
        value.is_finite() && (*value != 0.0 || is_zero(text))
    })
}

pub(super) fn decode_64(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let value = read_64(cell)?;
    cell.set(Value::Float64(value))?;
    Ok(())
}
