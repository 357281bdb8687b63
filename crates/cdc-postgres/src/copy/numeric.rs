//! PostgreSQL's binary `numeric`: digits to the base 10 000, aligned at the decimal point.
//!
//! A cell is `ndigits weight sign dscale` and the digits, the most significant first; `weight` is
//! the power of 10 000 of the first one, `dscale` says how many decimal digits are shown after the
//! point. Values up to 128 bits are divided in registers. Wider ones go by way of their decimal
//! digits and allocate; they are rare.

use bigdecimal::num_bigint::{BigInt, Sign};
use cdc_core::Decimal;

use super::error::{ValueError, invalid_number, not_exact, out_of_range};
use crate::pair::NumericBound;

const POSITIVE: u16 = 0x0000;
const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xc000;
const INFINITY: u16 = 0xd000;
const NEG_INFINITY: u16 = 0xf000;

/// Most digits before the point.
const INTEGER_DIGITS_MAX: i64 = 131_072;

/// Most digits after the point.
const SCALE_MAX: i64 = 16_383;

/// Two's complement of more bytes than this has more digits than PostgreSQL holds on both sides of
/// the point, so it is refused before any arithmetic.
const WIDE_BYTES_MAX: usize = 61_300;

/// More digits of text than this cannot be a value either, with room for zeros in front.
const TEXT_BYTES_MAX: usize = 262_144;

/// 10^0 to 10^38, all that 128 bits hold.
const POWERS: [u128; 39] = {
    let mut powers = [1_u128; 39];
    let mut index = 1;
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler, which checks")]
    while index < powers.len() {
        powers[index] = powers[index - 1] * 10;
        index += 1;
    }
    powers
};

/// Appends the cell of a decimal.
pub(super) fn put(
    out: &mut Vec<u8>,
    bound: Option<NumericBound>,
    decimal: Decimal<'_>,
) -> Result<(), ValueError> {
    match decimal {
        Decimal::Small { unscaled, scale } => {
            put_magnitude(out, bound, unscaled < 0, unscaled.unsigned_abs(), scale.into())
        }
        Decimal::Wide { unscaled, scale } => put_wide(out, bound, unscaled, scale.into()),
        Decimal::NaN => {
            put_special(out, NAN);
            Ok(())
        }
        Decimal::Infinity => put_infinity(out, bound, INFINITY),
        Decimal::NegInfinity => put_infinity(out, bound, NEG_INFINITY),
    }
}

/// Appends the cell of a decimal number in text: digits with an optional sign, point and exponent,
/// or a special value in PostgreSQL's or Debezium's words.
pub(super) fn put_text(
    out: &mut Vec<u8>,
    bound: Option<NumericBound>,
    text: &str,
) -> Result<(), ValueError> {
    match text {
        "NaN" | "NAN" => return put(out, bound, Decimal::NaN),
        "Infinity" | "POSITIVE_INFINITY" => return put(out, bound, Decimal::Infinity),
        "-Infinity" | "NEGATIVE_INFINITY" => return put(out, bound, Decimal::NegInfinity),
        _ => {}
    }
    if text.len() > TEXT_BYTES_MAX {
        return Err(beyond());
    }
    let number = Number::parse(text).ok_or_else(invalid_number)?;
    let mut magnitude = Some(0_u128);
    for digit in number.digits() {
        magnitude = magnitude
            .and_then(|magnitude| magnitude.checked_mul(10)?.checked_add(u128::from(digit)));
    }
    if let Some(magnitude) = magnitude {
        return put_magnitude(out, bound, number.negative, magnitude, number.scale);
    }
    let digits: Vec<u8> = number.digits().skip_while(|digit| *digit == 0).collect();
    put_digits(out, bound, number.negative, &digits, number.scale)
}

/// The parts of decimal text. Both digit strings are ASCII digits.
struct Number<'t> {
    negative: bool,
    whole: &'t str,
    fraction: &'t str,
    scale: i64,
}

impl<'t> Number<'t> {
    fn parse(text: &'t str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        };
        let negative = mantissa.starts_with('-');
        let magnitude = mantissa.strip_prefix(['-', '+']).unwrap_or(mantissa);
        let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !is_number(whole) || !is_number(fraction) {
            return None;
        }
        let scale = i64::try_from(fraction.len()).ok()?.checked_sub(i64::from(exponent))?;
        Some(Self { negative, whole, fraction, scale })
    }

    fn digits(&self) -> impl Iterator<Item = u8> + use<'t> {
        self.whole.bytes().chain(self.fraction.bytes()).map(|byte| byte.wrapping_sub(b'0'))
    }
}

fn put_wide(
    out: &mut Vec<u8>,
    bound: Option<NumericBound>,
    unscaled: &[u8],
    scale: i64,
) -> Result<(), ValueError> {
    if unscaled.len() > WIDE_BYTES_MAX {
        return Err(beyond());
    }
    let (sign, digits) = BigInt::from_signed_bytes_be(unscaled).to_radix_be(10);
    put_digits(out, bound, sign == Sign::Minus, &digits, scale)
}

fn put_infinity(
    out: &mut Vec<u8>,
    bound: Option<NumericBound>,
    sign: u16,
) -> Result<(), ValueError> {
    if bound.is_some() {
        return Err(out_of_range("expected a finite number"));
    }
    put_special(out, sign);
    Ok(())
}

fn put_special(out: &mut Vec<u8>, sign: u16) {
    put_header(out, Header { groups: 0, weight: 0, sign, scale: 0 });
}

/// Base-10 000 digits of a number below 2^128, the least significant first. The last one is not
/// zero unless the number is.
struct Groups {
    // 39 decimal digits shifted by up to three fill eleven groups.
    digits: [u16; 12],
    len: usize,
}

impl Groups {
    /// The digits of `magnitude × 10^shift`, where `shift` is 0 to 3.
    fn of(magnitude: u128, shift: i64) -> Self {
        let mut groups = Self { digits: [0; 12], len: 0 };
        // Only the lowest group is shifted: the others start at a multiple of four digits anyway.
        let (divisor, factor) = match shift {
            1 => (1_000_u64, 10_u64),
            2 => (100, 100),
            3 => (10, 1_000),
            _ => (10_000, 1),
        };
        let (lowest, mut rest) = divide(magnitude, divisor);
        groups.push(lowest.saturating_mul(factor));
        while u64::try_from(rest).is_err() {
            let (mut low, high) = divide(rest, 10_000_000_000_000_000);
            for _ in 0..4 {
                groups.push(low % 10_000);
                low /= 10_000;
            }
            rest = high;
        }
        let mut rest = u64::try_from(rest).unwrap_or(0);
        while rest > 0 {
            groups.push(rest % 10_000);
            rest /= 10_000;
        }
        groups
    }

    fn push(&mut self, group: u64) {
        if let (Some(slot), Ok(group)) = (self.digits.get_mut(self.len), u16::try_from(group)) {
            *slot = group;
            self.len = self.len.saturating_add(1);
        }
    }

    fn as_slice(&self) -> &[u16] {
        self.digits.get(..self.len).unwrap_or_default()
    }
}

/// Remainder and quotient; in 64 bits where the number allows it, which is several times faster.
fn divide(number: u128, divisor: u64) -> (u64, u128) {
    if let Ok(number) = u64::try_from(number) {
        let quotient = number.checked_div(divisor).unwrap_or(0);
        return (number.checked_rem(divisor).unwrap_or(0), quotient.into());
    }
    let wide = u128::from(divisor);
    let remainder = number.checked_rem(wide).and_then(|rest| u64::try_from(rest).ok());
    (remainder.unwrap_or(0), number.checked_div(wide).unwrap_or(0))
}

fn put_magnitude(
    out: &mut Vec<u8>,
    bound: Option<NumericBound>,
    negative: bool,
    magnitude: u128,
    scale: i64,
) -> Result<(), ValueError> {
    if magnitude == 0 {
        put_header(out, Header { groups: 0, weight: 0, sign: POSITIVE, scale: shown(scale) });
        return Ok(());
    }
    let digits = i64::from(magnitude.ilog10()).saturating_add(1);
    let is_multiple = |excess: i64| {
        let power = usize::try_from(excess).ok().and_then(|excess| POWERS.get(excess));
        power.and_then(|power| magnitude.checked_rem(*power)) == Some(0)
    };
    check(bound, digits, scale, is_multiple)?;

    let exponent = scale.saturating_neg();
    let groups = Groups::of(magnitude, exponent.rem_euclid(4));
    let all = groups.as_slice();
    let zeros = all.iter().take_while(|group| **group == 0).count();
    let kept = all.get(zeros..).unwrap_or_default();
    let above_lowest = i64::try_from(all.len()).unwrap_or(0).saturating_sub(1);
    let weight = exponent.div_euclid(4).saturating_add(above_lowest);
    let sign = if negative { NEGATIVE } else { POSITIVE };
    put_header(out, Header { groups: kept.len(), weight, sign, scale: shown(scale) });
    for group in kept.iter().rev() {
        out.extend_from_slice(&group.to_be_bytes());
    }
    Ok(())
}

/// Appends a number from its decimal digits, the most significant first and not zero.
fn put_digits(
    out: &mut Vec<u8>,
    bound: Option<NumericBound>,
    negative: bool,
    digits: &[u8],
    scale: i64,
) -> Result<(), ValueError> {
    let zeros = digits.iter().rev().take_while(|digit| **digit == 0).count();
    let len = i64::try_from(digits.len()).map_err(|_| beyond())?;
    let is_multiple = |excess: i64| i64::try_from(zeros).is_ok_and(|zeros| zeros >= excess);
    check(bound, len, scale, is_multiple)?;

    // Digits before the point, which may be less than none; the first group holds one to four.
    let whole = len.saturating_sub(scale);
    let weight = whole.saturating_sub(1).div_euclid(4);
    let first = whole.saturating_sub(weight.saturating_mul(4));
    let first = usize::try_from(first).unwrap_or(4);
    let significant = digits.get(..digits.len().saturating_sub(zeros)).unwrap_or_default();
    let (head, tail) = significant.split_at(first.min(significant.len()));
    let groups = tail.len().div_ceil(4).saturating_add(1);
    let sign = if negative { NEGATIVE } else { POSITIVE };
    put_header(out, Header { groups, weight, sign, scale: shown(scale) });
    // Only the very last group lacks digits, at its right; a short head that is also the last one
    // lacks those up to the point's alignment.
    put_group(out, head, first);
    for group in tail.chunks(4) {
        put_group(out, group, 4);
    }
    Ok(())
}

/// Appends one group of `width` decimal digits, of which trailing zeros are left out.
fn put_group(out: &mut Vec<u8>, digits: &[u8], width: usize) {
    let mut group = 0_u16;
    for place in 0..width {
        let digit = digits.get(place).copied().unwrap_or(0);
        group = group.saturating_mul(10).saturating_add(u16::from(digit));
    }
    out.extend_from_slice(&group.to_be_bytes());
}

/// Checks a non-zero number of `digits` digits against the column and against PostgreSQL's limits.
fn check(
    bound: Option<NumericBound>,
    digits: i64,
    scale: i64,
    is_multiple_of_ten_to_the: impl Fn(i64) -> bool,
) -> Result<(), ValueError> {
    let (integer_digits_max, scale_max) = match bound {
        Some(bound) => (bound.integer_digits(), i64::from(bound.scale)),
        None => (INTEGER_DIGITS_MAX, SCALE_MAX),
    };
    if digits.saturating_sub(scale) > integer_digits_max {
        return Err(match bound {
            Some(_) => out_of_range(format!(
                "expected at most {integer_digits_max} digits before the point"
            )),
            None => beyond(),
        });
    }
    let excess = scale.saturating_sub(scale_max);
    if excess > 0 && !is_multiple_of_ten_to_the(excess) {
        return Err(not_exact(format!("expected at most {scale_max} digits after the point")));
    }
    Ok(())
}

/// How many digits after the point are shown. Digits beyond the limit are zeros here.
fn shown(scale: i64) -> u16 {
    u16::try_from(scale.clamp(0, SCALE_MAX)).unwrap_or(0)
}

#[derive(Clone, Copy)]
struct Header {
    groups: usize,
    weight: i64,
    sign: u16,
    scale: u16,
}

/// Appends the length word and the four words before the digits. The checks above keep the number
/// of groups below 36 865 and the weight between −4 106 and 32 767.
fn put_header(out: &mut Vec<u8>, header: Header) {
    let groups = u16::try_from(header.groups).unwrap_or(u16::MAX);
    let weight = i16::try_from(header.weight).unwrap_or(i16::MAX);
    let len = u32::from(groups).saturating_mul(2).saturating_add(8);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&groups.to_be_bytes());
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&header.sign.to_be_bytes());
    out.extend_from_slice(&header.scale.to_be_bytes());
}

#[cold]
fn beyond() -> ValueError {
    out_of_range("expected at most 131072 digits before the point")
}
