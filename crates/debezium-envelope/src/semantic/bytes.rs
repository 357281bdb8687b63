//! Bytes in base64.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::CellInput;
use super::text::PLACEHOLDER;
use crate::error::CellError;
use crate::row::{SemanticType, Value};
use crate::schema::ConnectSchema;

pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    (schema.name.is_none() && schema.kind == "bytes").then_some(SemanticType::Bytes)
}

pub(super) fn decode(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let token = cell.string("base64 text")?;
    let text = cell.reader.characters_in(&token, &mut cell.scratch.text);
    cell.scratch.bytes.clear();
    STANDARD
        .decode_vec(text, &mut cell.scratch.bytes)
        .map_err(|_| CellError::InvalidText { expected: "standard padded base64" })?;
    let value = if cell.scratch.bytes == PLACEHOLDER.as_bytes() {
        Value::Unavailable
    } else {
        Value::Bytes(&cell.scratch.bytes)
    };
    cell.buffer.set(cell.index, value);
    Ok(())
}
