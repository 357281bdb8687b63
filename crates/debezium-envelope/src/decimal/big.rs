//! The slow road for decimals of any size; nothing on the path of a row comes here.

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};

use super::Decimal;

impl Decimal<'_> {
    /// Digits after the point, or `None` for the special values.
    pub fn scale(&self) -> Option<i32> {
        match *self {
            Self::Small { scale, .. } | Self::Wide { scale, .. } => Some(scale),
            Self::NaN | Self::Infinity | Self::NegInfinity => None,
        }
    }

    /// The value as a [`BigDecimal`], with its scale; `None` for the special values. Allocates.
    ///
    /// ```
    /// use debezium_envelope::Decimal;
    ///
    /// let amount = Decimal::Small { unscaled: -5, scale: 1 };
    /// assert_eq!(amount.to_big().map(|big| big.to_string()), Some("-0.5".into()));
    /// ```
    pub fn to_big(&self) -> Option<BigDecimal> {
        let (unscaled, scale) = self.big_parts()?;
        Some(BigDecimal::from_bigint(unscaled, scale.into()))
    }

    /// Whether both are the same number, whatever their scales: `1.1` is `1.10`, and NaN is NaN,
    /// as in PostgreSQL's own order of `numeric`.
    pub fn is_same_number(&self, other: &Decimal<'_>) -> bool {
        match (self.big_parts(), other.big_parts()) {
            (Some((one, _)), Some((two, _)))
                if one.sign() == Sign::NoSign || two.sign() == Sign::NoSign =>
            {
                one == two
            }
            (Some(one), Some(two)) => {
                one.1 == two.1 && one.0 == two.0 || stripped(one) == stripped(two)
            }
            (None, None) => {
                matches!(
                    (self, other),
                    (Self::NaN, Decimal::NaN)
                        | (Self::Infinity, Decimal::Infinity)
                        | (Self::NegInfinity, Decimal::NegInfinity)
                )
            }
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    pub(super) fn big_parts(&self) -> Option<(BigInt, i32)> {
        match *self {
            Self::Small { unscaled, scale } => Some((BigInt::from(unscaled), scale)),
            Self::Wide { unscaled, scale } => Some((BigInt::from_signed_bytes_be(unscaled), scale)),
            Self::NaN | Self::Infinity | Self::NegInfinity => None,
        }
    }

    /// The unscaled integer at another scale, when that is exact.
    pub(super) fn rescale_big(&self, scale: i32) -> Option<BigInt> {
        let (unscaled, own) = self.big_parts()?;
        if unscaled.sign() == Sign::NoSign {
            return Some(unscaled);
        }
        let factor = BigInt::from(10).pow(own.abs_diff(scale));
        if scale >= own {
            return unscaled.checked_mul(&factor);
        }
        let quotient = unscaled.checked_div(&factor)?;
        (quotient.checked_mul(&factor)? == unscaled).then_some(quotient)
    }
}

/// Digits without trailing zeros, and the scale that goes with them.
fn stripped((unscaled, scale): (BigInt, i32)) -> (String, i64) {
    let text = unscaled.to_string();
    let digits = text.trim_end_matches('0');
    let dropped = i64::try_from(text.len().saturating_sub(digits.len())).unwrap_or(i64::MAX);
    (digits.to_owned(), i64::from(scale).saturating_sub(dropped))
}
