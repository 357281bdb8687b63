//! `boolean`, which is also what `bit(1)` becomes.

use super::CellInput;
use crate::error::CellError;
use crate::json::JsonKind;
use crate::row::{SemanticType, Value};
use crate::schema::ConnectSchema;

pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    (schema.name.is_none() && schema.kind == "boolean").then_some(SemanticType::Boolean)
}

pub(super) fn decode(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    if cell.reader.kind()? != JsonKind::Boolean {
        return Err(cell.wrong_type("a boolean"));
    }
    let value = cell.reader.boolean()?;
    cell.set(Value::Bool(value))?;
    Ok(())
}
