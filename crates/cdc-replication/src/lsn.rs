//! Places in PostgreSQL's write-ahead log.

use std::fmt;
use std::str::FromStr;

/// A place in the write-ahead log, in bytes since its beginning. It orders as the log does, within one
/// timeline of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(u64);

/// A text that is no place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a place in the write-ahead log such as 16/B374D848")]
pub struct LsnError;

impl Lsn {
    /// The place that PostgreSQL writes as `0/0`: none at all.
    pub const ZERO: Self = Self(0);

    /// A place by its distance from the beginning, in bytes.
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Its distance from the beginning, in bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// A place from the form that PostgreSQL writes: two hexadecimal numbers and a slash.
    ///
    /// # Errors
    ///
    /// Any other text.
    pub fn parse(text: &str) -> Result<Self, LsnError> {
        let (high, low) = text.split_once('/').ok_or(LsnError)?;
        Ok(Self((half(high)? << 32) | half(low)?))
    }
}

/// One of the two numbers: up to eight digits, and no sign, which the standard library would take.
fn half(text: &str) -> Result<u64, LsnError> {
    let fits = (1..=8).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !fits {
        return Err(LsnError);
    }
    u64::from_str_radix(text, 16).map_err(|_| LsnError)
}

impl FromStr for Lsn {
    type Err = LsnError;

    fn from_str(text: &str) -> Result<Self, LsnError> {
        Self::parse(text)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_is_that_of_the_server() {
        let lsn = Lsn::new(0x16_B374_D848);
        assert_eq!(lsn.to_string(), "16/B374D848");
        assert_eq!(Lsn::parse("16/b374d848"), Ok(lsn));
        assert_eq!(Lsn::parse("0/0"), Ok(Lsn::ZERO));
        assert_eq!(Lsn::parse("FFFFFFFF/FFFFFFFF"), Ok(Lsn::new(u64::MAX)));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "/", "1", "1/", "/1", "1/2/3", "+1/2", "1/ 2", "123456789/0", "x/0"] {
            assert_eq!(Lsn::parse(text), Err(LsnError), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn every_place_is_read_as_it_was_written(bytes: u64) {
            let lsn = Lsn::new(bytes);
            prop_assert_eq!(Lsn::parse(&lsn.to_string()), Ok(lsn));
        }
    }
}
