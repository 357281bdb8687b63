//! Values made of others: arrays, maps, vectors, points and shapes.

use std::io::Write as _;

use super::{Form, put_base64, put_float64, put_uuid};
use crate::encode::json::{put_integer, put_string};
use crate::encode::options::Release;
use crate::row::{Geometry, NativeShape, Point, SemanticType, Value};
use crate::semantic::{PLACEHOLDER, PLACEHOLDER_UUID};

/// Appends a value; `None` when the type has no exact form for it.
pub(super) fn put(
    out: &mut Vec<u8>,
    semantic: &SemanticType,
    value: Value<'_>,
    form: Form,
) -> Option<()> {
    match (semantic, value) {
        // The element of an array may be one more dimension of it.
        (SemanticType::Array { element }, Value::Array(array)) => {
            let form = form.of_element();
            put_list(out, array.iter(), |out, item| {
                let inner = if matches!(item, Value::Array(_)) { semantic } else { element };
                super::put(out, inner, item, form)
            })
        }
        (SemanticType::Vector, Value::Array(array)) => {
            let element = &SemanticType::Float64;
            put_list(out, array.iter(), |out, item| put_present(out, element, item, form))
        }
        (SemanticType::HalfVector, Value::Array(array)) => {
            let element = &SemanticType::Float32;
            put_list(out, array.iter(), |out, item| put_present(out, element, item, form))
        }
        (SemanticType::SparseVector, Value::SparseVector(vector)) => {
            out.extend_from_slice(b"{\"dimensions\":");
            put_integer(out, vector.dimensions().into());
            out.extend_from_slice(b",\"vector\":");
            put_list(out, vector.iter(), |out, (index, element)| {
                (1..=vector.dimensions()).contains(&index).then_some(())?;
                out.push(b'[');
                put_integer(out, index.into());
                out.push(b',');
                put_float64(out, element);
                out.push(b']');
                Some(())
            })?;
            out.push(b'}');
            Some(())
        }
        (SemanticType::Map { key, value }, Value::Map(map)) => {
            put_map(out, (key, value), map.iter(), form)
        }
        (SemanticType::Point, Value::Point(point)) => put_point(out, point),
        (SemanticType::Geometry, Value::Geometry(geometry)) => {
            put_geometry(out, geometry, form.release)
        }
        (SemanticType::Geography, Value::Geometry(geometry)) => put_geography(out, geometry),
        (SemanticType::Circle, Value::Text(text)) => {
            let inside = text.strip_prefix("<(")?.strip_suffix('>')?;
            let (center, radius) = inside.split_once("),")?;
            let (x, y) = center.split_once(',')?;
            out.extend_from_slice(b"{\"center\":");
            put_point(out, Point { x: x.parse().ok()?, y: y.parse().ok()?, srid: None })?;
            put_member(out, ",\"radius\":", radius)?;
            out.push(b'}');
            Some(())
        }
        (SemanticType::Line, Value::Text(text)) => {
            let mut parts = text.strip_prefix('{')?.strip_suffix('}')?.split(',');
            for name in ["{\"a\":", ",\"b\":", ",\"c\":"] {
                put_member(out, name, parts.next()?)?;
            }
            out.push(b'}');
            parts.next().is_none().then_some(())
        }
        _ => None,
    }
}

fn put_member(out: &mut Vec<u8>, name: &str, number: &str) -> Option<()> {
    out.extend_from_slice(name.as_bytes());
    put_float64(out, number.parse().ok()?);
    Some(())
}

/// A vector's element or a map's key, which cannot be NULL.
fn put_present(
    out: &mut Vec<u8>,
    semantic: &SemanticType,
    item: Value<'_>,
    form: Form,
) -> Option<()> {
    if item.is_null() { None } else { super::put(out, semantic, item, form) }
}

fn put_list<T>(
    out: &mut Vec<u8>,
    items: impl Iterator<Item = T>,
    mut put_item: impl FnMut(&mut Vec<u8>, T) -> Option<()>,
) -> Option<()> {
    out.push(b'[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put_item(out, item)?;
    }
    out.push(b']');
    Some(())
}

/// An object for text keys, else an array of pairs.
fn put_map<'v>(
    out: &mut Vec<u8>,
    (key, value): (&SemanticType, &SemanticType),
    pairs: impl Iterator<Item = (Value<'v>, Value<'v>)>,
    form: Form,
) -> Option<()> {
    if *key != SemanticType::Text {
        return put_list(out, pairs, |out, (own_key, own_value)| {
            out.push(b'[');
            put_present(out, key, own_key, form)?;
            out.push(b',');
            super::put(out, value, own_value, form)?;
            out.push(b']');
            Some(())
        });
    }
    out.push(b'{');
    for (index, (own_key, own_value)) in pairs.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        let Value::Text(own_key) = own_key else { return None };
        put_string(out, own_key);
        out.push(b':');
        super::put(out, value, own_value, form)?;
    }
    out.push(b'}');
    Some(())
}

/// A point with its well-known binary of 21 bytes, as the connector writes it.
fn put_point(out: &mut Vec<u8>, Point { x, y, srid }: Point) -> Option<()> {
    out.extend_from_slice(b"{\"x\":");
    put_float64(out, x);
    out.extend_from_slice(b",\"y\":");
    put_float64(out, y);
    out.extend_from_slice(b",\"wkb\":");
    let mut wkb = vec![1, 1, 0, 0, 0];
    wkb.extend_from_slice(&x.to_le_bytes());
    wkb.extend_from_slice(&y.to_le_bytes());
    put_base64(out, &wkb);
    put_srid(out, srid)?;
    out.push(b'}');
    Some(())
}

fn put_srid(out: &mut Vec<u8>, srid: Option<i32>) -> Option<()> {
    match srid {
        Some(srid) => write!(out, ",\"srid\":{srid}").ok(),
        None => write!(out, ",\"srid\":null").ok(),
    }
}

/// A shape. The extensions, which name PostgreSQL's own types, came with 3.7.
fn put_geometry(out: &mut Vec<u8>, geometry: Geometry<'_>, release: Release) -> Option<()> {
    if release < Release::V3_7 {
        return put_geography(out, geometry);
    }
    put_shape(out, geometry)?;
    let extensions = match geometry.native() {
        None => "null",
        Some(NativeShape::Box) => r#"{"type":"box"}"#,
        Some(NativeShape::Segment) => r#"{"type":"lseg"}"#,
        Some(NativeShape::OpenPath) => r#"{"type":"path","closed":"false"}"#,
        Some(NativeShape::ClosedPath) => r#"{"type":"path","closed":"true"}"#,
        Some(NativeShape::Polygon) => r#"{"type":"polygon"}"#,
    };
    write!(out, ",\"extensions\":{extensions}}}").ok()
}

/// None of PostgreSQL's own types lies on the globe.
fn put_geography(out: &mut Vec<u8>, geometry: Geometry<'_>) -> Option<()> {
    geometry.native().is_none().then_some(())?;
    put_shape(out, geometry)?;
    out.push(b'}');
    Some(())
}

fn put_shape(out: &mut Vec<u8>, geometry: Geometry<'_>) -> Option<()> {
    out.extend_from_slice(b"{\"wkb\":");
    put_base64(out, geometry.wkb());
    put_srid(out, geometry.srid())
}

/// What stands for an array that the source did not send.
pub(super) fn put_placeholder_array(out: &mut Vec<u8>, element: &SemanticType) -> Option<()> {
    let is_number =
        matches!(element, SemanticType::Int32 | SemanticType::Int64 | SemanticType::Date);
    if is_number {
        return put_list(out, PLACEHOLDER.bytes(), |out, byte| {
            put_integer(out, byte.into());
            Some(())
        });
    }
    out.push(b'[');
    if *element == SemanticType::Uuid {
        put_uuid(out, PLACEHOLDER_UUID);
    } else if let SemanticType::Array { .. } | SemanticType::Map { .. } = element {
        return None;
    } else {
        super::put_placeholder(out, element)?;
    }
    out.push(b']');
    Some(())
}
