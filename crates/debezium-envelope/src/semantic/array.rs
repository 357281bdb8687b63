//! Arrays of any element type and several dimensions.
//!
//! Elements are read behind the row's cells and then moved together, so that an array costs no
//! allocation once its buffer has grown. An array that the source did not send has the placeholder
//! for its only element, or is, for integers and days, the placeholder's bytes as numbers.
//!
//! Debezium writes no second dimension: texts arrive as the names of Java objects, which are refused,
//! numbers as NULL, which cannot be told from what it says.

use super::text::PLACEHOLDER;
use super::{CellInput, Role};
use crate::error::CellError;
use crate::json::JsonKind;
use crate::row::{DIMENSIONS_MAX, Date, SemanticType, Value};
use crate::schema::ConnectSchema;

const EXPECTED: &str = "an array";
const TOO_DEEP: &str = "an array of at most six dimensions";
const NOT_JAVA: &str = "elements, instead of names of Java objects for the inner arrays";
const IRREGULAR: &str = "an array whose dimensions are the same everywhere";

pub(super) fn from_connect(schema: &ConnectSchema) -> Result<Option<SemanticType>, &'static str> {
    if (schema.name.as_deref(), schema.kind.as_str()) != (None, "array") {
        return Ok(None);
    }
    let items = schema.items.as_ref().ok_or("an array has no element schema")?;
    let element = super::from_connect(items)?;
    if let SemanticType::Array { .. } = element {
        // Further dimensions are not part of the type.
        return Ok(Some(element));
    }
    if !element.can_be_element() {
        return Ok(Some(SemanticType::Unsupported { name: format!("array({element})") }));
    }
    Ok(Some(SemanticType::Array { element: Box::new(element) }))
}

pub(super) fn decode(
    element: &SemanticType,
    cell: &mut CellInput<'_, '_>,
) -> Result<(), CellError> {
    let index = cell.index;
    read_dimension(element, cell, DIMENSIONS_MAX)?;
    if cell.role == Role::Column && is_placeholder(cell.buffer.own(index)) {
        cell.set(Value::Unavailable)?;
    }
    Ok(())
}

/// Reads one dimension into the cell, and those inside it.
///
/// Only a column's own only element can be the placeholder: inside further dimensions and inside maps
/// an equal text is what the source holds.
fn read_dimension(
    element: &SemanticType,
    cell: &mut CellInput<'_, '_>,
    dimensions_left: usize,
) -> Result<(), CellError> {
    if cell.reader.kind()? != JsonKind::Array {
        return Err(cell.wrong_type(EXPECTED));
    }
    let too_deep = CellError::InvalidText { expected: TOO_DEEP };
    let dimensions_left = dimensions_left.checked_sub(1).ok_or(too_deep)?;
    cell.reader.open_array()?;
    let list = cell.buffer.open_list();
    let first_at = cell.reader.at();
    let first_index = cell.buffer.len();
    let first_role = if cell.role == Role::Column { Role::FirstElement } else { Role::Element };
    let mut count = 0_usize;
    while cell.reader.element(count == 0)? {
        let role = if count == 0 { first_role } else { Role::Element };
        let index = cell.buffer.push_null();
        read_element(element, cell.at(index, role), dimensions_left)?;
        count = count.saturating_add(1);
    }
    if cell.buffer.own(first_index) == Value::Unavailable && count > 0 {
        if count == 1 {
            cell.buffer.abandon_list(list);
            cell.set(Value::Unavailable)?;
            return Ok(());
        }
        // Beside other elements it is no placeholder but what the source holds.
        let end = cell.reader.at();
        cell.reader.seek(first_at);
        super::decode(element, cell.at(first_index, Role::Element))?;
        cell.reader.seek(end);
    }
    let mut elements = first_index..first_index.saturating_add(count);
    if elements.clone().any(|index| is_java_array(cell.buffer.own(index))) {
        return Err(CellError::InvalidText { expected: NOT_JAVA });
    }
    if !elements.all(|index| alike(cell.buffer.own(first_index), cell.buffer.own(index))) {
        return Err(CellError::InvalidText { expected: IRREGULAR });
    }
    cell.buffer.close_array(list);
    cell.buffer.move_last_to(cell.index);
    Ok(())
}

fn read_element(
    element: &SemanticType,
    mut cell: CellInput<'_, '_>,
    dimensions_left: usize,
) -> Result<(), CellError> {
    if cell.reader.kind()? == JsonKind::Array {
        cell.role = Role::Element;
        read_dimension(element, &mut cell, dimensions_left)
    } else {
        super::decode(element, cell)
    }
}

/// Whether a text is how Java names an array, such as `[Ljava.lang.String;@526e8149`.
fn is_java_array(value: Value<'_>) -> bool {
    let Value::Text(text) = value else { return false };
    let hash = text.strip_prefix("[Ljava.lang.String;@");
    hash.is_some_and(|hash| {
        (1..=8).contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Whether two elements may stand beside each other: no array beside something else, and arrays only
/// with equal dimensions.
fn alike(first: Value<'_>, other: Value<'_>) -> bool {
    match (first, other) {
        (Value::Array(first), Value::Array(other)) => first.dimensions().eq(other.dimensions()),
        (Value::Array(_), _) | (_, Value::Array(_)) => false,
        _ => true,
    }
}

/// Whether the elements are the placeholder's bytes as numbers.
fn is_placeholder(value: Value<'_>) -> bool {
    let Value::Array(array) = value else { return false };
    let is_byte = |value, byte: u8| {
        matches!(value, Value::Int32(number) | Value::Date(Date::Days(number)) if number == i32::from(byte))
            || matches!(value, Value::Int64(number) if number == i64::from(byte))
    };
    let bytes = PLACEHOLDER.as_bytes();
    array.len() == bytes.len() && array.iter().zip(bytes).all(|(value, byte)| is_byte(value, *byte))
}
