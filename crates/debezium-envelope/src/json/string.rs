//! String tokens: finding their end eight bytes at a time, and undoing escapes.

use std::borrow::Cow;

use super::{JsonError, Reader, StringToken};

const LOW: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;
const QUOTES: u64 = 0x2222_2222_2222_2222;
const BACKSLASHES: u64 = 0x5c5c_5c5c_5c5c_5c5c;
const SPACES: u64 = 0x2020_2020_2020_2020;

/// How many leading bytes are neither a quote, nor a backslash, nor a control character.
///
/// Borrows of the word-wide subtraction can only raise bits above the first true hit, so the lowest
/// bit is exact.
fn plain_prefix(bytes: &[u8]) -> usize {
    let (words, tail) = bytes.as_chunks::<8>();
    let mut length = 0_usize;
    for word in words {
        let word = u64::from_le_bytes(*word);
        let zero = |value: u64| value.wrapping_sub(LOW) & !value;
        let special =
            (zero(word ^ QUOTES) | zero(word ^ BACKSLASHES) | (word.wrapping_sub(SPACES) & !word))
                & HIGH;
        if special != 0 {
            let inside = usize::try_from(special.trailing_zeros() >> 3).unwrap_or(0);
            return length.saturating_add(inside);
        }
        length = length.saturating_add(8);
    }
    let inside = tail.iter().take_while(|byte| **byte >= 0x20 && !b"\"\\".contains(byte)).count();
    length.saturating_add(inside)
}

impl<'t> Reader<'t> {
    /// A string token; the cursor must be on white space or its opening quote.
    pub(crate) fn string(&mut self) -> Result<StringToken, JsonError> {
        self.skip_space();
        if !self.eat(b"\"") {
            return Err(self.malformed("a string"));
        }
        let start = self.at;
        let mut escaped = false;
        loop {
            self.advance(plain_prefix(self.rest()));
            match self.byte() {
                Some(b'"') => {
                    let range = start..self.at;
                    self.advance(1);
                    return Ok(StringToken { range, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.malformed("no control character in a string")),
                None => return Err(self.malformed("the end of a string")),
            }
        }
    }

    /// Reads one escape, or the two escapes of a surrogate pair.
    fn escape(&mut self) -> Result<char, JsonError> {
        self.advance(1);
        let simple = match self.byte() {
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            Some(_) | None => return Err(self.malformed("an escape")),
        };
        self.advance(1);
        Ok(simple)
    }

    fn unicode_escape(&mut self) -> Result<char, JsonError> {
        let at = self.at;
        let lone = JsonError::Malformed { at, expected: "both halves of a surrogate pair" };
        self.advance(1);
        let first = self.four_hex_digits()?;
        let pair = if (0xd800..0xdc00).contains(&first) {
            if !self.eat(b"\\u") {
                return Err(lone);
            }
            [first, self.four_hex_digits()?]
        } else {
            [first, first]
        };
        let units = if pair.first() == pair.last() { pair.get(..1) } else { pair.get(..) };
        let mut decoded = char::decode_utf16(units.unwrap_or_default().iter().copied());
        match (decoded.next(), decoded.next()) {
            (Some(Ok(decoded)), None) => Ok(decoded),
            _ => Err(lone),
        }
    }

    fn four_hex_digits(&mut self) -> Result<u16, JsonError> {
        let malformed = self.malformed("four hexadecimal digits");
        let digits = self.rest().get(..4).ok_or(malformed)?;
        let mut unit = 0_u16;
        for digit in digits {
            let digit = char::from(*digit).to_digit(16).ok_or(malformed)?;
            unit = (unit << 4) | u16::try_from(digit).unwrap_or(0);
        }
        self.advance(4);
        Ok(unit)
    }

    /// The characters of a token, appended to `out`.
    pub(crate) fn unescape_into(&self, token: &StringToken, out: &mut String) {
        let mut inner = self.clone();
        inner.at = token.range.start;
        while inner.at < token.range.end {
            let left = token.range.end.saturating_sub(inner.at);
            let plain = plain_prefix(inner.rest()).min(left);
            out.push_str(self.slice(inner.at..inner.at.saturating_add(plain)));
            inner.advance(plain);
            if inner.at >= token.range.end {
                return;
            }
            let Ok(character) = inner.escape() else { return };
            out.push(character);
        }
    }

    /// The characters of a token, borrowed from the text when it has no escapes.
    pub(crate) fn characters(&self, token: &StringToken) -> Cow<'t, str> {
        if !token.escaped {
            return Cow::Borrowed(self.slice(token.range.clone()));
        }
        let mut out = String::new();
        self.unescape_into(token, &mut out);
        Cow::Owned(out)
    }

    /// The characters of a token, borrowed from the text or from `scratch`.
    pub(crate) fn characters_in<'s>(&self, token: &StringToken, scratch: &'s mut String) -> &'s str
    where
        't: 's,
    {
        if !token.escaped {
            return self.slice(token.range.clone());
        }
        scratch.clear();
        self.unescape_into(token, scratch);
        scratch
    }
}
