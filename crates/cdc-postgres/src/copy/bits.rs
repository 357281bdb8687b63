//! Bit strings: how many bits, then the bits from the first on, eight to a byte.

use cdc_core::{Bits, Value};

use super::cell;
use super::error::{ValueError, too_long, wrong_type};

/// Appends a `bit(n)`, which takes exactly `n` bits.
pub(super) fn put_bit(out: &mut Vec<u8>, value: Value<'_>, length: u32) -> Result<(), ValueError> {
    let count = match (value,) {
        (Value::Bits(bits),) => bits.length(),
        (Value::Bool(_),) => Some(1),
        (_,) => return Err(wrong_type("a bit string", value)),
    };
    if count != Some(length) {
        return Err(too_long(format!("expected exactly {length} bits")));
    }
    put(out, value)
}

/// Appends a `bit varying`.
pub(super) fn put_varbit(
    out: &mut Vec<u8>,
    value: Value<'_>,
    length_max: Option<u32>,
) -> Result<(), ValueError> {
    let count = match (value,) {
        (Value::Bits(bits),) => count(bits),
        (Value::Bool(_),) => 1,
        (_,) => return Err(wrong_type("a bit string", value)),
    };
    if let Some(max) = length_max.filter(|max| count > u64::from(*max)) {
        return Err(too_long(format!("expected at most {max} bits")));
    }
    put(out, value)
}

/// The length of the column, or the bits from the highest that is set.
fn count(bits: Bits<'_>) -> u64 {
    if let Some(length) = bits.length() {
        return length.into();
    }
    let Some((last, rest)) = bits.bytes().split_last() else { return 0 };
    let whole = u64::try_from(rest.len()).unwrap_or(u64::MAX).saturating_mul(8);
    whole.saturating_add(u64::from(u8::BITS.saturating_sub(last.leading_zeros())))
}

fn put(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    let flag = [u8::from(value == Value::Bool(true))];
    let single = Bits::new(&flag, Some(1));
    let ((Value::Bits(bits), _) | (_, Some(bits))) = (value, single) else {
        return Err(wrong_type("a bit string", value));
    };
    let count = count(bits);
    let beyond = || too_long("expected at most 2147483647 bits".to_owned());
    let words = i32::try_from(count).map_err(|_| beyond())?;
    let bytes = usize::try_from(count.div_ceil(8)).map_err(|_| beyond())?;
    cell::put_length(out, bytes.saturating_add(4))?;
    out.extend_from_slice(&words.to_be_bytes());
    let mut bits = bits.iter();
    for _ in 0..bytes {
        let mut byte = 0_u8;
        for place in 0..8_u8 {
            byte |= u8::from(bits.next() == Some(true)) << 7_u8.saturating_sub(place);
        }
        out.push(byte);
    }
    Ok(())
}
