//! UUIDs in their hyphenated form.

use super::text::PLACEHOLDER;
use super::{CellInput, Role};
use crate::error::CellError;
use crate::row::{SemanticType, Value};
use crate::schema::ConnectSchema;

/// What stands for the elements of an array that the source did not send: the UUID of version 3 made
/// from the placeholder's bytes.
pub(crate) const PLACEHOLDER_UUID: [u8; 16] =
    0xb68a_35a7_17ad_35b3_af2a_ae46_edb4_545a_u128.to_be_bytes();

const EXPECTED: &str = "a hyphenated UUID";

pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    (schema.name.as_deref() == Some("io.debezium.data.Uuid") && schema.kind == "string")
        .then_some(SemanticType::Uuid)
}

/// Empty text stands in old rows of which only the key was kept: the connector fills other columns
/// that cannot be NULL with it, and no UUID is empty.
pub(super) fn decode(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let token = cell.string(EXPECTED)?;
    let value = match cell.reader.characters_in(&token, &mut cell.scratch.text) {
        "" | PLACEHOLDER if cell.role.detects() => Value::Unavailable,
        text => Value::Uuid(parse(text).ok_or(CellError::InvalidText { expected: EXPECTED })?),
    };
    // A column on its own is never too large to be sent, so only an array has this stand-in.
    let is_stand_in = cell.role == Role::FirstElement && value == Value::Uuid(PLACEHOLDER_UUID);
    cell.set(if is_stand_in { Value::Unavailable } else { value })?;
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
