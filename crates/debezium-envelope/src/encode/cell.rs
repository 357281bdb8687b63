//! One value in the wire form of its column's type.

mod nested;
mod temporal;

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::json::{put_integer, put_java_float, put_string};
use super::options::{Document, Release};
use crate::decimal::Decimal;
use crate::limits::Limits;
use crate::row::{Bits, BytesText, SemanticType, Value};
use crate::semantic::PLACEHOLDER;

/// What a value's form depends on besides its type.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    /// How many digits of a second the source's type has.
    pub(super) digits: u8,
    pub(super) document: Document,
    pub(super) release: Release,
    pub(super) origin: Origin,
    pub(super) part: Part,
}

/// Where a row has its values from, which shows in what is infinite or missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The log.
    Log,
    /// A query of the snapshot.
    Snapshot,
    /// Nowhere: the connector makes them up for an old row.
    StandIn,
}

/// What a value is in its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Column,
    /// The element of an array, which is always read as a query's.
    Element,
}

impl Form {
    fn of_element(self) -> Self {
        Self { part: Part::Element, ..self }
    }

    /// Whether the driver's own classes for dates were on the way.
    fn is_queried(self) -> bool {
        self.origin == Origin::Snapshot || self.part == Part::Element
    }
}

/// Appends a value; `None` when the type has no exact form for it, which is what every pair that is
/// not listed means.
pub(super) fn put(
    out: &mut Vec<u8>,
    semantic: &SemanticType,
    value: Value<'_>,
    form: Form,
) -> Option<()> {
    match (semantic, value) {
        (_, Value::Null) => out.extend_from_slice(b"null"),
        (SemanticType::Uuid, Value::Unavailable) if form.origin == Origin::StandIn => {
            put_string(out, "");
        }
        (SemanticType::Json, Value::Unavailable) if form.document == Document::Hstore => {
            put_string(out, &format!("{{\"{PLACEHOLDER}\":\"{PLACEHOLDER}\"}}"));
        }
        (_, Value::Unavailable) => return put_placeholder(out, semantic),
        (SemanticType::Boolean | SemanticType::SelfEvident, Value::Bool(value)) => {
            out.extend_from_slice(if value { b"true" } else { b"false" });
        }
        (SemanticType::Int16, Value::Int16(value)) => put_integer(out, value.into()),
        (SemanticType::Int32 | SemanticType::Year, Value::Int32(value)) => {
            put_integer(out, value.into());
        }
        (SemanticType::Int64 | SemanticType::SelfEvident, Value::Int64(value)) => {
            put_integer(out, value);
        }
        (SemanticType::Float32, Value::Float32(value)) => put_float32(out, value),
        (SemanticType::Float64, Value::Float64(value)) => put_float64(out, value),
        (
            SemanticType::Text
            | SemanticType::Json
            | SemanticType::Xml
            | SemanticType::Ltree
            | SemanticType::Tsvector
            | SemanticType::Enum { .. }
            | SemanticType::EnumSet { .. }
            | SemanticType::SelfEvident,
            Value::Text(text),
        ) => put_string(out, text),
        (SemanticType::Bytes, Value::Bytes(bytes)) => put_base64(out, bytes),
        (SemanticType::EncodedBytes(form), Value::Bytes(bytes)) => put_bytes_as(out, *form, bytes),
        (SemanticType::Bits { length }, Value::Bits(bits)) => {
            (bits.length() == Some(*length)).then(|| put_base64(out, bits.bytes()))?;
        }
        (SemanticType::VarBits { length }, Value::Bits(bits)) => {
            let fits = bits.length().is_none() && Bits::new(bits.bytes(), *length).is_some();
            fits.then(|| put_base64(out, bits.bytes()))?;
        }
        (SemanticType::Decimal { scale, .. }, Value::Decimal(decimal)) => {
            return put_fixed(out, decimal, *scale);
        }
        (SemanticType::VariableDecimal, Value::Decimal(decimal)) => {
            return put_variable(out, decimal);
        }
        (SemanticType::SelfEvident, Value::Decimal(decimal)) => {
            decimal.scale()?;
            write!(out, "{decimal}").ok()?;
        }
        (SemanticType::Uuid, Value::Uuid(uuid)) => put_uuid(out, uuid),
        (
            semantic,
            Value::Date(_)
            | Value::Time(_)
            | Value::ZonedTime(_)
            | Value::Timestamp(_)
            | Value::Instant(_)
            | Value::Interval(_),
        ) => return temporal::put(out, semantic, value, form),
        (semantic, value) => return nested::put(out, semantic, value, form),
    }
    Some(())
}

/// What stands for a value that the source did not send.
fn put_placeholder(out: &mut Vec<u8>, semantic: &SemanticType) -> Option<()> {
    let is_text = matches!(
        semantic,
        SemanticType::Text
            | SemanticType::Json
            | SemanticType::Xml
            | SemanticType::Ltree
            | SemanticType::Tsvector
            | SemanticType::Enum { .. }
            | SemanticType::EnumSet { .. }
            | SemanticType::EncodedBytes(_)
            | SemanticType::VariableDecimal
            | SemanticType::ZonedTimestamp
            | SemanticType::Uuid
            | SemanticType::SelfEvident
    );
    if is_text {
        put_string(out, PLACEHOLDER);
    } else if *semantic == SemanticType::Bytes {
        put_base64(out, PLACEHOLDER.as_bytes());
    } else if let SemanticType::Array { element } = semantic {
        return nested::put_placeholder_array(out, element);
    } else if *semantic == SemanticType::text_map() {
        write!(out, "{{\"{PLACEHOLDER}\":\"{PLACEHOLDER}\"}}").ok()?;
    } else {
        return None;
    }
    Some(())
}

fn put_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let start = out.len();
    let length = bytes.len().div_ceil(3).saturating_mul(4);
    out.resize(start.saturating_add(length), 0);
    let place = out.get_mut(start..).unwrap_or_default();
    let written = STANDARD.encode_slice(bytes, place).unwrap_or(0);
    out.truncate(start.saturating_add(written));
    out.push(b'"');
}

fn put_bytes_as(out: &mut Vec<u8>, form: BytesText, bytes: &[u8]) {
    match form {
        BytesText::Hex => {
            out.push(b'"');
            put_hex(out, bytes);
            out.push(b'"');
        }
        BytesText::Base64Url => put_string(out, &URL_SAFE.encode(bytes)),
    }
}

fn put_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 0xf] {
            let offset = if digit < 10 { b'0' } else { b'a'.wrapping_sub(10) };
            out.push(offset.wrapping_add(digit));
        }
    }
}

/// The shortest two's complement of a number, as Java's `BigInteger.toByteArray` gives it.
fn put_unscaled(out: &mut Vec<u8>, unscaled: i128) {
    let bytes = unscaled.to_be_bytes();
    let sign_bits =
        if unscaled < 0 { (!unscaled).leading_zeros() } else { unscaled.leading_zeros() };
    // One sign bit has to stay.
    let redundant = usize::try_from(sign_bits.saturating_sub(1) / 8).unwrap_or(0);
    put_base64(out, bytes.get(redundant..).unwrap_or(&bytes));
}

fn put_decimal(out: &mut Vec<u8>, decimal: Decimal<'_>) -> Option<()> {
    match decimal {
        Decimal::Small { unscaled, .. } => put_unscaled(out, unscaled),
        Decimal::Wide { unscaled, .. } => put_base64(out, unscaled),
        Decimal::NaN | Decimal::Infinity | Decimal::NegInfinity => return None,
    }
    Some(())
}

fn put_fixed(out: &mut Vec<u8>, decimal: Decimal<'_>, scale: i32) -> Option<()> {
    if decimal.scale()? == scale {
        return put_decimal(out, decimal);
    }
    let mut scratch = Vec::new();
    put_decimal(out, decimal.rescale(scale, &mut scratch, &Limits::default()).ok()?)
}

fn put_variable(out: &mut Vec<u8>, decimal: Decimal<'_>) -> Option<()> {
    out.extend_from_slice(b"{\"scale\":");
    put_integer(out, decimal.scale()?.into());
    out.extend_from_slice(b",\"value\":");
    put_decimal(out, decimal)?;
    out.push(b'}');
    Some(())
}

fn put_float32(out: &mut Vec<u8>, value: f32) {
    if value.is_finite() {
        let shortest = nearest_even(value, format!("{value:e}"));
        let reads_back = |text: &str| text.parse() == Ok(value);
        put_java_float(out, &java_digits(shortest, || format!("{value:.1e}"), reads_back));
    } else {
        put_special_float(out, value.into());
    }
}

fn put_float64(out: &mut Vec<u8>, value: f64) {
    if value.is_finite() {
        let shortest = format!("{value:e}");
        let reads_back = |text: &str| text.parse() == Ok(value);
        put_java_float(out, &java_digits(shortest, || format!("{value:.1e}"), reads_back));
    } else {
        put_special_float(out, value);
    }
}

/// Of two shortest texts that are equally near, Java takes the one that ends in an even digit. They occur
/// among numbers of few bits, such as the elements of a `halfvec`: 3.3164062 for 3.31640625.
fn nearest_even(value: f32, shortest: String) -> String {
    let mantissa = shortest.split('e').next().unwrap_or_default();
    let places = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let even = format!("{value:.places$e}");
    if even.parse() == Ok(value) { even } else { shortest }
}

/// Java writes at least two digits, and of those that read back the nearest: 4.9E-324 where 5E-324
/// would do.
fn java_digits(
    shortest: String,
    two_digits: impl FnOnce() -> String,
    reads_back: impl FnOnce(&str) -> bool,
) -> String {
    if shortest.contains('.') {
        return shortest;
    }
    let two_digits = two_digits();
    let differs = !two_digits.contains(".0e");
    if differs && reads_back(&two_digits) { two_digits } else { shortest }
}

fn put_special_float(out: &mut Vec<u8>, value: f64) {
    let word = match value {
        f64::INFINITY => "Infinity",
        f64::NEG_INFINITY => "-Infinity",
        _ => "NaN",
    };
    put_string(out, word);
}

fn put_uuid(out: &mut Vec<u8>, uuid: [u8; 16]) {
    out.push(b'"');
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            out.push(b'-');
        }
        put_hex(out, &[*byte]);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::{put_float32, put_float64};

    #[test]
    fn floats_have_two_digits_at_least_and_the_nearest_of_them() {
        let text = |put: &dyn Fn(&mut Vec<u8>)| {
            let mut out = Vec::new();
            put(&mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(&|out| put_float64(out, f64::from_bits(1))), "4.9E-324");
        assert_eq!(text(&|out| put_float32(out, f32::from_bits(1))), "1.4E-45");
        assert_eq!(text(&|out| put_float64(out, 1e23)), "1.0E23");
        // Halfway between two texts of as many digits.
        assert_eq!(text(&|out| put_float32(out, 3.0 + 81.0 / 256.0)), "3.3164062");
        assert_eq!(text(&|out| put_float32(out, 4.0 + 121.0 / 256.0)), "4.4726562");
        assert_eq!(text(&|out| put_float32(out, 8.375)), "8.375");
        assert_eq!(text(&|out| put_float64(out, 0.001)), "0.001");
        assert_eq!(text(&|out| put_float64(out, 200_000.0)), "200000.0");
    }
}
