//! Arrays: the lengths of the dimensions, then every element as a field of its own.

use cdc_core::Value;

use super::cell;
use super::error::{ValueError, invalid_form, too_long, unavailable, wrong_type};

/// Most dimensions of an array.
const DIMENSIONS_MAX: u32 = 6;

/// PostgreSQL's own bound for the elements of an array.
const ELEMENTS_MAX: usize = 134_217_727;

/// Appends an array; on an error it may have appended a part of it. Its indices start at 1: the lower
/// bounds of the source do not travel. `put_element` appends an element as a field.
pub(super) fn put(
    out: &mut Vec<u8>,
    element_oid: u32,
    value: Value<'_>,
    mut put_element: impl FnMut(&mut Vec<u8>, Value<'_>) -> Result<(), ValueError>,
) -> Result<(), ValueError> {
    if value.is_null() {
        cell::put_null(out);
        return Ok(());
    }
    if matches!(value, Value::Unavailable) {
        return Err(unavailable());
    }
    let Value::Array(array) = value else { return Err(wrong_type("an array", value)) };
    let has_null = array.leaves().any(|leaf| leaf.is_null());
    let start = out.len();
    // The length is known at the end only.
    out.extend_from_slice(&[0; 4]);
    let mut expected = 1_usize;
    let mut dimensions = 0_u32;
    for length in array.dimensions() {
        expected = expected.saturating_mul(length);
        dimensions = dimensions.saturating_add(1);
    }
    // Without elements there is no dimension, however many brackets there are.
    if dimensions == 0 || array.leaves().next().is_none() {
        for word in [0, 0, element_oid] {
            out.extend_from_slice(&word.to_be_bytes());
        }
        return fill_length(out, start);
    }
    if dimensions > DIMENSIONS_MAX || expected > ELEMENTS_MAX {
        return Err(too_long(format!(
            "expected at most {DIMENSIONS_MAX} dimensions and {ELEMENTS_MAX} elements"
        )));
    }
    for word in [dimensions, u32::from(has_null), element_oid] {
        out.extend_from_slice(&word.to_be_bytes());
    }
    for length in array.dimensions() {
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&1_u32.to_be_bytes());
    }
    let mut count = 0_usize;
    for leaf in array.leaves() {
        put_element(out, leaf)?;
        count = count.saturating_add(1);
    }
    if count != expected {
        return Err(invalid_form("an array whose dimensions are the same everywhere"));
    }
    fill_length(out, start)
}

/// Writes the length word at `start`, once all that it counts is behind it.
pub(super) fn fill_length(out: &mut [u8], start: usize) -> Result<(), ValueError> {
    let field = out.get_mut(start..).unwrap_or_default();
    let length = cell::length_word(field.len().saturating_sub(4))?;
    if let Some((slot, _)) = field.split_first_chunk_mut::<4>() {
        *slot = length;
    }
    Ok(())
}
