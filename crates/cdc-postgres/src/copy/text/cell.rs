//! From the binary form of a field to a text that the type's input function reads back exactly.
//!
//! It need not be the text that the server would show: days are written by their Julian number, which
//! knows no era and no style.

use std::fmt::Write as _;

use super::super::{temporal, vector};
use super::is_kept;
use crate::pair::{CellEncoder, ColumnEncoder};

/// A cursor over a binary form.
#[derive(Debug, Clone, Copy)]
pub(super) struct Words<'b> {
    rest: &'b [u8],
}

impl<'b> Words<'b> {
    pub(super) fn new(rest: &'b [u8]) -> Self {
        Self { rest }
    }

    pub(super) fn left(self) -> usize {
        self.rest.len()
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (word, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*word)
    }

    fn bytes(&mut self, count: usize) -> Option<&'b [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(bytes)
    }

    /// A field with its length word; `Some(None)` is NULL.
    #[expect(clippy::option_option, reason = "the outer one is a form that is cut short")]
    pub(super) fn field(&mut self) -> Option<Option<&'b [u8]>> {
        match self.i32()? {
            -1 => Some(None),
            length => self.bytes(usize::try_from(length).ok()?).map(Some),
        }
    }

    pub(super) fn i16(&mut self) -> Option<i16> {
        self.take().map(i16::from_be_bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }

    fn f32(&mut self) -> Option<f32> {
        self.take().map(f32::from_be_bytes)
    }

    fn f64(&mut self) -> Option<f64> {
        self.take().map(f64::from_be_bytes)
    }
}

/// Appends the text of a field. `None` for bytes that are not of the encoder's form.
pub(super) fn write(column: ColumnEncoder, field: &[u8], out: &mut String) -> Option<()> {
    let mut words = Words::new(field);
    match column {
        ColumnEncoder::One(encoder) | ColumnEncoder::TextOne(encoder) => {
            one(encoder, field, &mut words, out)
        }
        ColumnEncoder::Array { element, .. } => array(element, ',', &mut words, out),
        ColumnEncoder::TextArray { element, delimiter } => {
            array(element, delimiter.into(), &mut words, out)
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the text of all others is kept")]
fn one(encoder: CellEncoder, field: &[u8], words: &mut Words<'_>, out: &mut String) -> Option<()> {
    use CellEncoder as E;
    if is_kept(encoder) {
        out.push_str(str::from_utf8(field).ok()?.trim_end_matches('\0'));
        return Some(());
    }
    match encoder {
        E::Bool => out.push(if words.take()? == [0] { 'f' } else { 't' }),
        E::Int2 => display(words.i16()?, out),
        E::Int4 => display(words.i32()?, out),
        E::Int8 => display(words.i64()?, out),
        E::Oid => display(words.u32()?, out),
        E::Float4 | E::Narrowed => float32(words.f32()?, out),
        E::Float8 => float64(words.f64()?, out),
        E::Numeric(_) | E::FiniteNumeric => numeric(words, out)?,
        E::PgLsn => display(format_args!("{:X}/{:X}", words.u32()?, words.u32()?), out),
        E::Bytea | E::WkbBytes => {
            out.push_str("\\x");
            hexadecimal(field, out);
        }
        E::Uuid | E::Wkb => hexadecimal(field, out),
        E::Bit { .. } | E::Varbit { .. } => bits(words, out)?,
        E::Date
        | E::Time { .. }
        | E::Timetz { .. }
        | E::Timestamp { .. }
        | E::Timestamptz { .. } => {
            moment(encoder, words, out)?;
        }
        E::Interval { .. } => interval(words, out)?,
        E::Point | E::Box | E::Segment | E::Path | E::Polygon => shape(encoder, words, out)?,
        E::Hstore => hstore(words, out)?,
        E::Vector | E::HalfVector | E::SparseVector => floats(encoder, words, out)?,
        // Amounts are refused in such a table, and of the others the text is kept.
        _ => return None,
    }
    Some(())
}

fn display(value: impl std::fmt::Display, out: &mut String) {
    write!(out, "{value}").expect("writing to a String cannot fail");
}

/// The shortest digits that only this number has.
fn float64(number: f64, out: &mut String) {
    match number {
        f64::INFINITY => out.push_str("Infinity"),
        f64::NEG_INFINITY => out.push_str("-Infinity"),
        number if number.is_nan() => out.push_str("NaN"),
        number => write!(out, "{number:e}").expect("writing to a String cannot fail"),
    }
}

fn float32(number: f32, out: &mut String) {
    if number.is_finite() {
        write!(out, "{number:e}").expect("writing to a String cannot fail");
    } else {
        float64(number.into(), out);
    }
}

fn hexadecimal(bytes: &[u8], out: &mut String) {
    for byte in bytes {
        write!(out, "{byte:02x}").expect("writing to a String cannot fail");
    }
}

/// Groups of four digits around the point.
fn numeric(words: &mut Words<'_>, out: &mut String) -> Option<()> {
    let (_groups, weight) = (words.u16()?, words.i16()?);
    let (sign, scale) = (words.u16()?, words.u16()?);
    match sign {
        0 => {}
        0x4000 => out.push('-'),
        0xd000 => {
            out.push_str("Infinity");
            return Some(());
        }
        0xf000 => {
            out.push_str("-Infinity");
            return Some(());
        }
        _ => {
            out.push_str("NaN");
            return Some(());
        }
    }
    if weight < 0 {
        out.push('0');
    }
    for place in 0..=weight {
        let group = words.u16().unwrap_or(0);
        if place == 0 {
            display(group, out);
        } else {
            write!(out, "{group:04}").expect("writing to a String cannot fail");
        }
    }
    if scale == 0 {
        return Some(());
    }
    out.push('.');
    let point = out.len();
    let end = point.saturating_add(scale.into());
    // Groups of zeros between the point and the first that is written.
    for _ in weight..-1 {
        out.push_str("0000");
    }
    while out.len() < end {
        let group = words.u16().unwrap_or(0);
        write!(out, "{group:04}").expect("writing to a String cannot fail");
    }
    out.truncate(end);
    Some(())
}

fn bits(words: &mut Words<'_>, out: &mut String) -> Option<()> {
    let count = usize::try_from(words.i32()?).ok()?;
    let bytes = words.rest.iter();
    let all = bytes.flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1 == 1));
    out.extend(all.take(count).map(|bit| if bit { '1' } else { '0' }));
    Some(())
}

const SECOND: u64 = 1_000_000;

/// `hh:mm:ss.ffffff`
fn clock(micros: u64, out: &mut String) {
    let (seconds, fraction) = (micros / SECOND, micros % SECOND);
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    write!(out, "{hours:02}:{minutes:02}:{seconds:02}.{fraction:06}")
        .expect("writing to a String cannot fail");
}

fn day(days: i64, out: &mut String) {
    display(format_args!("J{}", days.saturating_add(temporal::JULIAN_EPOCH)), out);
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the caller hands over the types that are days and times"
)]
fn moment(encoder: CellEncoder, words: &mut Words<'_>, out: &mut String) -> Option<()> {
    const DAY: i64 = 86_400_000_000;
    match encoder {
        CellEncoder::Date => match words.i32()? {
            i32::MAX => out.push_str("infinity"),
            i32::MIN => out.push_str("-infinity"),
            days => day(days.into(), out),
        },
        CellEncoder::Time { .. } => clock(u64::try_from(words.i64()?).ok()?, out),
        CellEncoder::Timetz { .. } => {
            clock(u64::try_from(words.i64()?).ok()?, out);
            // The binary form counts towards the west.
            let west = words.i32()?;
            let seconds = west.unsigned_abs();
            let sign = if west > 0 { '-' } else { '+' };
            let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
            display(format_args!("{sign}{hours:02}:{minutes:02}:{seconds:02}"), out);
        }
        _ => match words.i64()? {
            i64::MAX => out.push_str("infinity"),
            i64::MIN => out.push_str("-infinity"),
            micros => {
                day(micros.div_euclid(DAY), out);
                out.push(' ');
                clock(u64::try_from(micros.rem_euclid(DAY)).ok()?, out);
                if matches!(encoder, CellEncoder::Timestamptz { .. }) {
                    out.push_str("+00");
                }
            }
        },
    }
    Some(())
}

fn interval(words: &mut Words<'_>, out: &mut String) -> Option<()> {
    let (micros, days, months) = (words.i64()?, words.i32()?, words.i32()?);
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    // Of a span of the smallest number of 64 bits the server does not read `-hh:mm:ss`.
    let (seconds, fraction) = (micros / SECOND, micros % SECOND);
    let (hours, seconds) = (seconds / 3_600, seconds % 3_600);
    let parts = format_args!(
        "{months} mons {days} days {sign}{hours} hours {sign}{seconds}.{fraction:06} secs"
    );
    display(parts, out);
    Some(())
}

/// Points between brackets.
#[expect(clippy::wildcard_enum_match_arm, reason = "the caller hands over the shapes")]
fn shape(encoder: CellEncoder, words: &mut Words<'_>, out: &mut String) -> Option<()> {
    let brackets = match encoder {
        CellEncoder::Segment => ("[", "]"),
        CellEncoder::Path => {
            let closed = words.take()? != [0];
            words.u32()?;
            if closed { ("(", ")") } else { ("[", "]") }
        }
        CellEncoder::Polygon => {
            words.u32()?;
            ("(", ")")
        }
        _ => ("", ""),
    };
    out.push_str(brackets.0);
    let mut separator = "(";
    while words.left() > 0 {
        out.push_str(separator);
        float64(words.f64()?, out);
        out.push(',');
        float64(words.f64()?, out);
        out.push(')');
        separator = ",(";
    }
    out.push_str(brackets.1);
    Some(())
}

fn hstore(words: &mut Words<'_>, out: &mut String) -> Option<()> {
    for pair in 0..words.u32()? {
        if pair > 0 {
            out.push(',');
        }
        quoted(str::from_utf8(words.field()??).ok()?, out);
        out.push_str("=>");
        match words.field()? {
            Some(value) => quoted(str::from_utf8(value).ok()?, out),
            None => out.push_str("NULL"),
        }
    }
    Some(())
}

fn quoted(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}

/// The three kinds of vectors of `pgvector`.
fn floats(encoder: CellEncoder, words: &mut Words<'_>, out: &mut String) -> Option<()> {
    if encoder == CellEncoder::SparseVector {
        let (dimensions, count, _unused) = (words.u32()?, words.u32()?, words.u32()?);
        let indices = words.bytes(usize::try_from(count).ok()?.checked_mul(4)?)?;
        let mut indices = Words::new(indices);
        out.push('{');
        for element in 0..count {
            let separator = if element > 0 { "," } else { "" };
            display(
                format_args!("{separator}{}:", u64::from(indices.u32()?).saturating_add(1)),
                out,
            );
            float32(words.f32()?, out);
        }
        display(format_args!("}}/{dimensions}"), out);
        return Some(());
    }
    let (dimensions, _unused) = (words.u16()?, words.u16()?);
    out.push('[');
    for element in 0..dimensions {
        if element > 0 {
            out.push(',');
        }
        let number = if encoder == CellEncoder::HalfVector {
            vector::widened(words.u16()?)
        } else {
            words.f32()?
        };
        float32(number, out);
    }
    out.push(']');
    Some(())
}

/// `{…}`, with braces for each dimension. Elements are quoted, whatever is in them.
fn array(
    encoder: CellEncoder,
    delimiter: char,
    words: &mut Words<'_>,
    out: &mut String,
) -> Option<()> {
    let dimensions = usize::try_from(words.u32()?).ok()?;
    words.u32()?;
    words.u32()?;
    let mut lengths = Vec::with_capacity(dimensions);
    for _ in 0..dimensions {
        lengths.push(words.u32()?);
        words.i32()?;
    }
    if lengths.is_empty() {
        out.push_str("{}");
        return Some(());
    }
    let mut scratch = String::new();
    elements(encoder, delimiter, &lengths, words, &mut scratch, out)
}

fn elements(
    encoder: CellEncoder,
    delimiter: char,
    lengths: &[u32],
    words: &mut Words<'_>,
    scratch: &mut String,
    out: &mut String,
) -> Option<()> {
    let Some((length, inner)) = lengths.split_first() else {
        match words.field()? {
            None => out.push_str("NULL"),
            Some(field) => {
                scratch.clear();
                one(encoder, field, &mut Words::new(field), scratch)?;
                quoted(scratch, out);
            }
        }
        return Some(());
    };
    out.push('{');
    for element in 0..*length {
        if element > 0 {
            out.push(delimiter);
        }
        elements(encoder, delimiter, inner, words, scratch, out)?;
    }
    out.push('}');
    Some(())
}
