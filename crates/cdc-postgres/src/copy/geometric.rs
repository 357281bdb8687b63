//! PostgreSQL's own shapes, which consist of IEEE numbers.

use cdc_core::{Geometry, NativeShape, Value};

use super::cell;
use super::error::{ValueError, invalid_form, wrong_type};
use super::system::text;

/// Appends a `point`.
pub(super) fn put_point(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    let Value::Point(point) = value else { return Err(wrong_type("a point", value)) };
    if point.srid.is_some() {
        return Err(invalid_form("a point without a reference system"));
    }
    put_numbers(out, &[point.x, point.y])
}

/// Appends a `box` by two opposite corners of its outline.
pub(super) fn put_box(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    const EXPECTED: &str = "a box, named so beside its outline of five points";
    let shape = geometry(value)?;
    let outline = Some(shape).filter(|shape| shape.native() == Some(NativeShape::Box));
    let outline = outline.and_then(|shape| Points::of(shape.wkb(), POLYGON));
    let corners: Option<Vec<_>> = outline.map(Iterator::collect);
    let Some([a, b, c, d, end]) = corners.as_deref() else { return Err(invalid_form(EXPECTED)) };
    // The other two corners follow from these, up to the sign of zero and NaN, which no two share.
    let is_box = |one: f64, other: f64| one.total_cmp(&other).is_eq();
    let upright = is_box(a.0, b.0) && is_box(b.1, c.1) && is_box(c.0, d.0) && is_box(d.1, a.1);
    let flat = is_box(a.1, b.1) && is_box(b.0, c.0) && is_box(c.1, d.1) && is_box(d.0, a.0);
    if !(upright || flat) || !is_box(a.0, end.0) || !is_box(a.1, end.1) {
        return Err(invalid_form(EXPECTED));
    }
    put_numbers(out, &[a.0, a.1, c.0, c.1])
}

/// Appends an `lseg`.
pub(super) fn put_segment(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    let shape = geometry(value)?;
    let line = Some(shape).filter(|shape| shape.native() == Some(NativeShape::Segment));
    let ends: Option<Vec<_>> =
        line.and_then(|shape| Points::of(shape.wkb(), LINE_STRING)).map(Iterator::collect);
    let Some([start, end]) = ends.as_deref() else {
        return Err(invalid_form("a segment, named so beside its two points"));
    };
    put_numbers(out, &[start.0, start.1, end.0, end.1])
}

/// Appends a `path`: whether it is closed, how many points, the points.
pub(super) fn put_path(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    let shape = geometry(value)?;
    let closed = match shape.native() {
        Some(NativeShape::OpenPath) => Some(false),
        Some(NativeShape::ClosedPath) => Some(true),
        Some(NativeShape::Box | NativeShape::Segment | NativeShape::Polygon) | None => None,
    };
    let points = closed.and_then(|_| Points::of(shape.wkb(), LINE_STRING));
    let points = points.filter(|points| points.left > 0);
    let (Some(closed), Some(points)) = (closed, points) else {
        return Err(invalid_form("a path, named so beside its points"));
    };
    let length = points.rest.len().saturating_add(5);
    cell::put_length(out, length)?;
    out.push(u8::from(closed));
    out.extend_from_slice(&points.left.to_be_bytes());
    for (x, y) in points {
        out.extend_from_slice(&x.to_be_bytes());
        out.extend_from_slice(&y.to_be_bytes());
    }
    Ok(())
}

/// Appends a `polygon`: how many points, the points. The connector closes the outline by repeating its
/// first point, unless that is its last one already, as in an outline of one point.
pub(super) fn put_polygon(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    let shape = geometry(value)?;
    let outline = Some(shape).filter(|shape| shape.native() == Some(NativeShape::Polygon));
    let points: Option<Vec<_>> =
        outline.and_then(|shape| Points::of(shape.wkb(), POLYGON)).map(Iterator::collect);
    let is_same = |one: &(f64, f64), other: &(f64, f64)| {
        one.0.total_cmp(&other.0).is_eq() && one.1.total_cmp(&other.1).is_eq()
    };
    let open = match points.as_deref() {
        Some(alone @ [_]) => Some(alone),
        Some([open @ .., last]) => {
            open.first().is_some_and(|first| is_same(first, last)).then_some(open)
        }
        Some([]) | None => None,
    };
    let open = open.ok_or_else(|| invalid_form("a polygon, named so beside its closed outline"))?;
    cell::put_length(out, open.len().saturating_mul(16).saturating_add(4))?;
    let count = u32::try_from(open.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_be_bytes());
    for (x, y) in open {
        out.extend_from_slice(&x.to_be_bytes());
        out.extend_from_slice(&y.to_be_bytes());
    }
    Ok(())
}

/// Appends a `circle` from `<(x,y),r>`.
pub(super) fn put_circle(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    let parts = || {
        let inner = text_of(value)?.strip_prefix("<(")?.strip_suffix('>')?;
        let (center, radius) = inner.split_once("),")?;
        let (x, y) = center.split_once(',')?;
        Some([number(x)?, number(y)?, number(radius)?])
    };
    text(value)?;
    let numbers = parts().filter(|[_, _, radius]| *radius >= 0.0 || radius.is_nan());
    put_numbers(out, &numbers.ok_or_else(|| invalid_form("a circle such as <(1,2),3>"))?)
}

/// Appends a `line` from `{A,B,C}`.
pub(super) fn put_line(out: &mut Vec<u8>, value: Value<'_>) -> Result<(), ValueError> {
    /// What PostgreSQL takes for zero when it looks at the direction of a line.
    const NEARLY_ZERO: f64 = 1e-6;
    let parts = || {
        let inner = text_of(value)?.strip_prefix('{')?.strip_suffix('}')?;
        let (a, rest) = inner.split_once(',')?;
        let (b, c) = rest.split_once(',')?;
        Some([number(a)?, number(b)?, number(c)?])
    };
    text(value)?;
    let has_direction = |[a, b, _]: &[f64; 3]| a.abs() > NEARLY_ZERO || b.abs() > NEARLY_ZERO;
    let numbers = parts().filter(has_direction);
    put_numbers(out, &numbers.ok_or_else(|| invalid_form("a line such as {1,-1,0}"))?)
}

fn text_of(value: Value<'_>) -> Option<&str> {
    text(value).ok()
}

fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

fn geometry(value: Value<'_>) -> Result<Geometry<'_>, ValueError> {
    let Value::Geometry(geometry) = value else { return Err(wrong_type("a geometry", value)) };
    Ok(geometry)
}

fn put_numbers(out: &mut Vec<u8>, numbers: &[f64]) -> Result<(), ValueError> {
    cell::put_length(out, numbers.len().saturating_mul(8))?;
    for number in numbers {
        out.extend_from_slice(&number.to_be_bytes());
    }
    Ok(())
}

const LINE_STRING: u32 = 2;
const POLYGON: u32 = 3;

/// The points of a line string, or of a polygon with one ring, in well-known binary.
struct Points<'w> {
    rest: &'w [u8],
    left: u32,
    little: bool,
}

impl<'w> Points<'w> {
    /// `None` for another shape and for bytes that are no such shape from their first to their last.
    fn of(wkb: &'w [u8], shape: u32) -> Option<Self> {
        let (order, rest) = wkb.split_first()?;
        let little = match order {
            0 => false,
            1 => true,
            _ => return None,
        };
        let word = |bytes: &'w [u8]| {
            let (word, rest) = bytes.split_first_chunk::<4>()?;
            let word = if little { u32::from_le_bytes(*word) } else { u32::from_be_bytes(*word) };
            Some((word, rest))
        };
        let (found, mut rest) = word(rest)?;
        if shape == POLYGON {
            let (rings, behind) = word(rest)?;
            rest = if rings == 1 { behind } else { return None };
        }
        let (left, rest) = word(rest)?;
        let whole = usize::try_from(left).ok()?.checked_mul(16)? == rest.len();
        (found == shape && whole).then_some(Self { rest, left, little })
    }

    fn number(&mut self) -> Option<f64> {
        let (bytes, rest) = self.rest.split_first_chunk::<8>()?;
        self.rest = rest;
        Some(if self.little { f64::from_le_bytes(*bytes) } else { f64::from_be_bytes(*bytes) })
    }
}

impl Iterator for Points<'_> {
    type Item = (f64, f64);

    fn next(&mut self) -> Option<Self::Item> {
        Some((self.number()?, self.number()?))
    }
}
