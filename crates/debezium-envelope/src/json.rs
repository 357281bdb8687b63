//! A pull reader over JSON text, made for messages whose next member is usually known.
//!
//! A general parser hands out values; this one hands out positions. That gives three things that a
//! change message needs: numbers keep their exact text, so that no decimal passes through a float;
//! strings without escapes are byte ranges of the record, so that rows borrow them without copying;
//! and a predicted member name is one comparison of bytes. Skipping is iterative and counts depth
//! and values, so hostile nesting costs neither stack nor time.
//!
//! The grammar is RFC 8259 without extensions. A differential test holds it against `serde_json`.

mod guess;
mod string;

use std::ops::Range;

pub(crate) use self::guess::MemberGuess;
use crate::limits::Limits;

/// Why a text is not acceptable JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JsonError {
    /// The grammar asks for something else at this byte.
    Malformed { at: usize, expected: &'static str },
    /// Nesting passes the limit.
    TooDeep { at: usize },
    /// A number passes the limit.
    NumberTooLong { at: usize },
    /// More values than the limit allows.
    TooManyTokens,
}

/// The kind of a JSON value, told by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JsonKind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Boolean,
    /// A number.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl JsonKind {
    /// The kind's name with its article, for messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::String => "a string",
            Self::Array => "an array",
            Self::Object => "an object",
        }
    }
}

/// A string token: the range between its quotes, and whether escapes stand in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StringToken {
    pub(crate) range: Range<usize>,
    pub(crate) escaped: bool,
}

/// A number token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberToken<'t> {
    pub(crate) text: &'t str,
    /// Neither a fraction nor an exponent.
    pub(crate) integer: bool,
}

/// A cursor over one JSON text.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'t> {
    text: &'t str,
    at: usize,
    tokens_left: u32,
    depth_max: u32,
    number_bytes_max: usize,
}

/// The kinds of the enclosing containers as a stack of bits, innermost lowest; set for an object.
#[derive(Debug, Default)]
struct Nesting {
    bits: u128,
    depth: u32,
}

impl Nesting {
    fn push(&mut self, object: bool) {
        self.bits = (self.bits << 1) | u128::from(object);
        self.depth = self.depth.saturating_add(1);
    }

    fn pop(&mut self) {
        self.bits >>= 1;
        self.depth = self.depth.saturating_sub(1);
    }

    fn in_object(&self) -> bool {
        self.bits & 1 == 1
    }
}

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t str, limits: &Limits) -> Self {
        Self {
            text,
            at: 0,
            tokens_left: limits.tokens_max,
            depth_max: limits.depth(),
            number_bytes_max: limits.number_bytes(),
        }
    }

    /// A reader from here on that allows two levels more, for stepping over a payload with its rows:
    /// the limit counts from the columns.
    pub(crate) fn over_rows(&self) -> Self {
        Self { depth_max: self.depth_max.saturating_add(2), ..self.clone() }
    }

    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Moves to a position that an earlier call returned.
    pub(crate) fn seek(&mut self, at: usize) {
        self.at = at;
    }

    #[inline]
    pub(crate) fn rest(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    #[inline]
    fn advance(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    pub(crate) fn malformed(&self, expected: &'static str) -> JsonError {
        JsonError::Malformed { at: self.at, expected }
    }

    #[inline]
    fn skip_space(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.byte() {
            self.advance(1);
        }
    }

    /// Takes these bytes when they come next, exactly as written.
    #[inline]
    pub(crate) fn eat(&mut self, literal: &[u8]) -> bool {
        let found = self.rest().starts_with(literal);
        if found {
            self.advance(literal.len());
        }
        found
    }

    /// Takes `null` when it comes next.
    #[inline]
    pub(crate) fn eat_null(&mut self) -> bool {
        self.skip_space();
        self.eat(b"null")
    }

    /// The kind of the next value.
    #[inline]
    pub(crate) fn kind(&mut self) -> Result<JsonKind, JsonError> {
        self.skip_space();
        match self.byte() {
            Some(b'"') => Ok(JsonKind::String),
            Some(b'-' | b'0'..=b'9') => Ok(JsonKind::Number),
            Some(b'{') => Ok(JsonKind::Object),
            Some(b'[') => Ok(JsonKind::Array),
            Some(b't' | b'f') => Ok(JsonKind::Boolean),
            Some(b'n') => Ok(JsonKind::Null),
            Some(_) | None => Err(self.malformed("a value")),
        }
    }

    fn count_token(&mut self) -> Result<(), JsonError> {
        self.tokens_left = self.tokens_left.checked_sub(1).ok_or(JsonError::TooManyTokens)?;
        Ok(())
    }

    /// Enters an object.
    pub(crate) fn open_object(&mut self) -> Result<(), JsonError> {
        self.count_token()?;
        self.skip_space();
        if self.eat(b"{") { Ok(()) } else { Err(self.malformed("`{`")) }
    }

    /// The next member's name with the cursor on its value, or `None` behind the closing brace.
    ///
    /// `first` says that no member has been read from this object yet.
    pub(crate) fn member(&mut self, first: bool) -> Result<Option<StringToken>, JsonError> {
        self.skip_space();
        if self.eat(b"}") {
            return Ok(None);
        }
        if !first {
            if !self.eat(b",") {
                return Err(self.malformed("`,` or `}`"));
            }
            self.skip_space();
        }
        self.name().map(Some)
    }

    /// Enters an array.
    pub(crate) fn open_array(&mut self) -> Result<(), JsonError> {
        self.count_token()?;
        self.skip_space();
        if self.eat(b"[") { Ok(()) } else { Err(self.malformed("`[`")) }
    }

    /// Moves to the next element; false behind the closing bracket.
    ///
    /// `first` says that no element has been read from this array yet.
    pub(crate) fn element(&mut self, first: bool) -> Result<bool, JsonError> {
        self.skip_space();
        if self.eat(b"]") {
            return Ok(false);
        }
        if !first && !self.eat(b",") {
            return Err(self.malformed("`,` or `]`"));
        }
        self.count_token()?;
        Ok(true)
    }

    fn name(&mut self) -> Result<StringToken, JsonError> {
        self.count_token()?;
        self.skip_space();
        if self.byte() != Some(b'"') {
            return Err(self.malformed("a member name"));
        }
        let name = self.string()?;
        self.skip_space();
        if !self.eat(b":") {
            return Err(self.malformed("`:`"));
        }
        Ok(name)
    }

    /// A number in the grammar of JSON, within the limit of length.
    pub(crate) fn number(&mut self) -> Result<NumberToken<'t>, JsonError> {
        self.skip_space();
        let start = self.at;
        self.eat(b"-");
        match self.byte() {
            Some(b'0') => self.advance(1),
            Some(b'1'..=b'9') => self.digits()?,
            Some(_) | None => return Err(self.malformed("a digit")),
        }
        let mut integer = true;
        if self.eat(b".") {
            integer = false;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            integer = false;
            self.advance(1);
            if let Some(b'+' | b'-') = self.byte() {
                self.advance(1);
            }
            self.digits()?;
        }
        if self.at.saturating_sub(start) > self.number_bytes_max {
            return Err(JsonError::NumberTooLong { at: start });
        }
        Ok(NumberToken { text: self.slice(start..self.at), integer })
    }

    /// An integer of at most eighteen digits, which cannot overflow; `None` leaves the cursor where it
    /// is, and [`number`](Self::number) tells what stands there.
    #[inline]
    pub(crate) fn short_integer(&mut self) -> Option<i64> {
        let bytes = self.rest();
        let (negative, digits) = match bytes.split_first() {
            Some((b'-', digits)) => (true, digits),
            _ => (false, bytes),
        };
        let mut value = 0_i64;
        let mut count = 0_usize;
        for byte in digits.iter().take(18) {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit));
            count = count.wrapping_add(1);
        }
        let leading_zero = count > 1 && digits.first() == Some(&b'0');
        let goes_on = matches!(digits.get(count), Some(b'0'..=b'9' | b'.' | b'e' | b'E'));
        if count == 0 || leading_zero || goes_on {
            return None;
        }
        self.advance(count.wrapping_add(usize::from(negative)));
        Some(if negative { value.wrapping_neg() } else { value })
    }

    /// Takes the next member's name when it is this one, given as `,"name":` or, for the first member,
    /// counted without its comma.
    #[inline]
    pub(crate) fn eat_member(&mut self, first: bool, key: &[u8]) -> bool {
        self.eat(if first { key.get(1..).unwrap_or_default() } else { key })
    }

    fn digits(&mut self) -> Result<(), JsonError> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 {
            return Err(self.malformed("a digit"));
        }
        self.advance(count);
        Ok(())
    }

    /// `true` or `false`.
    pub(crate) fn boolean(&mut self) -> Result<bool, JsonError> {
        self.skip_space();
        if self.eat(b"true") {
            Ok(true)
        } else if self.eat(b"false") {
            Ok(false)
        } else {
            Err(self.malformed("`true` or `false`"))
        }
    }

    /// The text of a range that this reader returned.
    pub(crate) fn slice(&self, range: Range<usize>) -> &'t str {
        self.text.get(range).unwrap_or_default()
    }

    /// Steps over one value of any kind and returns where it stands.
    pub(crate) fn skip_value(&mut self) -> Result<Range<usize>, JsonError> {
        self.skip_space();
        let start = self.at;
        let mut open = Nesting::default();
        loop {
            self.count_token()?;
            if self.skip_scalar_or_enter(&mut open)? {
                continue;
            }
            if !self.close_finished(&mut open)? {
                return Ok(start..self.at);
            }
        }
    }

    /// Takes a scalar, an empty container, or the opening of a full one; true after an opening.
    fn skip_scalar_or_enter(&mut self, open: &mut Nesting) -> Result<bool, JsonError> {
        match self.kind()? {
            JsonKind::Null => {
                if !self.eat(b"null") {
                    return Err(self.malformed("`null`"));
                }
            }
            JsonKind::Boolean => {
                self.boolean()?;
            }
            JsonKind::Number => {
                self.number()?;
            }
            JsonKind::String => {
                self.string()?;
            }
            kind @ (JsonKind::Array | JsonKind::Object) => {
                let object = kind == JsonKind::Object;
                if open.depth >= self.depth_max {
                    return Err(JsonError::TooDeep { at: self.at });
                }
                self.advance(1);
                self.skip_space();
                if self.eat(if object { b"}" } else { b"]" }) {
                    return Ok(false);
                }
                open.push(object);
                if object {
                    self.name()?;
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// After a value: closes what ends here. True when another value follows inside a container.
    fn close_finished(&mut self, open: &mut Nesting) -> Result<bool, JsonError> {
        while open.depth > 0 {
            self.skip_space();
            if self.eat(b",") {
                if open.in_object() {
                    self.name()?;
                }
                return Ok(true);
            }
            let (close, expected): (&[u8], _) =
                if open.in_object() { (b"}", "`,` or `}`") } else { (b"]", "`,` or `]`") };
            if !self.eat(close) {
                return Err(self.malformed(expected));
            }
            open.pop();
        }
        Ok(false)
    }

    /// Checks that nothing but white space is left.
    pub(crate) fn end(&mut self) -> Result<(), JsonError> {
        self.skip_space();
        if self.byte().is_none() { Ok(()) } else { Err(self.malformed("the end of the text")) }
    }
}

#[cfg(test)]
mod tests;
