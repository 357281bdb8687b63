//! `tsvector`, from PostgreSQL's text form: `'cat':2B 'it''s':3,5A`.
//!
//! The binary form has, for each lexeme, its bytes, a zero, the number of its positions and the
//! positions: the weight in the upper two bits, the position in the others.

use cdc_core::Value;

use super::array::fill_length;
use super::error::{ValueError, invalid_form, nul_character, out_of_range};
use super::system::text;

const EXPECTED: &str = "lexemes such as 'cat':2B 'rat':3,5";

/// Most bytes of a lexeme, and most of all together.
const LEXEME_BYTES_MAX: usize = 2_046;
const ALL_BYTES_MAX: usize = 1_048_575;

/// Most positions of a lexeme, and the highest of them.
const POSITIONS_MAX: u16 = 255;
const POSITION_MAX: u16 = 16_383;

/// Appends a `tsvector`.
pub(super) fn put(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    let text = text(value)?;
    if text.as_bytes().contains(&0) {
        return Err(nul_character());
    }
    let start = out.len();
    // Length of the field and number of lexemes, which are known at the end.
    out.extend_from_slice(&[0; 8]);
    let mut rest = text;
    let mut count = 0_i32;
    let mut bytes = 0_usize;
    while !rest.is_empty() {
        if count > 0 {
            rest = rest.strip_prefix(' ').ok_or_else(|| invalid_form(EXPECTED))?;
        }
        let before = out.len();
        rest = put_lexeme(out, rest)?;
        bytes = bytes.saturating_add(out.len().saturating_sub(before));
        count = count.saturating_add(1);
    }
    if bytes > ALL_BYTES_MAX {
        return Err(out_of_range(format!("expected at most {ALL_BYTES_MAX} bytes of lexemes")));
    }
    let words = out.get_mut(start.saturating_add(4)..).unwrap_or_default();
    if let Some((slot, _)) = words.split_first_chunk_mut::<4>() {
        *slot = count.to_be_bytes();
    }
    fill_length(out, start)
}

/// Appends the lexeme that the text begins with, and returns what follows it.
fn put_lexeme<'t>(out: &mut Vec<u8>, text: &'t str) -> Result<&'t str, ValueError> {
    let invalid = || invalid_form(EXPECTED);
    let start = out.len();
    let mut rest = text.strip_prefix('\'').ok_or_else(invalid)?;
    loop {
        // A quote and a backslash are each written twice; a quote alone ends the lexeme.
        let special = rest.find(['\'', '\\']).ok_or_else(invalid)?;
        let (plain, behind) = rest.split_at_checked(special).ok_or_else(invalid)?;
        out.extend_from_slice(plain.as_bytes());
        if let Some(behind) = behind.strip_prefix("''") {
            out.push(b'\'');
            rest = behind;
        } else if let Some(behind) = behind.strip_prefix("\\\\") {
            out.push(b'\\');
            rest = behind;
        } else {
            rest = behind.strip_prefix('\'').ok_or_else(invalid)?;
            break;
        }
    }
    if out.len().saturating_sub(start) > LEXEME_BYTES_MAX {
        return Err(out_of_range(format!("expected lexemes of at most {LEXEME_BYTES_MAX} bytes")));
    }
    out.push(0);
    let Some(behind) = rest.strip_prefix(':') else {
        out.extend_from_slice(&[0, 0]);
        return Ok(rest);
    };
    let end = behind.find(' ').unwrap_or(behind.len());
    let (positions, rest) = behind.split_at_checked(end).ok_or_else(invalid)?;
    put_positions(out, positions)?;
    Ok(rest)
}

fn put_positions(out: &mut Vec<u8>, text: &str) -> Result<(), ValueError> {
    let start = out.len();
    out.extend_from_slice(&[0; 2]);
    let mut count = 0_u16;
    for position in text.split(',') {
        let (digits, weight) = match position.as_bytes().last() {
            Some(b'A') => (position.strip_suffix('A'), 3_u16),
            Some(b'B') => (position.strip_suffix('B'), 2),
            Some(b'C') => (position.strip_suffix('C'), 1),
            _ => (Some(position), 0),
        };
        let digits = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()));
        let number = digits.and_then(|digits| digits.parse::<u16>().ok());
        let number = number.filter(|number| (1..=POSITION_MAX).contains(number));
        let number = number.ok_or_else(|| invalid_form(EXPECTED))?;
        out.extend_from_slice(&(weight << 14 | number).to_be_bytes());
        count = count.saturating_add(1);
    }
    if count > POSITIONS_MAX {
        return Err(out_of_range(format!(
            "expected at most {POSITIONS_MAX} positions of a lexeme"
        )));
    }
    let words = out.get_mut(start..).unwrap_or_default();
    if let Some((slot, _)) = words.split_first_chunk_mut::<2>() {
        *slot = count.to_be_bytes();
    }
    Ok(())
}
