//! Bytes, bit strings and UUIDs.

use cdc_core::{Bits, RowBuffer, Value};

use super::TextError;

const HEX: TextError = TextError::Form { expected: "\\x and pairs of hexadecimal digits" };
const UUID: TextError =
    TextError::Form { expected: "a UUID such as a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11" };
const BITS: TextError = TextError::Form { expected: "a string of the digits 0 and 1" };
const LENGTH: TextError = TextError::Range { expected: "the declared length of the bit string" };

/// Sets the bytes of a `bytea`, or those of the text of a type that the connector does not know.
pub(super) fn put(buffer: &mut RowBuffer, index: usize, text: &str) -> Result<(), TextError> {
    let Some(digits) = text.strip_prefix("\\x") else {
        buffer.set(index, Value::Bytes(text.as_bytes()));
        return Ok(());
    };
    let bytes = hex(digits).ok_or(HEX)?;
    buffer.set(index, Value::Bytes(&bytes));
    Ok(())
}

/// The bytes of pairs of hexadecimal digits.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut bytes = Vec::with_capacity(pairs.len());
    for [high, low] in pairs {
        bytes.push(digit(*high)? << 4 | digit(*low)?);
    }
    rest.is_empty().then_some(bytes)
}

fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(byte.wrapping_sub(b'a').wrapping_add(10)),
        b'A'..=b'F' => Some(byte.wrapping_sub(b'A').wrapping_add(10)),
        _ => None,
    }
}

/// Groups of 8, 4, 4, 4 and 12 hexadecimal digits.
pub(super) fn uuid(text: &str) -> Result<[u8; 16], TextError> {
    let mut value = 0_u128;
    if text.len() != 36 {
        return Err(UUID);
    }
    for (place, byte) in text.bytes().enumerate() {
        if matches!(place, 8 | 13 | 18 | 23) {
            if byte != b'-' {
                return Err(UUID);
            }
        } else {
            value = value << 4 | u128::from(digit(byte).ok_or(UUID)?);
        }
    }
    Ok(value.to_be_bytes())
}

/// Sets a bit string of a fixed length.
pub(super) fn put_bits(
    buffer: &mut RowBuffer,
    index: usize,
    length: u32,
    text: &str,
) -> Result<(), TextError> {
    if u32::try_from(text.len()) != Ok(length) {
        return Err(LENGTH);
    }
    put_bit_string(buffer, index, text)
}

/// Sets a bit string of varying length, with the length that it has.
pub(super) fn put_varbits(
    buffer: &mut RowBuffer,
    index: usize,
    length_max: Option<u32>,
    text: &str,
) -> Result<(), TextError> {
    let length = u32::try_from(text.len()).map_err(|_| LENGTH)?;
    if length_max.is_some_and(|max| length > max) {
        return Err(LENGTH);
    }
    put_bit_string(buffer, index, text)
}

/// The last digit is the lowest bit of the first byte.
fn put_bit_string(buffer: &mut RowBuffer, index: usize, text: &str) -> Result<(), TextError> {
    let length = u32::try_from(text.len()).map_err(|_| LENGTH)?;
    let mut bytes = Vec::with_capacity(text.len().div_ceil(8));
    for digits in text.as_bytes().rchunks(8) {
        let mut byte = 0_u8;
        for digit in digits {
            byte = byte << 1
                | match digit {
                    b'0' => 0,
                    b'1' => 1,
                    _ => return Err(BITS),
                };
        }
        bytes.push(byte);
    }
    let bits = Bits::new(&bytes, Some(length)).ok_or(BITS)?;
    buffer.set(index, Value::Bits(bits));
    Ok(())
}
