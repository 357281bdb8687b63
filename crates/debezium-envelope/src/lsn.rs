//! PostgreSQL's WAL coordinates as Debezium writes them.

use std::fmt;
use std::str::FromStr;

/// A position in PostgreSQL's write-ahead log.
///
/// Debezium writes it as a signed 64-bit number, PostgreSQL as two hexadecimal halves.
///
/// ```
/// use debezium_envelope::Lsn;
///
/// let lsn = Lsn::from_signed(305_419_896);
/// assert_eq!(lsn.to_string(), "0/12345678");
/// assert_eq!("0/12345678".parse(), Ok(lsn));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

/// A text that is not two hexadecimal numbers of at most 32 bits around a slash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("parsed an LSN that is not of the form 16/B374D848")]
pub struct ParseLsnError;

impl Lsn {
    /// The position behind the signed number of a message: the same 64 bits.
    pub fn from_signed(number: i64) -> Self {
        Self(number.cast_unsigned())
    }

    /// The signed number that a message carries.
    pub fn to_signed(self) -> i64 {
        self.0.cast_signed()
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl FromStr for Lsn {
    type Err = ParseLsnError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let half = |text: &str| {
            let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
            if digits { u32::from_str_radix(text, 16).ok() } else { None }
        };
        let (high, low) = text.split_once('/').ok_or(ParseLsnError)?;
        let (high, low) = half(high).zip(half(low)).ok_or(ParseLsnError)?;
        Ok(Self((u64::from(high) << 32) | u64::from(low)))
    }
}

/// Debezium's `source.sequence` for PostgreSQL: where the last transaction ended and where this
/// event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sequence {
    /// End of the last transaction that was committed before this event's; absent in snapshot rows
    /// and in the first transaction after a start of the connector. The same event can carry it once
    /// and lack it another time, so it must not be part of an identity.
    pub last_commit: Option<Lsn>,
    /// This event's own position.
    pub lsn: Option<Lsn>,
}

impl Sequence {
    /// The pair behind a text such as `[null,"374679376"]`.
    ///
    /// ```
    /// use debezium_envelope::{Lsn, Sequence};
    ///
    /// let sequence = Sequence::parse(r#"[null,"374679376"]"#);
    /// assert_eq!(sequence, Some(Sequence { last_commit: None, lsn: Some(Lsn(374_679_376)) }));
    /// ```
    pub fn parse(text: &str) -> Option<Self> {
        let (last_commit, lsn) =
            text.trim().strip_prefix('[')?.strip_suffix(']')?.split_once(',')?;
        let (last_commit, lsn) = (half(last_commit.trim()).ok()?, half(lsn.trim()).ok()?);
        Some(Self { last_commit, lsn })
    }
}

/// One half: `null`, or a decimal number in quotes.
fn half(text: &str) -> Result<Option<Lsn>, ParseLsnError> {
    if text == "null" {
        return Ok(None);
    }
    let digits = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let digits = digits.ok_or(ParseLsnError)?;
    if let Ok(number) = digits.parse::<i64>() {
        return Ok(Some(Lsn::from_signed(number)));
    }
    digits.parse().map(Lsn).map(Some).map_err(|_| ParseLsnError)
}

impl fmt::Display for Sequence {
    /// The text form that [`parse`](Self::parse) reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "[";
        for half in [self.last_commit, self.lsn] {
            f.write_str(separator)?;
            match half {
                None => f.write_str("null")?,
                Some(lsn) => write!(f, "\"{}\"", lsn.to_signed())?,
            }
            separator = ",";
        }
        f.write_str("]")
    }
}
