//! Arrays: braces for each dimension, elements in quotes where they need them.

use std::borrow::Cow;

use cdc_core::{RowBuffer, SemanticType, Value};

use super::TextError;
use super::quoted::quoted;

const FORM: TextError = TextError::Form { expected: "an array such as {1,NULL,3}" };
const IRREGULAR: TextError = TextError::Form {
    expected: "an array of at most six dimensions, which are the same everywhere",
};

/// Most dimensions, PostgreSQL's own bound.
const DIMENSIONS_MAX: usize = 6;

/// Sets the cell at `index` to an array. Lower bounds other than 1 are left out: nothing here can hold
/// them.
pub(super) fn put(
    buffer: &mut RowBuffer,
    index: usize,
    element: &SemanticType,
    text: &str,
) -> Result<(), TextError> {
    let len = buffer.len();
    let mut reader = Reader {
        rest: without_bounds(text),
        element,
        lengths: [None; DIMENSIONS_MAX],
        leaves: None,
    };
    let result = reader.dimension(buffer, 0).and_then(|()| reader.end());
    if result.is_ok() {
        buffer.move_last_to(index);
    } else {
        buffer.resize(len);
    }
    result
}

/// The text behind bounds such as `[0:2]=`.
fn without_bounds(text: &str) -> &str {
    let is_bound = |character: char| matches!(character, '0'..='9' | '-' | ':' | '[' | ']');
    match text.split_once('=') {
        Some((bounds, rest)) if bounds.starts_with('[') && bounds.chars().all(is_bound) => rest,
        Some(_) | None => text,
    }
}

struct Reader<'t> {
    rest: &'t str,
    element: &'t SemanticType,
    /// How many elements each dimension has, once one of it has ended.
    lengths: [Option<usize>; DIMENSIONS_MAX],
    /// The dimension whose elements are values.
    leaves: Option<usize>,
}

impl<'t> Reader<'t> {
    /// Appends one dimension and those inside it.
    fn dimension(&mut self, buffer: &mut RowBuffer, depth: usize) -> Result<(), TextError> {
        if depth >= DIMENSIONS_MAX {
            return Err(IRREGULAR);
        }
        self.expect('{')?;
        let list = buffer.open_list();
        let mut count = 0_usize;
        while !self.eat('}') {
            if count > 0 {
                self.delimiter()?;
            }
            if self.rest.starts_with('{') {
                self.dimension(buffer, depth.saturating_add(1))?;
            } else {
                self.leaf(buffer, depth)?;
            }
            count = count.saturating_add(1);
        }
        let length = self.lengths.get_mut(depth).ok_or(IRREGULAR)?;
        if *length.get_or_insert(count) != count || (depth > 0 && count == 0) {
            return Err(IRREGULAR);
        }
        buffer.close_array(list);
        Ok(())
    }

    /// Appends one value.
    fn leaf(&mut self, buffer: &mut RowBuffer, depth: usize) -> Result<(), TextError> {
        // Beside a value stands no array.
        if *self.leaves.get_or_insert(depth) != depth {
            return Err(IRREGULAR);
        }
        let place = buffer.len();
        buffer.push(Value::Null);
        let text = if let Some(rest) = self.rest.strip_prefix('"') {
            let (text, rest) = quoted(rest).ok_or(FORM)?;
            self.rest = rest;
            text
        } else {
            match self.bare()? {
                "NULL" => return Ok(()),
                text => Cow::Borrowed(text),
            }
        };
        super::read(buffer, place, self.element, &text)
    }

    /// An element without quotes, up to what ends it.
    fn bare(&mut self) -> Result<&'t str, TextError> {
        let is_shape = self.is_shape();
        let end = self.rest.bytes().enumerate().find(|(at, byte)| match byte {
            b'}' | b'{' | b'"' | b'\\' => true,
            b':' | b';' => is_shape,
            // A `box` has commas inside it, which is why another character stands between two.
            b',' => !is_shape || self.rest.get(..*at) == Some("NULL"),
            _ => false,
        });
        let (end, _) = end.ok_or(FORM)?;
        let (text, rest) = self.rest.split_at_checked(end).ok_or(FORM)?;
        if text.is_empty() {
            return Err(FORM);
        }
        self.rest = rest;
        Ok(text)
    }

    /// Types name the character between their elements: `;` for `box`, `:` for `PostGIS`, else a comma.
    fn delimiter(&mut self) -> Result<(), TextError> {
        let found = self.eat(',') || (self.is_shape() && (self.eat(';') || self.eat(':')));
        if found { Ok(()) } else { Err(FORM) }
    }

    fn is_shape(&self) -> bool {
        matches!(self.element, SemanticType::Geometry | SemanticType::Geography)
    }

    fn eat(&mut self, character: char) -> bool {
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, character: char) -> Result<(), TextError> {
        if self.eat(character) { Ok(()) } else { Err(FORM) }
    }

    fn end(&self) -> Result<(), TextError> {
        if self.rest.is_empty() { Ok(()) } else { Err(FORM) }
    }
}
