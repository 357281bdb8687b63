//! Masking by a keyed hash: equal values stay equal, and nobody without the key can go back by
//! trying values.

use std::fmt::{self, Write};

use cdc_core::{RowBuffer, Value};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::canonical::write_canonical;

/// HMAC-SHA-256 under one key. The keyed state is computed once and copied per value.
#[derive(Clone)]
pub(crate) struct KeyedHash {
    state: Hmac<Sha256>,
}

impl KeyedHash {
    pub(crate) fn new(key: &[u8]) -> Self {
        let state = Hmac::new_from_slice(key).expect("HMAC takes a key of any length");
        Self { state }
    }

    /// Appends the hash of a value as lower-case hexadecimal text. NULL stays NULL and unavailable
    /// stays unavailable: both say something about the column, not about a person.
    pub(crate) fn push(&self, value: Value<'_>, derived: &mut RowBuffer) {
        if matches!(value, Value::Null | Value::Unavailable) {
            derived.push(value);
            return;
        }
        let mut mac = MacWriter(self.state.clone());
        write_canonical(&mut mac, value).expect("a hash takes text of any form and length");
        let mut hex = [0_u8; 64];
        let digest = mac.0.finalize().into_bytes();
        for (pair, byte) in hex.as_chunks_mut::<2>().0.iter_mut().zip(digest) {
            *pair = [hex_digit(byte >> 4), hex_digit(byte & 0x0f)];
        }
        derived.push(Value::Text(str::from_utf8(&hex).unwrap_or_default()));
    }
}

impl fmt::Debug for KeyedHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyedHash(***)")
    }
}

struct MacWriter(Hmac<Sha256>);

impl Write for MacWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.update(text.as_bytes());
        Ok(())
    }
}

fn hex_digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0'.saturating_add(nibble) } else { b'a'.saturating_add(nibble - 10) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cdc_core::{Column, RowShape, SemanticType};

    use super::*;

    fn hash(key: &[u8], value: Value<'_>) -> String {
        let shape = Arc::new(RowShape::new(vec![Column::new("h", SemanticType::Text)]));
        let mut derived = RowBuffer::new();
        KeyedHash::new(key).push(value, &mut derived);
        let hashed = derived.row(&shape, "").get(0);
        if let Value::Text(text) = hashed { text.to_owned() } else { format!("{hashed:?}") }
    }

    #[test]
    fn agrees_with_the_vectors_of_rfc_4231() {
        let cases: [(Vec<u8>, &str, &str); 4] = [
            (
                vec![0x0b; 20],
                "Hi There",
                "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
            ),
            (
                b"Jefe".to_vec(),
                "what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                vec![0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                vec![0xaa; 131],
                "This is a test using a larger than block-size key and a larger than block-size \
                 data. The key needs to be hashed before being used by the HMAC algorithm.",
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
        ];
        for (key, data, expected) in cases {
            assert_eq!(hash(&key, Value::Text(data)), expected, "{data}");
        }
    }

    #[test]
    fn a_number_hashes_as_its_text_and_absence_is_kept() {
        assert_eq!(hash(b"k", Value::Int32(42)), hash(b"k", Value::Text("42")));
        assert_ne!(hash(b"k", Value::Int32(42)), hash(b"l", Value::Int32(42)));
        assert_eq!(hash(b"k", Value::Null), "Null");
        assert_eq!(hash(b"k", Value::Unavailable), "Unavailable");
    }
}
