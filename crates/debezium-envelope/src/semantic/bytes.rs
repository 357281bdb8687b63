//! Bytes in their text forms.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::text::PLACEHOLDER;
use super::{CellInput, Scratch};
use crate::error::CellError;
use crate::json::{Reader, StringToken};
use crate::row::{BytesText, SemanticType, Value};
use crate::schema::ConnectSchema;

const HEX: &str = "pairs of hexadecimal digits";

pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    (schema.name.is_none() && schema.kind == "bytes").then_some(SemanticType::Bytes)
}

/// The bytes that a token encodes in standard base64.
pub(super) fn base64<'s>(
    reader: &Reader<'_>,
    token: &StringToken,
    scratch: &'s mut Scratch,
) -> Result<&'s [u8], CellError> {
    let text = reader.characters_in(token, &mut scratch.text);
    scratch.bytes.clear();
    STANDARD
        .decode_vec(text, &mut scratch.bytes)
        .map_err(|_| CellError::InvalidText { expected: "standard padded base64" })?;
    Ok(&scratch.bytes)
}

pub(super) fn decode(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let token = cell.string("base64 text")?;
    let bytes = base64(cell.reader, &token, cell.scratch)?;
    let unavailable = bytes == PLACEHOLDER.as_bytes() && cell.role.detects();
    let value = if unavailable { Value::Unavailable } else { Value::Bytes(bytes) };
    cell.buffer.put(cell.index, value)?;
    Ok(())
}

/// The forms that need a declaration. The placeholder stands in them as it is, not encoded.
pub(super) fn decode_as(form: BytesText, cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let token = cell.string("text")?;
    let text = cell.reader.characters_in(&token, &mut cell.scratch.text);
    if text == PLACEHOLDER && cell.role.detects() {
        cell.set(Value::Unavailable)?;
        return Ok(());
    }
    let out = &mut cell.scratch.bytes;
    out.clear();
    match form {
        BytesText::Hex => hex(text, out).ok_or(CellError::InvalidText { expected: HEX })?,
        BytesText::Base64Url => URL_SAFE.decode_vec(text, out).map_err(|_| {
            CellError::InvalidText { expected: "padded base64 in the URL alphabet" }
        })?,
    }
    cell.buffer.put(cell.index, Value::Bytes(&cell.scratch.bytes))?;
    Ok(())
}

fn hex(text: &str, out: &mut Vec<u8>) -> Option<()> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    for [high, low] in pairs {
        out.push(digit(*high)? << 4 | digit(*low)?);
    }
    rest.is_empty().then_some(())
}
