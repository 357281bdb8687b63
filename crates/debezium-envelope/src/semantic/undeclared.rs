//! Columns without schema and declaration: taken for what their JSON token says, nothing more.

use super::{CellInput, text};
use crate::decimal::Decimal;
use crate::error::CellError;
use crate::json::JsonKind;
use crate::row::Value;

/// A number that is no 64-bit integer stays a decimal, so that nothing is rounded before somebody
/// has said what it means. Arrays and objects could be several types and are refused.
pub(super) fn decode(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    match cell.reader.kind()? {
        JsonKind::Boolean => {
            let value = cell.reader.boolean()?;
            cell.set(Value::Bool(value))?;
        }
        JsonKind::String => {
            let token = cell.reader.string()?;
            text::store(cell, &token)?;
        }
        JsonKind::Number => {
            let number = cell.reader.number()?;
            match number.text.parse() {
                Ok(value) if number.integer => cell.set(Value::Int64(value))?,
                Ok(_) | Err(_) => {
                    let decimal =
                        Decimal::parse(number.text, &mut cell.scratch.bytes, cell.limits)?;
                    cell.buffer.put(cell.index, Value::Decimal(decimal))?;
                }
            }
        }
        found @ (JsonKind::Null | JsonKind::Array | JsonKind::Object) => {
            if found == JsonKind::Null {
                return Err(cell.reader.malformed("`null`").into());
            }
            return Err(CellError::Undeclared { found });
        }
    }
    Ok(())
}
