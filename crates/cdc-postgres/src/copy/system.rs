//! PostgreSQL's small own types: `oid`, `"char"`, `name`, `pg_lsn`, `money`, `xml` and `ltree`.

use cdc_core::{Decimal, Value};

use super::cell;
use super::error::{ValueError, invalid_form, not_exact, out_of_range, too_long, wrong_type};

/// The version byte before the text of an `ltree`.
const LTREE_VERSION: u8 = 1;

/// A `name` has one byte less than the 64 that it takes.
const NAME_BYTES_MAX: usize = 63;

/// Appends an `oid`.
pub(super) fn put_oid(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    let number = u32::try_from(cell::integer(value)?);
    let number = number.map_err(|_| out_of_range("expected an integer from 0 to 4294967295"))?;
    cell::put_fixed(out, number.to_be_bytes());
    Ok(())
}

/// Appends a `"char"`, whose empty text is the byte zero.
pub(super) fn put_one_char(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    let byte = match text(value)?.as_bytes() {
        [] => 0,
        [byte @ 1..=127] => *byte,
        _ => return Err(too_long("expected one ASCII character or none".to_owned())),
    };
    cell::put_fixed(out, [byte]);
    Ok(())
}

/// Appends a `name`.
pub(super) fn put_name(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    let text = text(value)?;
    if text.len() > NAME_BYTES_MAX {
        return Err(too_long(format!("expected at most {NAME_BYTES_MAX} bytes")));
    }
    cell::put_text(out, text)
}

/// Appends a `pg_lsn` from `16/B374D848`.
pub(super) fn put_lsn(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    let half = |digits: &str| {
        let is_plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u32::from_str_radix(digits, 16).ok().filter(|_| is_plain)
    };
    let halves = text(value)?.split_once('/');
    let halves = halves.and_then(|(high, low)| Some((half(high)?, half(low)?)));
    let (high, low) = halves.ok_or_else(|| invalid_form("a position such as 16/B374D848"))?;
    cell::put_fixed(out, (u64::from(high) << 32 | u64::from(low)).to_be_bytes());
    Ok(())
}

/// Appends a `money`, counted in units of ten to the power of minus `digits`.
pub(super) fn put_money(out: &mut Vec<u8>, value: Value<'_>, digits: u8) -> Result<(), ValueError> {
    const RANGE: &str = "expected an amount of at most 64 bits in its smallest unit";
    let Value::Decimal(decimal) = value else { return Err(wrong_type("a decimal", value)) };
    let (unscaled, scale) = match decimal {
        Decimal::Small { unscaled, scale } => (unscaled, i64::from(scale)),
        Decimal::Wide { .. } | Decimal::NaN | Decimal::Infinity | Decimal::NegInfinity => {
            return Err(out_of_range(RANGE));
        }
    };
    let surplus = scale.saturating_sub(i64::from(digits));
    let power = |exponent: i64| u32::try_from(exponent).ok().and_then(|e| 10_i128.checked_pow(e));
    let units = if unscaled == 0 {
        Some(0)
    } else if surplus <= 0 {
        power(surplus.saturating_neg()).and_then(|factor| unscaled.checked_mul(factor))
    } else {
        // A power beyond 128 bits divides no number of 128 bits.
        let exact = power(surplus).filter(|power| unscaled.checked_rem(*power) == Some(0));
        let Some(power) = exact else {
            return Err(not_exact(format!("expected at most {digits} digits after the point")));
        };
        unscaled.checked_div(power)
    };
    let units = units.and_then(|units| i64::try_from(units).ok());
    cell::put_fixed(out, units.ok_or_else(|| out_of_range(RANGE))?.to_be_bytes());
    Ok(())
}

/// Appends an `xml`. Its binary form is read in the encoding that the document names, and what is
/// sent is UTF-8.
pub(super) fn put_xml(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    let text = text(value)?;
    if !names_no_other_encoding(text) {
        return Err(invalid_form("a document that names no encoding but UTF-8"));
    }
    cell::put_text(out, text)
}

fn names_no_other_encoding(document: &str) -> bool {
    let Some(rest) = document.trim_start().strip_prefix("<?xml") else { return true };
    let declaration = rest.split_once("?>").map_or(rest, |(declaration, _)| declaration);
    let Some((_, rest)) = declaration.split_once("encoding") else { return true };
    let named = rest.trim_start().strip_prefix('=').unwrap_or_default().trim_start();
    let named = named.split(['"', '\'']).nth(1).unwrap_or_default();
    named.eq_ignore_ascii_case("utf-8")
}

/// Appends an `ltree`.
pub(super) fn put_ltree(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    cell::put_versioned(out, LTREE_VERSION, text(value)?)
}

/// The text of a value.
pub(super) fn text(value: Value<'_>) -> Result<&str, ValueError> {
    let Value::Text(text) = value else { return Err(wrong_type("text", value)) };
    Ok(text)
}
