//! Circles and lines, which have no well-known binary: PostgreSQL's own text form.

use std::fmt::Write as _;

use super::CellInput;
use super::float::read_64;
use super::geometry::read_point;
use crate::error::CellError;
use crate::row::{SemanticType, Value};
use crate::schema::ConnectSchema;

const CIRCLE: &str = "an object with center and radius";
const LINE: &str = "an object with a, b and c";

pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    match (schema.name.as_deref()?, schema.kind.as_str()) {
        ("io.debezium.data.geometry.Circle", "struct") => Some(SemanticType::Circle),
        ("io.debezium.data.geometry.Line", "struct") => Some(SemanticType::Line),
        _ => None,
    }
}

pub(super) fn decode_circle(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let (mut center, mut radius) = (None, None);
    cell.each_member(CIRCLE, &["center", "radius"], |name, cell| {
        match name {
            "center" => center = Some(read_point(cell)?),
            "radius" => radius = Some(read_64(cell)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let (Some(center), Some(radius)) = (center, radius) else {
        return Err(CellError::InvalidText { expected: CIRCLE });
    };
    set_text(cell, format_args!("<({},{}),{radius}>", center.x, center.y))
}

pub(super) fn decode_line(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let (mut a, mut b, mut c) = (None, None, None);
    cell.each_member(LINE, &["a", "b", "c"], |name, cell| {
        let place = match name {
            "a" => &mut a,
            "b" => &mut b,
            "c" => &mut c,
            _ => return Ok(false),
        };
        *place = Some(read_64(cell)?);
        Ok(true)
    })?;
    let (Some(a), Some(b), Some(c)) = (a, b, c) else {
        return Err(CellError::InvalidText { expected: LINE });
    };
    set_text(cell, format_args!("{{{a},{b},{c}}}"))
}

/// The shortest digits that read back the same numbers.
fn set_text(cell: &mut CellInput<'_, '_>, text: std::fmt::Arguments<'_>) -> Result<(), CellError> {
    cell.scratch.text.clear();
    cell.scratch.text.write_fmt(text).expect("writing to a String cannot fail");
    cell.buffer.put(cell.index, Value::Text(&cell.scratch.text))?;
    Ok(())
}
