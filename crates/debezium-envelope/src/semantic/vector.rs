//! The vectors of the extension `pgvector`.

use super::{CellInput, Role};
use crate::error::CellError;
use crate::json::JsonKind;
use crate::row::{SemanticType, Value};
use crate::schema::ConnectSchema;

const PAIR: &str = "a pair of index and element";

/// The sparse type had another name in Debezium 3.0.
pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    match (schema.name.as_deref()?, schema.kind.as_str()) {
        ("io.debezium.data.DoubleVector", "array") => Some(SemanticType::Vector),
        ("io.debezium.data.FloatVector", "array") => Some(SemanticType::HalfVector),
        ("io.debezium.data.SparseDoubleVector" | "io.debezium.data.SparseVector", "struct") => {
            Some(SemanticType::SparseVector)
        }
        _ => None,
    }
}

/// An array of numbers, none of them NULL.
pub(super) fn decode(
    element: &SemanticType,
    cell: &mut CellInput<'_, '_>,
) -> Result<(), CellError> {
    if cell.reader.kind()? != JsonKind::Array {
        return Err(cell.wrong_type("an array of numbers"));
    }
    cell.reader.open_array()?;
    let list = cell.buffer.open_list();
    let mut first = true;
    while cell.reader.element(first)? {
        first = false;
        let index = cell.buffer.push_null();
        super::decode(element, cell.at(index, Role::Element))?;
        if cell.buffer.own(index).is_null() {
            return Err(CellError::InvalidText { expected: "a vector without NULL elements" });
        }
    }
    cell.buffer.close_array(list);
    cell.buffer.move_last_to(cell.index);
    Ok(())
}

/// `{"dimensions":5,"vector":[[1,1.5],[3,-2.0]]}`.
pub(super) fn decode_sparse(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    const EXPECTED: &str = "an object with dimensions and vector";
    let list = cell.buffer.open_list();
    let (mut dimensions, mut index_max, mut seen) = (None, 0, false);
    cell.each_member(EXPECTED, &["dimensions", "vector"], |name, cell| {
        match name {
            "dimensions" => {
                let count = cell.integer("a count of dimensions")?;
                dimensions = Some(count);
            }
            "vector" => {
                index_max = read_pairs(cell)?;
                seen = true;
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let dimensions = dimensions.filter(|_| seen);
    let dimensions = dimensions.ok_or(CellError::InvalidText { expected: EXPECTED })?;
    let range = CellError::OutOfRange { expected: "the dimensions of the sparse vector" };
    if i64::from(index_max) > dimensions {
        return Err(range);
    }
    let dimensions = i32::try_from(dimensions).ok().and_then(|count| count.try_into().ok());
    cell.buffer.close_sparse_vector(list, dimensions.ok_or(range)?);
    cell.buffer.move_last_to(cell.index);
    Ok(())
}

/// Pushes each pair and returns the highest index.
fn read_pairs(cell: &mut CellInput<'_, '_>) -> Result<i32, CellError> {
    let mut index_max = 0;
    let mut first = true;
    if cell.reader.kind()? != JsonKind::Array {
        return Err(cell.wrong_type("an array of pairs"));
    }
    cell.reader.open_array()?;
    while cell.reader.element(first)? {
        first = false;
        if cell.reader.kind()? != JsonKind::Array {
            return Err(cell.wrong_type(PAIR));
        }
        cell.reader.open_array()?;
        let invalid = CellError::InvalidText { expected: PAIR };
        if !cell.reader.element(true)? {
            return Err(invalid);
        }
        let index = cell.integer(PAIR)?;
        let range = CellError::OutOfRange { expected: "an index from 1 on" };
        let index = i32::try_from(index).ok().filter(|index| *index > 0).ok_or(range)?;
        index_max = index_max.max(index);
        if !cell.reader.element(false)? {
            return Err(invalid);
        }
        let element = super::float::read_64(cell)?;
        if cell.reader.element(false)? {
            return Err(invalid);
        }
        cell.buffer.append(Value::Int32(index))?;
        cell.buffer.append(Value::Float64(element))?;
    }
    Ok(index_max)
}
