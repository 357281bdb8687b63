//! UUIDs in their hyphenated form.

use super::CellInput;
use crate::error::CellError;
use crate::row::{SemanticType, Value};
use crate::schema::ConnectSchema;

const EXPECTED: &str = "a hyphenated UUID";

pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    (schema.name.as_deref() == Some("io.debezium.data.Uuid") && schema.kind == "string")
        .then_some(SemanticType::Uuid)
}

pub(super) fn decode(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let token = cell.string(EXPECTED)?;
    let text = cell.reader.characters_in(&token, &mut cell.scratch.text);
    let uuid = parse(text).ok_or(CellError::InvalidText { expected: EXPECTED })?;
    cell.set(Value::Uuid(uuid));
    Ok(())
}

/// Groups of 8, 4, 4, 4 and 12 hexadecimal digits.
fn parse(text: &str) -> Option<[u8; 16]> {
    let mut digits = 0_u32;
    let mut value = 0_u128;
    for byte in text.bytes() {
        if text.len() == 36 && byte == b'-' {
            value = if matches!(digits, 8 | 12 | 16 | 20) { value } else { return None };
            continue;
        }
        let digit = char::from(byte).to_digit(16)?;
        value = (value << 4) | u128::from(digit);
        digits = digits.checked_add(1)?;
    }
    let hyphens = [8, 13, 18, 23].iter().all(|at| text.as_bytes().get(*at) == Some(&b'-'));
    (digits == 32 && hyphens).then_some(value.to_be_bytes())
}
