//! JSON documents, and the keys and values of an `hstore`, which travels as one.

use std::borrow::Cow;

use cdc_core::{RowBuffer, SemanticType, Value};

use super::TextError;
use super::quoted::quoted;

const HSTORE: TextError =
    TextError::Form { expected: "keys and values such as \"a\"=>\"1\", \"b\"=>NULL" };

/// Sets a document as it is, and an `hstore` as an object of its keys and values.
///
/// No document looks like an `hstore`: it is not empty, and behind a string stands no `=>`.
pub(super) fn put_json(buffer: &mut RowBuffer, index: usize, text: &str) -> Result<(), TextError> {
    let is_hstore = text.is_empty()
        || (text.starts_with('"') && Pairs::new(text).next().is_some_and(|pair| pair.is_ok()));
    if is_hstore {
        let object = object(text)?;
        buffer.set(index, Value::Text(&object));
    } else {
        buffer.set(index, Value::Text(text));
    }
    Ok(())
}

fn object(text: &str) -> Result<String, TextError> {
    let mut object = String::from("{");
    for (place, pair) in Pairs::new(text).enumerate() {
        let (key, value) = pair?;
        if place > 0 {
            object.push(',');
        }
        push_string(&mut object, &key)?;
        object.push(':');
        match value {
            Some(value) => push_string(&mut object, &value)?,
            None => object.push_str("null"),
        }
    }
    object.push('}');
    Ok(object)
}

fn push_string(object: &mut String, text: &str) -> Result<(), TextError> {
    object.push_str(&serde_json::to_string(text).map_err(|_| HSTORE)?);
    Ok(())
}

/// Sets an `hstore` as a map.
pub(super) fn put_map(
    buffer: &mut RowBuffer,
    index: usize,
    (key, value): (&SemanticType, &SemanticType),
    text: &str,
) -> Result<(), TextError> {
    if (key, value) != (&SemanticType::Text, &SemanticType::Text) {
        return Err(TextError::Untyped {});
    }
    let len = buffer.len();
    let list = buffer.open_list();
    for pair in Pairs::new(text) {
        let Ok((key, value)) = pair else {
            buffer.resize(len);
            return Err(HSTORE);
        };
        buffer.push(Value::Text(&key));
        buffer.push(value.as_deref().map_or(Value::Null, Value::Text));
    }
    buffer.close_map(list);
    buffer.move_last_to(index);
    Ok(())
}

/// A key with its value, `None` for NULL.
type Pair<'t> = (Cow<'t, str>, Option<Cow<'t, str>>);

/// The pairs of a text; the last item is an error when the text goes on as no pair does.
struct Pairs<'t> {
    rest: Option<&'t str>,
}

impl<'t> Pairs<'t> {
    fn new(text: &'t str) -> Self {
        Self { rest: (!text.is_empty()).then_some(text) }
    }

    fn pair(&mut self, text: &'t str) -> Option<Pair<'t>> {
        let (key, rest) = quoted(text.strip_prefix('"')?)?;
        let rest = rest.strip_prefix("=>")?;
        let (value, rest) = match rest.strip_prefix("NULL") {
            Some(rest) => (None, rest),
            None => quoted(rest.strip_prefix('"')?).map(|(value, rest)| (Some(value), rest))?,
        };
        self.rest = match rest {
            "" => None,
            rest => Some(rest.strip_prefix(", ")?),
        };
        Some((key, value))
    }
}

impl<'t> Iterator for Pairs<'t> {
    type Item = Result<Pair<'t>, TextError>;

    fn next(&mut self) -> Option<Self::Item> {
        let text = self.rest.take()?;
        Some(self.pair(text).ok_or(HSTORE))
    }
}
