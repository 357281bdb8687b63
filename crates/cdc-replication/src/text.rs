//! From PostgreSQL's text form of a value to a cell: integers, booleans and text.

use cdc_core::{RowBuffer, SemanticType, Value};

/// A text that is no value of its column's type. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}")]
pub(crate) struct TextError {
    expected: &'static str,
}

/// Puts the value into the cell at `index`, which is a new one when the row ends before it.
pub(crate) fn put(
    buffer: &mut RowBuffer,
    index: usize,
    semantic: &SemanticType,
    text: &str,
) -> Result<(), TextError> {
    let value = value_of(semantic, text)?;
    if index == buffer.len() {
        buffer.push(value);
    } else {
        buffer.set(index, value);
    }
    Ok(())
}

#[expect(clippy::wildcard_enum_match_arm, reason = "all other types are refused")]
fn value_of<'t>(semantic: &SemanticType, text: &'t str) -> Result<Value<'t>, TextError> {
    let expected = |expected| TextError { expected };
    Ok(match semantic {
        SemanticType::Int16 => Value::Int16(text.parse().map_err(|_| expected("int16"))?),
        SemanticType::Int32 => Value::Int32(text.parse().map_err(|_| expected("int32"))?),
        SemanticType::Int64 => Value::Int64(text.parse().map_err(|_| expected("int64"))?),
        SemanticType::Text => Value::Text(text),
        SemanticType::Boolean => match text {
            "t" => Value::Bool(true),
            "f" => Value::Bool(false),
            _ => return Err(expected("t or f")),
        },
        _ => return Err(expected("an integer, a boolean or text")),
    })
}
