//! Bit strings.

use std::fmt;

/// A bit string in the form in which Debezium sends it: little-endian bytes and, for `bit(n)`, the
/// length that the column declares.
///
/// The last bit of the SQL literal is the lowest bit of the first byte. Leading zeros do not travel:
/// a value of `bit(n)` gets them back from its length, a value of `bit varying` has lost them, and so
/// has no length of its own. Equality is that of the bits and the length, whatever zero bytes pad
/// them.
///
/// [`Display`](fmt::Display) writes PostgreSQL's text form. Without a length it starts with the
/// highest set bit and is empty for zero.
///
/// ```
/// use debezium_envelope::Bits;
///
/// // The bytes of B'101010101010' in a column of type bit(12).
/// let bits = Bits::new(&[0xaa, 0x0a], Some(12)).expect("no bit beyond the length");
/// assert_eq!(bits.to_string(), "101010101010");
/// assert_eq!(Bits::new(&[], Some(3)).expect("fits").to_string(), "000");
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    length: Option<u32>,
}

impl<'a> Bits<'a> {
    /// A bit string from its little-endian bytes; `None` when a bit is set beyond the length.
    pub fn new(bytes: &'a [u8], length: Option<u32>) -> Option<Self> {
        let used =
            bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last.saturating_add(1));
        let bytes = bytes.get(..used)?;
        let bits = Self { bytes, length };
        length.is_none_or(|length| bits.significant() <= u64::from(length)).then_some(bits)
    }

    /// The bytes, lowest first, without zero bytes at the end.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// How many bits the column declares; `None` when the value's own length did not travel.
    pub fn length(&self) -> Option<u32> {
        self.length
    }

    /// The bits from first to last as the text form shows them.
    pub fn iter(&self) -> impl Iterator<Item = bool> + use<'a> {
        let bytes = self.bytes;
        let length = self.length.map_or_else(|| self.significant(), u64::from);
        (0..length).rev().map(move |place| {
            let byte = usize::try_from(place / 8).ok().and_then(|index| bytes.get(index));
            byte.is_some_and(|byte| byte >> (place % 8) & 1 == 1)
        })
    }

    /// How many bits there are without leading zeros.
    fn significant(&self) -> u64 {
        let Some((last, rest)) = self.bytes.split_last() else { return 0 };
        let whole = u64::try_from(rest.len()).unwrap_or(u64::MAX).saturating_mul(8);
        whole.saturating_add(u64::from(u8::BITS.saturating_sub(last.leading_zeros())))
    }
}

impl PartialEq for Bits<'_> {
    fn eq(&self, other: &Self) -> bool {
        // Both are without zero bytes at the end since they were made.
        self.bytes == other.bytes && self.length == other.length
    }
}

impl fmt::Display for Bits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.iter().try_for_each(|bit| f.write_str(if bit { "1" } else { "0" }))
    }
}
