//! Decimals from text, exactly, within limits.

use bigdecimal::num_bigint::BigInt;

use super::Decimal;
use crate::limits::Limits;

/// Why a text or a byte string is not an acceptable decimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecimalError {
    /// No bytes: Connect never writes that, not even for zero.
    #[error("the unscaled value has no bytes")]
    Empty {},
    /// Not base64 in the standard alphabet with padding.
    #[error("the unscaled value is not standard padded base64")]
    NotBase64 {},
    /// Not decimal text.
    #[error("the text is not a decimal number")]
    NotANumber {},
    /// More digits than the limits allow.
    #[error("the value has more digits than the limit")]
    TooManyDigits {},
    /// A scale beyond the limits.
    #[error("the scale is beyond the limit")]
    ScaleOutOfRange {},
    /// A number that would gain more zeros at its declared scale than the limits allow.
    #[error("the value would gain more zeros at its declared scale than the limit")]
    TooMuchGrowth {},
    /// A number with more fraction digits than its declared scale holds.
    #[error("the value is not exact at the declared scale")]
    Inexact {},
    /// A variable-scale decimal without its scale.
    #[error("the scale is missing")]
    MissingScale {},
    /// A variable-scale decimal without its unscaled value.
    #[error("the unscaled value is missing")]
    MissingValue {},
}

/// The digits of the greatest number of 128 bits.
const SMALL_DIGITS: i64 = 39;

/// The parts of decimal text: sign, digits around the point, exponent.
struct Parts<'t> {
    negative: bool,
    whole: &'t str,
    fraction: &'t str,
    exponent: i32,
}

fn split(text: &str) -> Result<Parts<'_>, DecimalError> {
    let bad = DecimalError::NotANumber {};
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        None => (text, 0),
        Some((mantissa, exponent)) => {
            let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
            if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(bad);
            }
            (mantissa, exponent.parse().map_err(|_| DecimalError::ScaleOutOfRange {})?)
        }
    };
    let (negative, magnitude) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = magnitude.split_once('.').unwrap_or((magnitude, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits(whole) || !digits(fraction) {
        return Err(bad);
    }
    Ok(Parts { negative, whole, fraction, exponent })
}

fn special(text: &str) -> Option<Decimal<'static>> {
    match text {
        "NaN" | "NAN" => Some(Decimal::NaN),
        "Infinity" | "POSITIVE_INFINITY" => Some(Decimal::Infinity),
        "-Infinity" | "NEGATIVE_INFINITY" => Some(Decimal::NegInfinity),
        _ => None,
    }
}

/// The unscaled integer of the parts when it fits 128 bits.
fn small(parts: &Parts<'_>) -> Option<i128> {
    let mut unscaled = 0_i128;
    for digit in parts.whole.bytes().chain(parts.fraction.bytes()) {
        let digit = i128::from(digit.wrapping_sub(b'0'));
        let digit = if parts.negative { digit.checked_neg()? } else { digit };
        unscaled = unscaled.checked_mul(10)?.checked_add(digit)?;
    }
    Some(unscaled)
}

impl<'a> Decimal<'a> {
    /// The decimal that a text names: digits with an optional sign, point and exponent, `NaN`,
    /// `Infinity`, `-Infinity`, or the words that Debezium's `string` mode uses for them.
    ///
    /// The scale is the number of digits after the point, less the exponent, so `1.10` keeps its
    /// zero. A value beyond 128 bits is put into `scratch`, whose earlier content is replaced.
    ///
    /// ```
    /// use debezium_envelope::{Decimal, Limits};
    ///
    /// let mut scratch = Vec::new();
    /// let tenth = Decimal::parse("1.10", &mut scratch, &Limits::default())?;
    /// assert_eq!(tenth, Decimal::Small { unscaled: 110, scale: 2 });
    /// # Ok::<(), debezium_envelope::DecimalError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`DecimalError`] for text that is no decimal and for values beyond the limits.
    pub fn parse(
        text: &str,
        scratch: &'a mut Vec<u8>,
        limits: &Limits,
    ) -> Result<Self, DecimalError> {
        if let Some(special) = special(text) {
            return Ok(special);
        }
        let parts = split(text)?;
        let places = i32::try_from(parts.fraction.len()).unwrap_or(i32::MAX);
        let scale = places.checked_sub(parts.exponent).ok_or(DecimalError::ScaleOutOfRange {})?;
        check_scale(scale, limits)?;
        if let Some(unscaled) = small(&parts) {
            check_zeros(unscaled, scale, limits)?;
            return Ok(Self::Small { unscaled, scale });
        }
        let whole = parts.whole.trim_start_matches('0');
        let digits = whole.len().saturating_add(parts.fraction.len());
        check_digits(digits, scale, limits)?;
        let sign = if parts.negative { "-" } else { "" };
        let joined = [sign, whole, parts.fraction].concat();
        let unscaled: BigInt = joined.parse().map_err(|_| DecimalError::NotANumber {})?;
        scratch.clear();
        scratch.extend_from_slice(&unscaled.to_signed_bytes_be());
        Ok(Self::from_connect_bytes(scratch, scale))
    }

    /// Checks a decimal that came as bytes against the limits.
    pub(crate) fn check(&self, limits: &Limits) -> Result<(), DecimalError> {
        match *self {
            Self::Small { unscaled, scale } => {
                check_scale(scale, limits)?;
                check_zeros(unscaled, scale, limits)
            }
            Self::Wide { unscaled, scale } => {
                check_scale(scale, limits)?;
                // A byte is log10(256) = 2.408… digits; rounding down keeps every legal value.
                let digits = unscaled.len().saturating_sub(1).saturating_mul(2_408) / 1_000;
                check_digits(digits, scale, limits)
            }
            Self::NaN | Self::Infinity | Self::NegInfinity => Ok(()),
        }
    }

    /// The same number with another scale, or an error when digits other than zero would be lost.
    pub(crate) fn rescale(
        self,
        scale: i32,
        scratch: &'a mut Vec<u8>,
        limits: &Limits,
    ) -> Result<Self, DecimalError> {
        check_scale(scale, limits)?;
        let Some(own) = self.scale().filter(|own| *own != scale) else { return Ok(self) };
        if let Self::Small { unscaled: 0, .. } = self {
            return Ok(Self::Small { unscaled: 0, scale });
        }
        if let Some(small) = self.rescale_small(scale) {
            return Ok(small);
        }
        let change = i64::from(scale).saturating_sub(own.into());
        if change > i64::from(limits.decimal_growth_max) {
            return Err(DecimalError::TooMuchGrowth {});
        }
        if matches!(self, Self::Small { .. }) && change < -SMALL_DIGITS {
            // So many zeros do not fit 128 bits, so there are other digits among them.
            return Err(DecimalError::Inexact {});
        }
        let exact = self.rescale_big(scale).ok_or(DecimalError::Inexact {})?;
        scratch.clear();
        scratch.extend_from_slice(&exact.to_signed_bytes_be());
        let result = Self::from_connect_bytes(scratch, scale);
        result.check(limits)?;
        Ok(result)
    }

    fn rescale_small(self, scale: i32) -> Option<Self> {
        let Self::Small { unscaled, scale: own } = self else { return None };
        let factor = 10_i128.checked_pow(own.abs_diff(scale))?;
        let unscaled = if scale > own {
            unscaled.checked_mul(factor)?
        } else {
            (unscaled.checked_rem(factor)? == 0).then(|| unscaled.checked_div(factor))??
        };
        Some(Self::Small { unscaled, scale })
    }
}

fn check_scale(scale: i32, limits: &Limits) -> Result<(), DecimalError> {
    let bound = if scale < 0 { limits.decimal_digits_max } else { limits.decimal_scale_max };
    if scale.unsigned_abs() > bound { Err(DecimalError::ScaleOutOfRange {}) } else { Ok(()) }
}

/// Checks the digits before the point of an integer of `digits` digits at `scale`.
/// A small number has few digits, but a negative scale puts zeros behind them.
fn check_zeros(unscaled: i128, scale: i32, limits: &Limits) -> Result<(), DecimalError> {
    if scale >= 0 {
        return Ok(());
    }
    let digits = unscaled.unsigned_abs().checked_ilog10().map_or(0, |log| log.saturating_add(1));
    check_digits(usize::try_from(digits).unwrap_or(usize::MAX), scale, limits)
}

fn check_digits(digits: usize, scale: i32, limits: &Limits) -> Result<(), DecimalError> {
    let digits = i64::try_from(digits).unwrap_or(i64::MAX);
    if digits.saturating_sub(scale.into()) > i64::from(limits.decimal_digits_max) {
        return Err(DecimalError::TooManyDigits {});
    }
    Ok(())
}
