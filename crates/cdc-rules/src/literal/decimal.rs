//! Exact comparison of decimals with a literal, without a heap allocation for values of up to
//! 128 bits.

use std::cmp::Ordering;

use cdc_core::Decimal;

/// A decimal literal. 38 digits are far more than a bound needs, and always fit 128 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DecimalLiteral {
    unscaled: i128,
    scale: i32,
}

impl DecimalLiteral {
    /// An optional minus sign, digits, and an optional point between digits.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let magnitude = text.strip_prefix('-').unwrap_or(text);
        let (whole, fraction) = match magnitude.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (magnitude, ""),
        };
        let places = whole.len().saturating_add(fraction.len());
        if whole.is_empty() || places > 38 {
            return None;
        }
        let mut unscaled = 0_i128;
        for digit in whole.chars().chain(fraction.chars()) {
            unscaled = unscaled * 10 + i128::from(digit.to_digit(10)?);
        }
        let unscaled = if magnitude.len() < text.len() { -unscaled } else { unscaled };
        Some(Self { unscaled, scale: i32::try_from(fraction.len()).ok()? })
    }

    pub(crate) fn as_decimal(self) -> Decimal<'static> {
        Decimal::Small { unscaled: self.unscaled, scale: self.scale }
    }

    /// How a value stands to the literal, in PostgreSQL's order: `-Infinity`, numbers, `Infinity`,
    /// NaN.
    pub(crate) fn order(self, value: &Decimal<'_>) -> Ordering {
        match *value {
            Decimal::Small { unscaled, scale } => {
                order_small((unscaled, scale), (self.unscaled, self.scale))
            }
            Decimal::Wide { unscaled, scale } => {
                if scale <= self.scale {
                    // Beyond 128 bits already at the coarser scale.
                    let negative = unscaled.first().is_some_and(|byte| *byte >= 0x80);
                    return if negative { Ordering::Less } else { Ordering::Greater };
                }
                value.to_big().cmp(&self.as_decimal().to_big())
            }
            Decimal::NaN | Decimal::Infinity => Ordering::Greater,
            Decimal::NegInfinity => Ordering::Less,
        }
    }
}

fn order_small(one: (i128, i32), two: (i128, i32)) -> Ordering {
    if one.1 > two.1 {
        return order_small(two, one).reverse();
    }
    // Bring the coarser one to the finer scale. When that does not fit 128 bits, it is further from
    // zero than the other can be, and its sign decides.
    let raised = 10_i128.checked_pow(two.1.abs_diff(one.1)).and_then(|by| one.0.checked_mul(by));
    match raised {
        Some(raised) => raised.cmp(&two.0),
        None if one.0 == 0 => 0.cmp(&two.0),
        None => one.0.cmp(&0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(value: (i128, i32), literal: &str) -> Ordering {
        let value = Decimal::Small { unscaled: value.0, scale: value.1 };
        DecimalLiteral::parse(literal).unwrap().order(&value)
    }

    #[test]
    fn scales_do_not_matter() {
        assert_eq!(order((110, 2), "1.1"), Ordering::Equal);
        assert_eq!(order((11, 1), "1.10"), Ordering::Equal);
        assert_eq!(order((1, -3), "1000"), Ordering::Equal);
        assert_eq!(order((1_000_001, 2), "10000"), Ordering::Greater);
        assert_eq!(order((-1, 20), "0"), Ordering::Less);
        assert_eq!(order((0, -200), "0.00"), Ordering::Equal);
        assert_eq!(order((1, -200), "99999999999999999999999999999999999999"), Ordering::Greater);
        assert_eq!(order((-1, -200), "-99999999999999999999999999999999999999"), Ordering::Less);
        assert_eq!(order((0, -200), "0.01"), Ordering::Less);
        assert_eq!(order((i128::MAX, 300), "0"), Ordering::Greater);
        assert_eq!(order((i128::MAX, 300), "0.01"), Ordering::Less);
    }

    #[test]
    fn wide_and_special_values_have_their_place() {
        let huge = [[1_u8].as_slice(), &[0; 20]].concat();
        let negative = [[0xfe_u8].as_slice(), &[0; 20]].concat();
        let literal = DecimalLiteral::parse("1.5").unwrap();
        for (value, expected) in [
            (Decimal::from_connect_bytes(&huge, 0), Ordering::Greater),
            (Decimal::from_connect_bytes(&negative, 0), Ordering::Less),
            (Decimal::from_connect_bytes(&huge, 60), Ordering::Less),
            (Decimal::from_connect_bytes(&huge, 40), Ordering::Greater),
            (Decimal::NaN, Ordering::Greater),
            (Decimal::Infinity, Ordering::Greater),
            (Decimal::NegInfinity, Ordering::Less),
        ] {
            assert_eq!(literal.order(&value), expected, "{value:?}");
        }
    }

    #[test]
    fn refuses_what_is_no_plain_decimal() {
        for bad in ["", "-", ".", "1.", ".5", "1e3", "+1", "1,5", " 1", "NaN", "--1", "٣"] {
            assert_eq!(DecimalLiteral::parse(bad), None, "{bad}");
        }
        assert_eq!(DecimalLiteral::parse(&"9".repeat(39)), None);
    }
}
