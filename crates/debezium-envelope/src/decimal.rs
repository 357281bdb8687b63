//! Exact decimals: an unscaled integer and a scale.

mod big;
mod parse;
mod text;

pub use parse::DecimalError;

/// An exact decimal: `unscaled × 10^-scale`, or one of PostgreSQL's three special values.
///
/// Most values fit the inline form. Wider ones stay in the bytes they arrived in.
/// There is no derived order: NaN and the infinities would sort by position in this enum.
///
/// Equality is that of the parts, so `1.1` and `1.10` differ;
/// [`is_same_number`](Self::is_same_number) compares the numbers. [`Display`](std::fmt::Display)
/// writes PostgreSQL's text form and keeps trailing zeros.
///
/// ```
/// use debezium_envelope::Decimal;
///
/// let price = Decimal::from_connect_bytes(&[0x01, 0xe2, 0x3a], 2);
/// assert_eq!(price.to_string(), "1234.50");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decimal<'a> {
    /// A value whose unscaled part fits 128 bits.
    Small {
        /// The value without its decimal point.
        unscaled: i128,
        /// Digits after the decimal point; negative for multiples of a power of ten.
        scale: i32,
    },
    /// A wider value.
    Wide {
        /// Big-endian two's complement, more than sixteen significant bytes.
        unscaled: &'a [u8],
        /// Digits after the decimal point.
        scale: i32,
    },
    /// Not a number.
    NaN,
    /// Positive infinity.
    Infinity,
    /// Negative infinity.
    NegInfinity,
}

impl<'a> Decimal<'a> {
    /// The decimal that Connect's `Decimal` encodes: big-endian two's complement and a scale.
    ///
    /// No bytes at all are zero. Redundant sign bytes are accepted and dropped.
    pub fn from_connect_bytes(bytes: &'a [u8], scale: i32) -> Self {
        let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
        let sign = if negative { 0xff } else { 0 };
        let mut significant = bytes;
        while let [first, rest @ ..] = significant
            && *first == sign
            && rest.first().is_some_and(|next| (*next >= 0x80) == negative)
        {
            significant = rest;
        }
        if significant.len() > 16 {
            return Self::Wide { unscaled: significant, scale };
        }
        let mut unscaled = if negative { -1_i128 } else { 0 };
        for byte in significant {
            unscaled = (unscaled << 8) | i128::from(*byte);
        }
        Self::Small { unscaled, scale }
    }
}

#[cfg(test)]
mod tests;
