//! PostgreSQL's text form of a decimal.

use std::fmt;

use super::Decimal;

/// Most zeros that the plain form may add; beyond it the exponent form is written, which
/// PostgreSQL reads too. Wide enough for every value that PostgreSQL itself can hold.
const PADDING_MAX: usize = 131_072;

impl fmt::Display for Decimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Small { unscaled, scale } => {
                let mut buffer = [0_u8; 39];
                let digits = digits_of(unscaled.unsigned_abs(), &mut buffer);
                write_plain(f, unscaled < 0, digits, scale)
            }
            Self::Wide { scale, .. } => {
                let text = self.big_parts().map(|(unscaled, _)| unscaled.to_string());
                let text = text.unwrap_or_default();
                let digits = text.strip_prefix('-').unwrap_or(&text);
                write_plain(f, text.starts_with('-'), digits, scale)
            }
            Self::NaN => f.write_str("NaN"),
            Self::Infinity => f.write_str("Infinity"),
            Self::NegInfinity => f.write_str("-Infinity"),
        }
    }
}

/// Decimal digits of a number that has at most 39 of them.
fn digits_of(mut number: u128, buffer: &mut [u8; 39]) -> &str {
    let mut used = 0_usize;
    for place in buffer.iter_mut().rev() {
        let digit = u8::try_from(number % 10).unwrap_or(0);
        *place = b'0'.saturating_add(digit);
        number /= 10;
        used = used.saturating_add(1);
        if number == 0 {
            break;
        }
    }
    let start = buffer.len().saturating_sub(used);
    buffer.get(start..).and_then(|digits| str::from_utf8(digits).ok()).unwrap_or_default()
}

fn write_plain(
    f: &mut fmt::Formatter<'_>,
    negative: bool,
    digits: &str,
    scale: i32,
) -> fmt::Result {
    if negative {
        f.write_str("-")?;
    }
    let magnitude = usize::try_from(scale.unsigned_abs()).unwrap_or(usize::MAX);
    if scale <= 0 {
        f.write_str(digits)?;
        if digits == "0" {
            return Ok(());
        }
        return if magnitude > PADDING_MAX {
            write!(f, "e{}", scale.unsigned_abs())
        } else {
            write_zeros(f, magnitude)
        };
    }
    match digits.len().checked_sub(magnitude) {
        Some(whole) if whole > 0 => {
            let (whole, fraction) = digits.split_at_checked(whole).unwrap_or((digits, ""));
            write!(f, "{whole}.{fraction}")
        }
        Some(_) | None => {
            let zeros = magnitude.saturating_sub(digits.len());
            if zeros > PADDING_MAX {
                return write!(f, "{digits}e-{magnitude}");
            }
            f.write_str("0.")?;
            write_zeros(f, zeros)?;
            f.write_str(digits)
        }
    }
}

fn write_zeros(f: &mut fmt::Formatter<'_>, mut count: usize) -> fmt::Result {
    const ZEROS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
    while count > 0 {
        let chunk = count.min(ZEROS.len());
        f.write_str(ZEROS.get(..chunk).unwrap_or_default())?;
        count = count.saturating_sub(chunk);
    }
    Ok(())
}
