//! Points and shapes: those of `PostGIS`, and PostgreSQL's own as Debezium 3.7 sends them.

use std::fmt::Write as _;

use cdc_core::{Geometry, NativeShape, Point, RowBuffer, Value};

use super::{TextError, bytes, number};

const POINT: TextError = TextError::Form { expected: "a point such as (1.5,-2.5)" };
const EWKB: TextError =
    TextError::Form { expected: "extended well-known binary in hexadecimal digits" };
const SHAPE: TextError =
    TextError::Form { expected: "points in the text form of the column's geometric type" };
const CIRCLE: TextError = TextError::Form { expected: "a circle such as <(1,2),3>" };
const LINE: TextError = TextError::Form { expected: "a line such as {-1,0,0.5}" };

/// The bit of the shape's number that says that a reference system follows.
const HAS_SRID: u32 = 0x2000_0000;

/// Numbers of shapes in well-known binary.
const LINE_STRING: u32 = 2;
const POLYGON: u32 = 3;

pub(super) fn put_point(buffer: &mut RowBuffer, index: usize, text: &str) -> Result<(), TextError> {
    let (x, y) = only_point(text).ok_or(POINT)?;
    buffer.set(index, Value::Point(Point { x, y, srid: None }));
    Ok(())
}

/// Sets a shape of `PostGIS`, or a `box`, whose text no other type has. The others of PostgreSQL's own
/// look alike: [`put_shape`].
pub(super) fn put(buffer: &mut RowBuffer, index: usize, text: &str) -> Result<(), TextError> {
    if text.starts_with('(') {
        return put_shape(buffer, index, NativeShape::Box, text);
    }
    let wkb = bytes::hex(text).ok_or(EWKB)?;
    let shape = geometry(&wkb).ok_or(EWKB)?;
    buffer.set(index, Value::Geometry(shape));
    Ok(())
}

/// A shape with the reference system that stands inside its bytes, if one does.
fn geometry(wkb: &[u8]) -> Option<Geometry<'_>> {
    let (order, rest) = wkb.split_first()?;
    let (number, rest) = rest.split_first_chunk::<4>()?;
    let read = |word: [u8; 4]| match order {
        0 => Some(u32::from_be_bytes(word)),
        1 => Some(u32::from_le_bytes(word)),
        _ => None,
    };
    if read(*number)? & HAS_SRID == 0 {
        return Some(Geometry::new(wkb, None));
    }
    let (srid, _) = rest.split_first_chunk::<4>()?;
    Some(Geometry::new(wkb, Some(read(*srid)?.cast_signed())))
}

/// Sets a value of PostgreSQL's own type for this shape as well-known binary. Whether a path is closed
/// is said by its text.
pub(crate) fn put_shape(
    buffer: &mut RowBuffer,
    index: usize,
    shape: NativeShape,
    text: &str,
) -> Result<(), TextError> {
    let (shape, points) = shape_points(shape, text).ok_or(SHAPE)?;
    let wkb = well_known_binary(shape, &points).ok_or(SHAPE)?;
    let shape = Geometry::new(&wkb, None).with_native(Some(shape));
    buffer.set(index, Value::Geometry(shape));
    Ok(())
}

type Points = Vec<(f64, f64)>;

/// The shape with its points as the connector writes them: a `box` by its corners, a ring closed.
fn shape_points(shape: NativeShape, text: &str) -> Option<(NativeShape, Points)> {
    let open = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let closed = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    let (inside, shape) = match (shape, open, closed) {
        (NativeShape::Box, _, Some(_)) => (text, shape),
        (NativeShape::Segment, Some(inside), _) | (NativeShape::Polygon, _, Some(inside)) => {
            (inside, shape)
        }
        (NativeShape::OpenPath | NativeShape::ClosedPath, Some(inside), _) => {
            (inside, NativeShape::OpenPath)
        }
        (NativeShape::OpenPath | NativeShape::ClosedPath, _, Some(inside)) => {
            (inside, NativeShape::ClosedPath)
        }
        (NativeShape::Box | NativeShape::Segment | NativeShape::Polygon, ..)
        | (NativeShape::OpenPath | NativeShape::ClosedPath, None, None) => return None,
    };
    let mut points = points(inside)?;
    match (shape, &*points) {
        (NativeShape::Box, [(right, upper), (left, lower)]) => {
            let (right, upper, left, lower) = (*right, *upper, *left, *lower);
            points =
                vec![(right, upper), (right, lower), (left, lower), (left, upper), (right, upper)];
        }
        (NativeShape::Segment, [_, _])
        | (NativeShape::OpenPath | NativeShape::ClosedPath, [_, ..])
        | (NativeShape::Polygon, [_]) => {}
        (NativeShape::Polygon, [first, .., last]) => {
            if first != last {
                points.push(*first);
            }
        }
        (NativeShape::Box | NativeShape::Segment, _)
        | (NativeShape::OpenPath | NativeShape::ClosedPath | NativeShape::Polygon, []) => {
            return None;
        }
    }
    Some((shape, points))
}

fn well_known_binary(shape: NativeShape, points: &[(f64, f64)]) -> Option<Vec<u8>> {
    let (number, is_ring) = match shape {
        NativeShape::Box | NativeShape::Polygon => (POLYGON, true),
        NativeShape::Segment | NativeShape::OpenPath | NativeShape::ClosedPath => {
            (LINE_STRING, false)
        }
    };
    let mut wkb = vec![1];
    wkb.extend_from_slice(&number.to_le_bytes());
    if is_ring {
        wkb.extend_from_slice(&1_u32.to_le_bytes());
    }
    wkb.extend_from_slice(&u32::try_from(points.len()).ok()?.to_le_bytes());
    for (x, y) in points {
        wkb.extend_from_slice(&x.to_le_bytes());
        wkb.extend_from_slice(&y.to_le_bytes());
    }
    Some(wkb)
}

/// Points with commas between them.
fn points(text: &str) -> Option<Points> {
    let mut points = Vec::new();
    let mut rest = text;
    loop {
        let (inside, behind) = rest.strip_prefix('(')?.split_once(')')?;
        points.push(pair(inside)?);
        if behind.is_empty() {
            return Some(points);
        }
        rest = behind.strip_prefix(',')?;
    }
}

/// A point with nothing around it.
fn only_point(text: &str) -> Option<(f64, f64)> {
    pair(text.strip_prefix('(')?.strip_suffix(')')?)
}

fn pair(text: &str) -> Option<(f64, f64)> {
    let (x, y) = text.split_once(',')?;
    Some((coordinate(x)?, coordinate(y)?))
}

fn coordinate(text: &str) -> Option<f64> {
    number::float(text, "a 64-bit float").ok()
}

/// Sets a circle in PostgreSQL's text form, its numbers printed as the decoder of messages prints them.
pub(super) fn put_circle(
    buffer: &mut RowBuffer,
    index: usize,
    text: &str,
) -> Result<(), TextError> {
    let read = || {
        let inside = text.strip_prefix('<')?.strip_suffix('>')?;
        let (center, radius) = inside.rsplit_once(',')?;
        let (x, y) = only_point(center)?;
        Some((x, y, coordinate(radius)?))
    };
    let (x, y, radius) = read().ok_or(CIRCLE)?;
    put_text(buffer, index, format_args!("<({x},{y}),{radius}>"));
    Ok(())
}

/// Sets a line in the same way.
pub(super) fn put_line(buffer: &mut RowBuffer, index: usize, text: &str) -> Result<(), TextError> {
    let read = || {
        let mut parts = text.strip_prefix('{')?.strip_suffix('}')?.splitn(3, ',').map(coordinate);
        Some((parts.next()??, parts.next()??, parts.next()??))
    };
    let (a, b, c) = read().ok_or(LINE)?;
    put_text(buffer, index, format_args!("{{{a},{b},{c}}}"));
    Ok(())
}

fn put_text(buffer: &mut RowBuffer, index: usize, text: std::fmt::Arguments<'_>) {
    let mut printed = String::new();
    printed.write_fmt(text).expect("writing to a String cannot fail");
    buffer.set(index, Value::Text(&printed));
}
