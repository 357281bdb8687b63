//! Maps: `hstore` in `hstore.handling.mode=map`, and what converters make of others.

use super::text::PLACEHOLDER;
use super::{CellInput, Role};
use crate::error::CellError;
use crate::json::JsonKind;
use crate::row::{SemanticType, Value};
use crate::schema::ConnectSchema;

pub(super) fn from_connect(schema: &ConnectSchema) -> Result<Option<SemanticType>, &'static str> {
    if (schema.name.as_deref(), schema.kind.as_str()) != (None, "map") {
        return Ok(None);
    }
    let key = super::from_connect(schema.keys.as_ref().ok_or("a map has no key schema")?)?;
    let value = super::from_connect(schema.values.as_ref().ok_or("a map has no value schema")?)?;
    let (key, value) = (Box::new(key), Box::new(value));
    let is_unsupported = |part: &SemanticType| matches!(part, SemanticType::Unsupported { .. });
    if is_unsupported(&key) || is_unsupported(&value) {
        return Ok(Some(SemanticType::Unsupported { name: format!("map({key},{value})") }));
    }
    Ok(Some(SemanticType::Map { key, value }))
}

/// Maps with text keys are objects, others are arrays of pairs.
pub(super) fn decode(
    key: &SemanticType,
    value: &SemanticType,
    cell: &mut CellInput<'_, '_>,
) -> Result<(), CellError> {
    let list = cell.buffer.open_list();
    let first = cell.buffer.len();
    if *key == SemanticType::Text {
        read_members(value, cell)?;
    } else {
        read_pairs(key, value, cell)?;
    }
    let second = first.saturating_add(1);
    let is_placeholder = cell.role == Role::Column
        && cell.buffer.len() == second.saturating_add(1)
        && [first, second].iter().all(|at| cell.buffer.own(*at) == Value::Text(PLACEHOLDER));
    if is_placeholder {
        cell.buffer.abandon_list(list);
        cell.set(Value::Unavailable)?;
    } else {
        cell.buffer.close_map(list);
        cell.buffer.move_last_to(cell.index);
    }
    Ok(())
}

fn read_members(value: &SemanticType, cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    if cell.reader.kind()? != JsonKind::Object {
        return Err(cell.wrong_type("an object with a member for each key"));
    }
    cell.reader.open_object()?;
    let mut first = true;
    while let Some(name) = cell.reader.member(first)? {
        first = false;
        let name = cell.reader.characters_in(&name, &mut cell.scratch.text);
        cell.buffer.append(Value::Text(name))?;
        let index = cell.buffer.push_null();
        super::decode(value, cell.at(index, Role::Element))?;
    }
    Ok(())
}

fn read_pairs(
    key: &SemanticType,
    value: &SemanticType,
    cell: &mut CellInput<'_, '_>,
) -> Result<(), CellError> {
    const EXPECTED: &str = "an array of pairs";
    if cell.reader.kind()? != JsonKind::Array {
        return Err(cell.wrong_type(EXPECTED));
    }
    cell.reader.open_array()?;
    let mut first = true;
    while cell.reader.element(first)? {
        first = false;
        if cell.reader.kind()? != JsonKind::Array {
            return Err(cell.wrong_type("a pair of key and value"));
        }
        cell.reader.open_array()?;
        for (part, is_key) in [(key, true), (value, false)] {
            if !cell.reader.element(is_key)? {
                return Err(CellError::InvalidText { expected: EXPECTED });
            }
            let index = cell.buffer.push_null();
            super::decode(part, cell.at(index, Role::Element))?;
            if is_key && cell.buffer.own(index).is_null() {
                return Err(CellError::InvalidText { expected: "a map without NULL keys" });
            }
        }
        if cell.reader.element(false)? {
            return Err(CellError::InvalidText { expected: EXPECTED });
        }
    }
    Ok(())
}
