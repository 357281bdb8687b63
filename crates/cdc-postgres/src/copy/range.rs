//! Ranges of the built-in types, from their text form: `[1,5)`, `(,"2024-05-06 00:00:00"]`, `empty`.
//!
//! The binary form is a byte of flags and each bound that there is, as a field of its own.

use cdc_core::Value;

use super::array::fill_length;
use super::clock::{self, Zone};
use super::error::{ValueError, invalid_form};
use super::system::text;
use super::{cell, numeric};
use crate::pair::RangeBound;

const EMPTY: u8 = 0x01;
const LOWER_INCLUSIVE: u8 = 0x02;
const UPPER_INCLUSIVE: u8 = 0x04;
const LOWER_UNBOUNDED: u8 = 0x08;
const UPPER_UNBOUNDED: u8 = 0x10;

/// Appends a range.
pub(super) fn put(
    out: &mut Vec<u8>,
    bound: RangeBound,
    value: Value<'_>,
) -> Result<(), ValueError> {
    let text = text(value)?;
    if text == "empty" {
        cell::put_fixed(out, [EMPTY]);
        return Ok(());
    }
    let parsed = parse(text).ok_or_else(|| invalid_form("a range such as [1,5) or empty"))?;
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.push(parsed.flags);
    for text in [parsed.lower, parsed.upper].into_iter().flatten() {
        put_bound(out, bound, text)?;
    }
    fill_length(out, start)
}

/// A range in text.
#[derive(Debug)]
struct Parsed<'t> {
    flags: u8,
    lower: Option<&'t str>,
    upper: Option<&'t str>,
}

fn parse(text: &str) -> Option<Parsed<'_>> {
    let lower_flag = match text.as_bytes().first()? {
        b'[' => LOWER_INCLUSIVE,
        b'(' => 0,
        _ => return None,
    };
    let upper_flag = match text.as_bytes().last()? {
        b']' => UPPER_INCLUSIVE,
        b')' => 0,
        _ => return None,
    };
    let inner = text.get(1..text.len().checked_sub(1)?)?;
    // None of the bounds has a comma.
    let (lower, upper) = inner.split_once(',')?;
    let bound = |text| unquoted(text).map(|text| Some(text).filter(|text| !text.is_empty()));
    let (lower, upper) = (bound(lower)?, bound(upper)?);
    let flag =
        |bound: Option<&str>, flag, unbounded| if bound.is_some() { flag } else { unbounded };
    let flags = flag(lower, lower_flag, LOWER_UNBOUNDED) | flag(upper, upper_flag, UPPER_UNBOUNDED);
    Some(Parsed { flags, lower, upper })
}

/// The bound without its quotes; empty text is a bound that is not there. No bound has a character
/// that has to be escaped.
fn unquoted(bound: &str) -> Option<&str> {
    let inner = match bound.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').filter(|inner| !inner.is_empty())?,
        None => bound,
    };
    (!inner.contains(['"', '\\'])).then_some(inner)
}

fn put_bound(out: &mut Vec<u8>, bound: RangeBound, text: &str) -> Result<(), ValueError> {
    match bound {
        RangeBound::Int4 => {
            let number: i32 = text.parse().map_err(|_| invalid_form("bounds of 32 bits"))?;
            cell::put_fixed(out, number.to_be_bytes());
        }
        RangeBound::Int8 => {
            let number: i64 = text.parse().map_err(|_| invalid_form("bounds of 64 bits"))?;
            cell::put_fixed(out, number.to_be_bytes());
        }
        RangeBound::Numeric => numeric::put_text(out, None, text)?,
        RangeBound::Date => cell::put_fixed(out, clock::date(text)?.to_be_bytes()),
        RangeBound::Timestamp => {
            cell::put_fixed(out, clock::timestamp(text, Zone::None)?.to_be_bytes());
        }
        RangeBound::Timestamptz => {
            cell::put_fixed(out, clock::timestamp(text, Zone::Offset)?.to_be_bytes());
        }
    }
    Ok(())
}
