//! The value of a record, whose beginning a batch may keep once for many records.
//!
//! Messages that carry their schema begin with the same few kilobytes each. Kept once, a batch holds
//! several times as many of them in the same memory, and what is read again and again stays in the
//! processor's cache.

use std::fmt;

/// Shorter beginnings are not worth the joining.
const SHARED_MIN: usize = 256;

/// The bytes of a value, in at most two parts.
///
/// ```
/// use cdc_core::RecordValue;
///
/// let value = RecordValue::from(b"{}".as_slice());
/// let mut scratch = Vec::new();
/// assert_eq!(value.joined(&mut scratch), b"{}");
/// ```
#[derive(Clone, Copy, Default)]
pub struct RecordValue<'r> {
    /// What earlier records of the batch begin with, too.
    shared: &'r [u8],
    rest: &'r [u8],
}

impl<'r> RecordValue<'r> {
    pub(crate) fn new(shared: &'r [u8], rest: &'r [u8]) -> Self {
        Self { shared, rest }
    }

    /// The bytes, in the two parts in which they stand.
    pub(crate) fn parts(self) -> [&'r [u8]; 2] {
        [self.shared, self.rest]
    }

    /// How many bytes it has.
    pub fn len(self) -> usize {
        self.shared.len().saturating_add(self.rest.len())
    }

    /// Whether it has no bytes. That is not the same as a null value, which is no `RecordValue`.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The bytes in one piece: as they stand where possible, otherwise copied into `scratch`, whose
    /// memory serves the next record again.
    pub fn joined<'s>(self, scratch: &'s mut Vec<u8>) -> &'s [u8]
    where
        'r: 's,
    {
        if self.shared.is_empty() {
            return self.rest;
        }
        scratch.clear();
        scratch.extend_from_slice(self.shared);
        scratch.extend_from_slice(self.rest);
        scratch
    }

    /// A copy of the bytes.
    pub fn to_vec(self) -> Vec<u8> {
        [self.shared, self.rest].concat()
    }
}

impl<'r> From<&'r [u8]> for RecordValue<'r> {
    fn from(bytes: &'r [u8]) -> Self {
        Self { shared: &[], rest: bytes }
    }
}

impl PartialEq for RecordValue<'_> {
    /// Compares the bytes, wherever they are parted.
    fn eq(&self, other: &Self) -> bool {
        let bytes = |value: &Self| value.shared.iter().chain(value.rest);
        self.len() == other.len() && bytes(self).eq(bytes(other))
    }
}

impl Eq for RecordValue<'_> {}

impl PartialEq<[u8]> for RecordValue<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        *self == RecordValue::from(other)
    }
}

impl fmt::Debug for RecordValue<'_> {
    /// Says how long it is: values do not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecordValue({} bytes)", self.len())
    }
}

/// How much of `value` stands at the beginning of `reference` already: nothing, or enough to share.
pub(crate) fn shared_length(reference: &[u8], value: &[u8]) -> usize {
    let (one, _) = reference.as_chunks::<64>();
    let (other, _) = value.as_chunks::<64>();
    let blocks = one.iter().zip(other).take_while(|(one, other)| one == other).count();
    let length = blocks.saturating_mul(64);
    if length < SHARED_MIN { 0 } else { length }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_bytes_are_equal_wherever_they_are_parted() {
        let bytes = b"abcdef";
        let whole = RecordValue::from(bytes.as_slice());
        for cut in 0..=bytes.len() {
            let (shared, rest) = bytes.split_at(cut);
            let value = RecordValue::new(shared, rest);
            assert_eq!(value, whole);
            assert_eq!(value.joined(&mut vec![9; 3]), bytes);
            assert_eq!((value.to_vec(), value.len()), (bytes.to_vec(), 6));
            assert_ne!(value, RecordValue::new(shared, b"other"));
        }
    }

    #[test]
    fn only_a_long_beginning_is_shared() {
        let reference = [7; 1_000];
        assert_eq!(shared_length(&reference, &reference[..255]), 0);
        assert_eq!(shared_length(&reference, &reference[..256]), 256);
        let mut other = reference;
        other[700] = 8;
        assert_eq!(shared_length(&reference, &other), 640);
        other[0] = 8;
        assert_eq!(shared_length(&reference, &other), 0);
        assert_eq!(shared_length(&[], &reference), 0);
    }
}
