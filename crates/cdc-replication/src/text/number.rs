//! Floats, decimals and amounts of money.

use std::str::FromStr;

use cdc_core::{Decimal, Limits, RowBuffer, Value};

use super::TextError;

const NUMERIC: TextError = TextError::Form { expected: "decimal digits, NaN or an infinity" };
const SCALE: TextError =
    TextError::Range { expected: "at most as many digits after the point as the type has" };
const MONEY: TextError = TextError::Form {
    expected: "an amount of money with as many digits after the point as its column's type has",
};

/// The longest text whose digits are sure to fit 64 bits.
const SHORT_BYTES: usize = 18;

/// A finite float is neither rounded to infinity nor to zero.
pub(super) fn float<T>(text: &str, expected: &'static str) -> Result<T, TextError>
where
    T: FromStr + Copy + Into<f64>,
{
    let form = TextError::Form { expected };
    let is_special = match text.as_bytes() {
        [b'-' | b'0'..=b'9', b'0'..=b'9' | b'.' | b'e', ..] | [b'0'..=b'9'] => false,
        _ if matches!(text, "NaN" | "Infinity" | "-Infinity") => true,
        _ => return Err(form),
    };
    let value: T = text.parse().map_err(|_| form)?;
    let wide: f64 = value.into();
    let is_exact = is_special || (wide.is_finite() && (wide != 0.0 || is_zero(text)));
    if is_exact { Ok(value) } else { Err(TextError::Range { expected }) }
}

/// Whether a number says zero, instead of something that is too small for the type.
fn is_zero(text: &str) -> bool {
    text.bytes().take_while(|byte| *byte != b'e').all(|byte| !matches!(byte, b'1'..=b'9'))
}

/// Sets a decimal with the scale of its text.
pub(super) fn put_decimal(
    buffer: &mut RowBuffer,
    index: usize,
    text: &str,
) -> Result<(), TextError> {
    if let Some(decimal) = short(text) {
        buffer.set(index, Value::Decimal(decimal));
        return Ok(());
    }
    // Takes memory for values beyond 128 bits alone.
    let mut wide = Vec::new();
    let decimal = Decimal::parse(text, &mut wide, &Limits::default()).map_err(|_| NUMERIC)?;
    buffer.set(index, Value::Decimal(decimal));
    Ok(())
}

/// Sets a decimal of a type with a scale. The value keeps the scale of its text, which is the type's; only
/// that of a negative scale has none, and NaN is exact here.
pub(super) fn put_fixed(
    buffer: &mut RowBuffer,
    index: usize,
    precision: Option<u32>,
    scale: i32,
    text: &str,
) -> Result<(), TextError> {
    if precision.is_none() {
        // Money is the only type of the catalog with a scale and any precision.
        let unscaled = money(text, scale).ok_or(MONEY)?.into();
        buffer.set(index, Value::Decimal(Decimal::Small { unscaled, scale }));
        return Ok(());
    }
    let places = text.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    if i32::try_from(places).is_ok_and(|places| places <= scale.max(0)) {
        put_decimal(buffer, index, text)
    } else {
        Err(SCALE)
    }
}

/// A decimal of at most eighteen characters.
fn short(text: &str) -> Option<Decimal<'static>> {
    let bytes = text.as_bytes();
    if bytes.len() > SHORT_BYTES {
        return None;
    }
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, bytes),
    };
    let mut unscaled = 0_i64;
    let mut point = None;
    for (place, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                unscaled = unscaled.wrapping_mul(10).wrapping_add(byte.wrapping_sub(b'0').into());
            }
            b'.' if point.is_none() && place > 0 => point = Some(place),
            _ => return None,
        }
    }
    let scale = match point {
        Some(point) => digits.len().checked_sub(point)?.checked_sub(1)?,
        None => 0,
    };
    if digits.is_empty() || (point.is_some() && scale == 0) {
        return None;
    }
    let unscaled = if negative { unscaled.wrapping_neg() } else { unscaled };
    Some(Decimal::Small { unscaled: unscaled.into(), scale: scale.try_into().ok()? })
}

/// The smallest units of an amount as any `lc_monetary` writes it: `$1,234.56`, `-1.234,56 €`,
/// `(1 234.56)`. What the number counts depends on the locale's digits after the point, so an amount
/// with another number of them is refused.
fn money(text: &str, scale: i32) -> Option<i64> {
    let scale = usize::try_from(scale).ok()?;
    let begin = text.find(|character: char| character.is_ascii_digit())?;
    let last = text.rfind(|character: char| character.is_ascii_digit())?;
    let (before, _) = text.split_at_checked(begin)?;
    let (amount, after) = text.split_at_checked(last.checked_add(1)?)?;
    let amount = amount.get(begin..)?;
    let is_minus = |character: char| matches!(character, '-' | '\u{2212}' | '(');
    let negative = before.contains(is_minus) || after.contains(is_minus);
    let mut unscaled = 0_i64;
    let mut places = None;
    for character in amount.chars() {
        if let Some(digit) = character.to_digit(10) {
            let digit = if negative { -i64::from(digit) } else { i64::from(digit) };
            unscaled = unscaled.checked_mul(10)?.checked_add(digit)?;
            places = places.map(|places: usize| places.saturating_add(1));
        } else if matches!(character, '.' | ',' | '\'' | '\u{2019}' | ' ' | '\u{a0}' | '\u{202f}') {
            places = Some(0);
        } else {
            return None;
        }
    }
    (places.unwrap_or(0) == scale).then_some(unscaled)
}
