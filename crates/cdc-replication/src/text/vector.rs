//! The vectors of the extension `pgvector`.

use cdc_core::{RowBuffer, SemanticType, Value};

use super::{TextError, integer, number, read};

const VECTOR: TextError = TextError::Form { expected: "a vector such as [1,-2.5,0.1]" };
const SPARSE: TextError = TextError::Form { expected: "a sparse vector such as {1:1.5,3:-2}/5" };

/// Sets a vector as an array of numbers.
pub(super) fn put(
    buffer: &mut RowBuffer,
    index: usize,
    element: &SemanticType,
    text: &str,
) -> Result<(), TextError> {
    let inside = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).ok_or(VECTOR)?;
    let len = buffer.len();
    let list = buffer.open_list();
    for number in inside.split(',') {
        let place = buffer.len();
        buffer.push(Value::Null);
        if let Err(error) = read(buffer, place, element, number) {
            buffer.resize(len);
            return Err(error);
        }
    }
    buffer.close_array(list);
    buffer.move_last_to(index);
    Ok(())
}

/// Sets a sparse vector. Its elements are 32-bit floats in the source and 64-bit ones here.
pub(super) fn put_sparse(
    buffer: &mut RowBuffer,
    index: usize,
    text: &str,
) -> Result<(), TextError> {
    let inside = text.strip_prefix('{').ok_or(SPARSE)?;
    let (inside, dimensions) = inside.split_once("}/").ok_or(SPARSE)?;
    let dimensions: u32 = integer(dimensions, "a count of dimensions")?;
    let len = buffer.len();
    let list = buffer.open_list();
    for pair in inside.split(',').filter(|_| !inside.is_empty()) {
        if let Err(error) = push_pair(buffer, dimensions, pair) {
            buffer.resize(len);
            return Err(error);
        }
    }
    buffer.close_sparse_vector(list, dimensions);
    buffer.move_last_to(index);
    Ok(())
}

fn push_pair(buffer: &mut RowBuffer, dimensions: u32, pair: &str) -> Result<(), TextError> {
    let (place, element) = pair.split_once(':').ok_or(SPARSE)?;
    let place: i32 = integer(place, "an index")?;
    let fits = u32::try_from(place).is_ok_and(|place| (1..=dimensions).contains(&place));
    if !fits {
        return Err(TextError::Range { expected: "the dimensions of the sparse vector" });
    }
    let element = number::float(element, "a 64-bit float")?;
    buffer.push(Value::Int32(place));
    buffer.push(Value::Float64(element));
    Ok(())
}
