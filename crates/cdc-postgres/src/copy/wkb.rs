//! Shapes of `PostGIS`: its extended well-known binary, as it stands.

use cdc_core::Value;

use super::cell;
use super::error::{ValueError, invalid_form, wrong_type};

/// The bit of the shape's number that says that a reference system follows.
const HAS_SRID: u32 = 0x2000_0000;

/// Appends a `geometry` or `geography`. A reference system that stands beside the bytes is put into
/// them, where it is missing.
pub(super) fn put(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    const EXPECTED: &str = "well-known binary with the reference system that stands beside it";
    let Value::Geometry(shape) = value else { return Err(wrong_type("a geometry", value)) };
    if shape.native().is_some() {
        return Err(invalid_form("a shape of PostGIS, found one of PostgreSQL's own"));
    }
    let (header, rest) =
        shape.wkb().split_first_chunk::<5>().ok_or_else(|| invalid_form(EXPECTED))?;
    let [order, number @ ..] = *header;
    let little = order == 1;
    let read = |word: [u8; 4]| {
        if little { u32::from_le_bytes(word) } else { u32::from_be_bytes(word) }
    };
    let write = |word: u32| if little { word.to_le_bytes() } else { word.to_be_bytes() };
    let number = read(number);
    let inside = if number & HAS_SRID == 0 {
        None
    } else {
        let (srid, _) = rest.split_first_chunk::<4>().ok_or_else(|| invalid_form(EXPECTED))?;
        Some(read(*srid))
    };
    let beside = shape.srid().map(i32::cast_unsigned);
    match (inside, beside.filter(|srid| *srid != 0)) {
        (None, Some(srid)) => {
            cell::put_length(out, shape.wkb().len().saturating_add(4))?;
            out.push(order);
            out.extend_from_slice(&write(number | HAS_SRID));
            out.extend_from_slice(&write(srid));
            out.extend_from_slice(rest);
        }
        (Some(inside), Some(beside)) if inside != beside => return Err(invalid_form(EXPECTED)),
        (_, _) => {
            cell::put_length(out, shape.wkb().len())?;
            out.extend_from_slice(shape.wkb());
        }
    }
    Ok(())
}
