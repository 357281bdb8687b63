//! The extension `hstore`: how many pairs, then for each the key's and the value's length and bytes.

use std::collections::BTreeMap;

use cdc_core::{Map, Value};

use super::array::fill_length;
use super::cell;
use super::error::{ValueError, invalid_form, wrong_type};

/// A map of texts as a JSON object, in the order of its keys as they came.
pub(super) fn json(map: Map<'_>) -> Result<String, ValueError> {
    let mut json = String::from("{");
    let quoted = |text: &str| {
        serde_json::to_string(text).map_err(|_| invalid_form("a text that JSON can hold"))
    };
    for (key, value) in map.iter() {
        let Value::Text(key) = key else { return Err(wrong_type("a text as a key", key)) };
        if json.len() > 1 {
            json.push_str(", ");
        }
        json.push_str(&quoted(key)?);
        json.push_str(": ");
        match (value,) {
            (Value::Null,) => json.push_str("null"),
            (Value::Text(text),) => json.push_str(&quoted(text)?),
            (_,) => return Err(wrong_type("a text as a value", value)),
        }
    }
    json.push('}');
    Ok(json)
}

/// Appends an `hstore` from a map of texts, or from the JSON object that stands for one.
pub(super) fn put(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    let start = out.len();
    // Length of the field and number of pairs, which are known at the end.
    out.extend_from_slice(&[0; 8]);
    let mut count = 0_i32;
    let mut put_pair = |key: &str, value: Option<&str>| {
        count = count.saturating_add(1);
        cell::put_text(out, key)?;
        if let Some(value) = value {
            return cell::put_text(out, value);
        }
        cell::put_null(out);
        Ok(())
    };
    if let Value::Map(map) = value {
        for (key, value) in map.iter() {
            let Value::Text(key) = key else { return Err(wrong_type("a text as a key", key)) };
            match (value,) {
                (Value::Null,) => put_pair(key, None)?,
                (Value::Text(text),) => put_pair(key, Some(text))?,
                (_,) => return Err(wrong_type("a text as a value", value)),
            }
        }
    } else if let Value::Text(json) = value {
        let pairs: BTreeMap<String, Option<String>> = serde_json::from_str(json)
            .map_err(|_| invalid_form("a JSON object with texts and nulls as its members"))?;
        for (key, value) in &pairs {
            put_pair(key, value.as_deref())?;
        }
    } else {
        return Err(wrong_type("a map", value));
    }
    let words = out.get_mut(start.saturating_add(4)..).unwrap_or_default();
    if let Some((slot, _)) = words.split_first_chunk_mut::<4>() {
        *slot = count.to_be_bytes();
    }
    fill_length(out, start)
}
