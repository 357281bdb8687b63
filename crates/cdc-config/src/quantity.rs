//! Durations and sizes as people write them: a whole number and a unit, never a bare number.
//!
//! A bare `30` is read as seconds by one person and as milliseconds by another, so the unit is
//! required; fractions are refused because a smaller unit always exists.

use std::time::Duration;

const DURATION_UNITS: [(&str, u64); 5] =
    [("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const BYTE_UNITS: [(&str, u64); 10] = [
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// Why a text is not a duration or a size. The message completes "expected".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuantityError {
    /// The text is not a whole number followed by one of the units of time.
    #[error("a whole number with a unit (ms, s, m, h, d), such as \"500ms\", \"10s\" or \"5m\"")]
    NotADuration {},
    /// The text is not a whole number followed by one of the units of size.
    #[error(
        "a whole number with a unit (B, kB, MB, GB, TB, KiB, MiB, GiB, TiB), such as \"40 MiB\""
    )]
    NotASize {},
    /// The number with its unit is beyond the range of 64 bits.
    #[error("a smaller quantity: this one does not fit into 64 bits")]
    TooLarge {},
}

/// Reads a duration such as `500ms`, `10s`, `5 m`, `2h` or `1d`.
///
/// # Errors
///
/// [`QuantityError`]; its message completes the word "expected".
///
/// ```
/// # use cdc_config::parse_duration;
/// assert_eq!(parse_duration("5m").unwrap(), std::time::Duration::from_mins(5));
/// assert!(parse_duration("5").is_err());
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    quantity(text, &DURATION_UNITS, QuantityError::NotADuration {}).map(Duration::from_millis)
}

/// Reads a size such as `512 KiB`, `40MiB` or `1MB`, in bytes. `kB`, `MB`, … are powers of 1000,
/// `KiB`, `MiB`, … powers of 1024; letters count in their case, because `Mb` means bits to many.
///
/// # Errors
///
/// [`QuantityError`]; its message completes the word "expected".
///
/// ```
/// # use cdc_config::parse_bytes;
/// assert_eq!(parse_bytes("40 MiB").unwrap(), 40 * 1024 * 1024);
/// assert!(parse_bytes("40").is_err());
/// ```
pub fn parse_bytes(text: &str) -> Result<u64, QuantityError> {
    quantity(text, &BYTE_UNITS, QuantityError::NotASize {})
}

fn quantity(text: &str, units: &[(&str, u64)], shape: QuantityError) -> Result<u64, QuantityError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or(shape)?;
    let unit = unit.strip_prefix(' ').unwrap_or(unit);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit).ok_or(shape)?;
    if number.is_empty() {
        return Err(shape);
    }
    // The number is all digits here, so the only way to fail is its size.
    let number: u64 = number.parse().map_err(|_| QuantityError::TooLarge {})?;
    number.checked_mul(*factor).ok_or(QuantityError::TooLarge {})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_unit_of_time() {
        for (text, millis) in [
            ("0s", 0),
            ("500ms", 500),
            ("10s", 10_000),
            ("10 s", 10_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("1d", 86_400_000),
            ("007s", 7_000),
            ("18446744073709551615ms", u64::MAX),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn refuses_a_duration_in_any_other_form() {
        for text in [
            "", " ", "10", "s", "ms", " 10s", "10s ", "10  s", "1.5s", "-1s", "+1s", "10S",
            "10min", "1h30m", "1_000s", "10\ts", "١٠s", "10sé",
        ] {
            assert_eq!(parse_duration(text), Err(QuantityError::NotADuration {}), "{text}");
        }
        for text in ["18446744073709551616ms", "18446744073709551615s", "999999999999999999999d"] {
            assert_eq!(parse_duration(text), Err(QuantityError::TooLarge {}), "{text}");
        }
    }

    #[test]
    fn reads_every_unit_of_size() {
        for (text, bytes) in [
            ("0B", 0),
            ("1 B", 1),
            ("2kB", 2_000),
            ("2KB", 2_000),
            ("1MB", 1_000_000),
            ("3GB", 3_000_000_000),
            ("1TB", 1_000_000_000_000),
            ("512 KiB", 524_288),
            ("40 MiB", 41_943_040),
            ("40MiB", 41_943_040),
            ("1GiB", 1_073_741_824),
            ("1TiB", 1_099_511_627_776),
        ] {
            assert_eq!(parse_bytes(text), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn refuses_a_size_in_any_other_form() {
        for text in ["", "40", "MiB", "40 mib", "40Mb", "40M", "1.5MB", "-1B", "40 MiB ", "4 0B"] {
            assert_eq!(parse_bytes(text), Err(QuantityError::NotASize {}), "{text}");
        }
        assert_eq!(parse_bytes("16777216 TiB"), Err(QuantityError::TooLarge {}));
    }
}
