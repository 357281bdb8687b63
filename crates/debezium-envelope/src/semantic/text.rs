//! Text, documents, labels and text forms of other types: strings that keep their bytes.

use super::{CellInput, Role};
use crate::error::CellError;
use crate::json::StringToken;
use crate::row::{SemanticType, Value};
use crate::schema::ConnectSchema;

/// What Debezium writes for a value that the source did not send.
pub(crate) const PLACEHOLDER: &str = "__debezium_unavailable_value";

/// The same for an `hstore` column that travels as JSON text.
const PLACEHOLDER_MAP: &str = r#"{"__debezium_unavailable_value":"__debezium_unavailable_value"}"#;

pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    match (schema.name.as_deref(), schema.kind.as_str()) {
        (None, "string") => Some(SemanticType::Text),
        (Some("io.debezium.data.Json"), "string") => Some(SemanticType::Json),
        (Some("io.debezium.data.Xml"), "string") => Some(SemanticType::Xml),
        (Some("io.debezium.data.Ltree"), "string") => Some(SemanticType::Ltree),
        (Some("io.debezium.data.Tsvector"), "string") => Some(SemanticType::Tsvector),
        (Some("io.debezium.data.Enum"), "string") => {
            let allowed = schema.parameter("allowed").map(labels).unwrap_or_default();
            Some(SemanticType::Enum { allowed })
        }
        (Some("io.debezium.data.EnumSet"), "string") => {
            let allowed = schema.parameter("allowed").map(labels).unwrap_or_default();
            Some(SemanticType::EnumSet { allowed })
        }
        _ => None,
    }
}

/// The labels of an `allowed` parameter. PostgreSQL's connector joins them with commas and escapes
/// nothing, in any release: a backslash is a part of its label.
fn labels(allowed: &str) -> Vec<String> {
    allowed.split(',').map(str::to_owned).collect()
}

pub(super) fn decode(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let token = cell.string("a string")?;
    store(cell, &token)
}

pub(super) fn decode_json(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let token = cell.string("a string")?;
    let text = cell.reader.characters_in(&token, &mut cell.scratch.text);
    if text == PLACEHOLDER_MAP && cell.role.detects() {
        cell.set(Value::Unavailable)?;
    } else {
        store(cell, &token)?;
    }
    Ok(())
}

/// Puts the characters of a token into the cell, by reference when they stand in the record. Elements
/// of lists are copied: their views know no record.
pub(super) fn store(cell: &mut CellInput<'_, '_>, token: &StringToken) -> Result<(), CellError> {
    if !token.escaped && cell.role == Role::Column {
        if cell.reader.slice(token.range.clone()) == PLACEHOLDER {
            cell.set(Value::Unavailable)?;
        } else {
            cell.buffer.set_record_text(cell.index, &token.range);
        }
        return Ok(());
    }
    let text = cell.reader.characters_in(token, &mut cell.scratch.text);
    // The placeholder needs no escape, so a column's text with one is none.
    let unavailable = cell.role == Role::FirstElement && text == PLACEHOLDER;
    cell.buffer
        .put(cell.index, if unavailable { Value::Unavailable } else { Value::Text(text) })?;
    Ok(())
}
