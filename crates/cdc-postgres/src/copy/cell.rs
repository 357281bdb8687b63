//! One field: its length word and its bytes.

use cdc_core::{Decimal, Value};

use super::address::Network;
use super::error::{
    ValueError, invalid_uuid, nul_character, out_of_range, too_long, unavailable, wrong_type,
};
use super::{
    address, bits, geometric, hstore, numeric, range, span, system, temporal, tsvector, vector, wkb,
};
use crate::pair::{CellEncoder, NumericBound};

/// The length word of NULL.
const NULL: [u8; 4] = (-1_i32).to_be_bytes();

/// The version byte before the text of a `jsonb`.
const JSONB_VERSION: u8 = 1;

/// The number of the type `text`, which array values name.
const TEXT_OID: u32 = 25;

/// PostgreSQL allocates at most 1 GiB for one value, its headers included.
const CELL_BYTES_MAX: usize = 0x3fff_ff00;

/// Integers up to this magnitude have an exact `double precision`.
const EXACT_DOUBLE_MAX: u64 = 1 << 53;

/// Appends the field of a value. On an error it may have appended a part of it.
#[expect(clippy::wildcard_enum_match_arm, reason = "the function for the others names every type")]
pub(super) fn put(
    out: &mut Vec<u8>,
    encoder: CellEncoder,
    value: Value<'_>,
) -> Result<(), ValueError> {
    if value.is_null() {
        put_null(out);
        return Ok(());
    }
    if matches!(value, Value::Unavailable) {
        return Err(unavailable());
    }
    match encoder {
        CellEncoder::Bool => {
            let Value::Bool(flag) = value else { return Err(wrong_type("a boolean", value)) };
            put_fixed(out, [u8::from(flag)]);
            Ok(())
        }
        CellEncoder::Int2 => {
            let narrow = i16::try_from(integer(value)?);
            put_fixed(out, narrow.map_err(|_| integer_range("-32768 to 32767"))?.to_be_bytes());
            Ok(())
        }
        CellEncoder::Int4 => {
            let narrow = i32::try_from(integer(value)?);
            let range = "-2147483648 to 2147483647";
            put_fixed(out, narrow.map_err(|_| integer_range(range))?.to_be_bytes());
            Ok(())
        }
        CellEncoder::Int8 => {
            put_fixed(out, integer(value)?.to_be_bytes());
            Ok(())
        }
        CellEncoder::Float4 => {
            let Value::Float32(number) = value else {
                return Err(wrong_type("a 32-bit floating-point number", value));
            };
            put_fixed(out, number.to_be_bytes());
            Ok(())
        }
        CellEncoder::Float8 => {
            put_fixed(out, double(value)?.to_be_bytes());
            Ok(())
        }
        CellEncoder::Numeric(bound) => put_numeric(out, bound, value),
        CellEncoder::Text { chars_max } => put_bounded_text(out, value, chars_max),
        CellEncoder::Jsonb => put_jsonb(out, value),
        CellEncoder::Uuid => {
            put_fixed(out, uuid(value)?);
            Ok(())
        }
        CellEncoder::Bytea => {
            let Value::Bytes(bytes) = value else { return Err(wrong_type("bytes", value)) };
            put_length(out, bytes.len())?;
            out.extend_from_slice(bytes);
            Ok(())
        }
        CellEncoder::Date
        | CellEncoder::Time { .. }
        | CellEncoder::Timestamp { .. }
        | CellEncoder::Timestamptz { .. } => put_temporal(out, encoder, value),
        rare => put_rare(out, rare, value),
    }
}

/// The types that most tables do not have, kept out of the way of those that all have.
fn put_rare(out: &mut Vec<u8>, encoder: CellEncoder, value: Value<'_>) -> Result<(), ValueError> {
    match encoder {
        CellEncoder::FiniteNumeric => put_finite(out, value),
        CellEncoder::Oid => system::put_oid(out, value),
        CellEncoder::OneChar => system::put_one_char(out, value),
        CellEncoder::Name => system::put_name(out, value),
        CellEncoder::PgLsn => system::put_lsn(out, value),
        CellEncoder::Money { digits } => system::put_money(out, value, digits),
        CellEncoder::Xml => system::put_xml(out, value),
        CellEncoder::Ltree => system::put_ltree(out, value),
        CellEncoder::Tsvector => tsvector::put(out, value),
        CellEncoder::Bit { length } => bits::put_bit(out, value, length),
        CellEncoder::Varbit { length_max } => bits::put_varbit(out, value, length_max),
        CellEncoder::Timetz { step } => span::put_timetz(out, value, step),
        CellEncoder::Interval { step } => span::put_interval(out, value, step),
        CellEncoder::Inet => address::put_network(out, value, Network::Inet),
        CellEncoder::Cidr => address::put_network(out, value, Network::Cidr),
        CellEncoder::Macaddr => address::put_card::<6>(out, value),
        CellEncoder::Macaddr8 => address::put_card::<8>(out, value),
        CellEncoder::Range(bound) => range::put(out, bound, value),
        CellEncoder::Point => geometric::put_point(out, value),
        CellEncoder::Box => geometric::put_box(out, value),
        CellEncoder::Segment => geometric::put_segment(out, value),
        CellEncoder::Path => geometric::put_path(out, value),
        CellEncoder::Polygon => geometric::put_polygon(out, value),
        CellEncoder::Narrowed => vector::put_narrowed(out, value),
        CellEncoder::Circle => geometric::put_circle(out, value),
        CellEncoder::Line => geometric::put_line(out, value),
        CellEncoder::Wkb | CellEncoder::WkbBytes => wkb::put(out, value),
        CellEncoder::Hstore => hstore::put(out, value),
        CellEncoder::Vector => vector::put(out, value),
        CellEncoder::HalfVector => vector::put_half(out, value),
        CellEncoder::SparseVector => vector::put_sparse(out, value),
        // Rows with such a column travel as text, and their cells are put by another function.
        CellEncoder::TextForm => Err(wrong_type("a value with a binary form", value)),
        // The caller has written these.
        CellEncoder::Bool
        | CellEncoder::Int2
        | CellEncoder::Int4
        | CellEncoder::Int8
        | CellEncoder::Float4
        | CellEncoder::Float8
        | CellEncoder::Numeric(_)
        | CellEncoder::Text { .. }
        | CellEncoder::Jsonb
        | CellEncoder::Uuid
        | CellEncoder::Bytea
        | CellEncoder::Date
        | CellEncoder::Time { .. }
        | CellEncoder::Timestamp { .. }
        | CellEncoder::Timestamptz { .. } => Err(wrong_type("a value of a rare type", value)),
    }
}

/// `numeric` on a server that has NaN but no infinities.
fn put_finite(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    let is_infinite = match (value,) {
        (Value::Decimal(Decimal::Infinity | Decimal::NegInfinity),) => true,
        (Value::Text(text),) => text.ends_with("Infinity") || text.ends_with("INFINITY"),
        (_,) => false,
    };
    if is_infinite {
        return Err(out_of_range("expected a finite number: PostgreSQL 13 holds no other"));
    }
    put_numeric(out, None, value)
}

/// Appends NULL.
pub(super) fn put_null(out: &mut Vec<u8>) {
    out.extend_from_slice(&NULL);
}

/// Appends a field whose type fixes its length.
pub(super) fn put_fixed<const N: usize>(out: &mut Vec<u8>, bytes: [u8; N]) {
    const { assert!(N <= 16, "fixed types have at most sixteen bytes") };
    let len = u32::try_from(N).unwrap_or(0);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&bytes);
}

/// Appends text.
pub(super) fn put_text(out: &mut Vec<u8>, text: &str) -> Result<(), ValueError> {
    refuse_nul(text)?;
    put_length(out, text.len())?;
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

/// Appends a one-dimensional `text[]`; on an error it may have appended a part of it.
pub(super) fn put_text_array<'t>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = &'t str>,
) -> Result<(), ValueError> {
    let start = out.len();
    // Both lengths are known at the end only. An empty array has no dimension at all.
    put_fixed(out, [0; 12]);
    let empty = out.len();
    out.extend_from_slice(&[0; 8]);
    let mut count = 0_u32;
    for item in items {
        put_text(out, item)?;
        count = count.saturating_add(1);
    }
    if count == 0 {
        out.truncate(empty);
    }
    let array = out.get_mut(start..).unwrap_or_default();
    let len = array.len().saturating_sub(4);
    let len = u32::try_from(len).ok().filter(|_| len <= CELL_BYTES_MAX).ok_or_else(oversize)?;
    let dimensions = u32::from(count > 0);
    // Length of the field, dimensions, no NULLs, element type; size and first index of dimension 1.
    let words = [len, dimensions, 0, TEXT_OID, count, 1];
    for (slot, word) in array.chunks_exact_mut(4).zip(words) {
        slot.copy_from_slice(&word.to_be_bytes());
    }
    Ok(())
}

fn put_numeric(
    out: &mut Vec<u8>,
    bound: Option<NumericBound>,
    value: Value<'_>,
) -> Result<(), ValueError> {
    if let Value::Decimal(decimal) = value {
        return numeric::put(out, bound, decimal);
    }
    if let Value::Text(text) = value {
        return numeric::put_text(out, bound, text);
    }
    let whole = integer(value).map_err(|_| wrong_type("a decimal", value))?;
    numeric::put(out, bound, Decimal::Small { unscaled: whole.into(), scale: 0 })
}

fn put_jsonb(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    if let Value::Map(map) = value {
        return put_versioned(out, JSONB_VERSION, &hstore::json(map)?);
    }
    let Value::Text(text) = value else { return Err(wrong_type("JSON text", value)) };
    put_versioned(out, JSONB_VERSION, text)
}

/// Appends text behind a version byte.
pub(super) fn put_versioned(out: &mut Vec<u8>, version: u8, text: &str) -> Result<(), ValueError> {
    refuse_nul(text)?;
    put_length(out, text.len().saturating_add(1))?;
    out.push(version);
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

fn put_bounded_text(
    out: &mut Vec<u8>,
    value: Value<'_>,
    chars_max: Option<u32>,
) -> Result<(), ValueError> {
    let mut scratch = [0_u8; 36];
    let sparse;
    let text = if let Value::Text(text) = value {
        text
    } else if let Value::Uuid(uuid) = value {
        uuid_text(uuid, &mut scratch)
    } else if let Value::Map(map) = value {
        return put_text(out, &hstore::json(map)?);
    } else if let Value::SparseVector(_) = value {
        sparse = vector::sparse_text(value)?;
        &sparse
    } else {
        return Err(wrong_type("text", value));
    };
    if let Some(max) = chars_max {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        // Characters are counted only where bytes do not settle it.
        if text.len() > max {
            let chars = text.chars().count();
            if chars > max {
                return Err(too_long(format!("expected at most {max} characters, found {chars}")));
            }
        }
    }
    put_text(out, text)
}

fn put_temporal(
    out: &mut Vec<u8>,
    encoder: CellEncoder,
    value: Value<'_>,
) -> Result<(), ValueError> {
    match (encoder, value) {
        (CellEncoder::Date, Value::Date(date)) => {
            put_fixed(out, temporal::date(date)?.to_be_bytes());
        }
        (CellEncoder::Time { step }, Value::Time(time)) => {
            put_fixed(out, temporal::time(time, step)?.to_be_bytes());
        }
        (CellEncoder::Timestamp { step }, Value::Timestamp(timestamp))
        | (CellEncoder::Timestamptz { step }, Value::Instant(timestamp)) => {
            put_fixed(out, temporal::timestamp(timestamp, step)?.to_be_bytes());
        }
        (CellEncoder::Date, _) => return Err(wrong_type("a date", value)),
        (CellEncoder::Time { .. }, _) => return Err(wrong_type("a time", value)),
        (CellEncoder::Timestamp { .. }, _) => {
            return Err(wrong_type("a timestamp without a zone", value));
        }
        (_, _) => return Err(wrong_type("an instant", value)),
    }
    Ok(())
}

/// Appends a length word.
pub(super) fn put_length(out: &mut Vec<u8>, len: usize) -> Result<(), ValueError> {
    out.extend_from_slice(&length_word(len)?);
    Ok(())
}

/// The length word of a field.
pub(super) fn length_word(len: usize) -> Result<[u8; 4], ValueError> {
    let word = u32::try_from(len).ok().filter(|_| len <= CELL_BYTES_MAX).ok_or_else(oversize)?;
    Ok(word.to_be_bytes())
}

fn refuse_nul(text: &str) -> Result<(), ValueError> {
    if text.as_bytes().contains(&0) { Err(nul_character()) } else { Ok(()) }
}

/// The integer that a value is.
pub(super) fn integer(value: Value<'_>) -> Result<i64, ValueError> {
    if let Value::Int64(number) = value {
        Ok(number)
    } else if let Value::Int32(number) = value {
        Ok(number.into())
    } else if let Value::Int16(number) = value {
        Ok(number.into())
    } else {
        Err(wrong_type("an integer", value))
    }
}

/// A double from a float, from an integer that has an exact one, and from the words that stand for
/// what JSON numbers cannot say.
fn double(value: Value<'_>) -> Result<f64, ValueError> {
    if let Value::Float64(number) = value {
        return Ok(number);
    }
    if let Value::Float32(number) = value {
        return Ok(number.into());
    }
    if let Value::Text(text) = value {
        return match text {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            _ => Err(wrong_type("a floating-point number", value)),
        };
    }
    let whole = integer(value).map_err(|_| wrong_type("a floating-point number", value))?;
    exact_double(whole).ok_or_else(|| {
        super::error::not_exact("expected an integer of at most 53 bits or a floating-point number")
    })
}

fn exact_double(whole: i64) -> Option<f64> {
    let magnitude = whole.unsigned_abs();
    if magnitude > EXACT_DOUBLE_MAX {
        return None;
    }
    let high = u32::try_from(magnitude >> 32).ok()?;
    let low = u32::try_from(magnitude & 0xffff_ffff).ok()?;
    // Both halves, the product and the sum are integers of at most 53 bits: nothing is rounded.
    let double = f64::from(high) * 4_294_967_296.0 + f64::from(low);
    Some(if whole < 0 { -double } else { double })
}

fn uuid(value: Value<'_>) -> Result<[u8; 16], ValueError> {
    if let Value::Uuid(uuid) = value {
        return Ok(uuid);
    }
    let Value::Text(text) = value else { return Err(wrong_type("a UUID", value)) };
    parse_uuid(text.as_bytes()).ok_or_else(invalid_uuid)
}

/// Where the hyphens stand in the text of a UUID.
const HYPHENS: [usize; 4] = [8, 13, 18, 23];

fn parse_uuid(text: &[u8]) -> Option<[u8; 16]> {
    if text.len() != 36 || HYPHENS.iter().any(|at| text.get(*at) != Some(&b'-')) {
        return None;
    }
    let mut uuid = [0_u8; 16];
    let mut digits = text.iter().filter(|byte| **byte != b'-');
    for byte in &mut uuid {
        let high = char::from(*digits.next()?).to_digit(16)?;
        let low = char::from(*digits.next()?).to_digit(16)?;
        *byte = u8::try_from(high.saturating_mul(16).saturating_add(low)).ok()?;
    }
    digits.next().is_none().then_some(uuid)
}

fn uuid_text(uuid: [u8; 16], scratch: &mut [u8; 36]) -> &str {
    let digit = |nibble: u8| match nibble {
        0..=9 => b'0'.saturating_add(nibble),
        _ => b'a'.saturating_add(nibble.saturating_sub(10)),
    };
    let mut nibbles = uuid.into_iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    for (at, place) in scratch.iter_mut().enumerate() {
        *place = if HYPHENS.contains(&at) { b'-' } else { nibbles.next().map_or(b'0', digit) };
    }
    str::from_utf8(scratch).unwrap_or_default()
}

#[cold]
fn integer_range(range: &'static str) -> ValueError {
    out_of_range(format!("expected an integer from {range}"))
}

#[cold]
fn oversize() -> ValueError {
    too_long(format!("expected at most {CELL_BYTES_MAX} bytes"))
}
