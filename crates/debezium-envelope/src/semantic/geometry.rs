//! Points, and shapes in well-known binary with their reference system.

use super::CellInput;
use super::bytes::base64;
use super::float::read_64;
use crate::error::CellError;
use crate::row::{Geometry, NativeShape, Point, SemanticType, Value};
use crate::schema::ConnectSchema;

const POINT: &str = "an object with x and y";
const GEOMETRY: &str = "an object with wkb and srid";
const EXTENSIONS: &str = "a known geometric type among the extensions";

pub(super) fn from_connect(schema: &ConnectSchema) -> Option<SemanticType> {
    match (schema.name.as_deref()?, schema.kind.as_str()) {
        ("io.debezium.data.geometry.Point", "struct") => Some(SemanticType::Point),
        ("io.debezium.data.geometry.Geometry", "struct") => Some(SemanticType::Geometry),
        ("io.debezium.data.geometry.Geography", "struct") => Some(SemanticType::Geography),
        _ => None,
    }
}

/// The coordinates say everything; the binary form that stands beside them repeats them.
pub(super) fn decode_point(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let point = read_point(cell)?;
    cell.set(Value::Point(point))?;
    Ok(())
}

pub(super) fn read_point(cell: &mut CellInput<'_, '_>) -> Result<Point, CellError> {
    let (mut x, mut y, mut srid) = (None, None, None);
    cell.each_member(POINT, &["x", "y", "srid"], |name, cell| {
        match name {
            "x" => x = Some(read_64(cell)?),
            "y" => y = Some(read_64(cell)?),
            "srid" => srid = read_srid(cell)?,
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    match (x, y) {
        (Some(x), Some(y)) => Ok(Point { x, y, srid }),
        _ => Err(CellError::InvalidText { expected: POINT }),
    }
}

fn read_srid(cell: &mut CellInput<'_, '_>) -> Result<Option<i32>, CellError> {
    const EXPECTED: &str = "a 32-bit number of a reference system";
    if cell.reader.eat_null() {
        return Ok(None);
    }
    let srid = cell.integer(EXPECTED)?;
    srid.try_into().map(Some).map_err(|_| CellError::OutOfRange { expected: EXPECTED })
}

pub(super) fn decode(cell: &mut CellInput<'_, '_>) -> Result<(), CellError> {
    let (mut wkb, mut srid, mut extensions) = (None, None, Extensions::default());
    cell.each_member(GEOMETRY, &["wkb", "srid", "extensions"], |name, cell| {
        match name {
            "wkb" => wkb = Some(cell.string("base64 text")?),
            "srid" => srid = read_srid(cell)?,
            "extensions" => {
                if !cell.reader.eat_null() {
                    cell.each_member(EXTENSIONS, &["type", "closed"], |name, cell| {
                        extensions.read(name, cell)
                    })?;
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    let native = extensions.native()?;
    let wkb = wkb.ok_or(CellError::InvalidText { expected: GEOMETRY })?;
    let wkb = base64(cell.reader, &wkb, cell.scratch)?;
    // A byte order and the number of a type are the least that any shape has.
    if !matches!(wkb, [0 | 1, _, _, _, _, ..]) {
        return Err(CellError::InvalidText { expected: "well-known binary" });
    }
    let geometry = Geometry::new(wkb, srid).with_native(native);
    cell.buffer.put(cell.index, Value::Geometry(geometry))?;
    Ok(())
}

/// What Debezium 3.7 says beside the shape of PostgreSQL's own types.
#[derive(Debug, Default)]
struct Extensions {
    kind: Option<NativeShape>,
    closed: Option<bool>,
}

impl Extensions {
    fn read(&mut self, name: &str, cell: &mut CellInput<'_, '_>) -> Result<bool, CellError> {
        if cell.reader.eat_null() {
            return Ok(false);
        }
        let token = cell.string(EXTENSIONS)?;
        let word = cell.reader.slice(token.range);
        match (name, word) {
            ("type", "box") => self.kind = Some(NativeShape::Box),
            ("type", "lseg") => self.kind = Some(NativeShape::Segment),
            ("type", "path") => self.kind = Some(NativeShape::OpenPath),
            ("type", "polygon") => self.kind = Some(NativeShape::Polygon),
            ("closed", "true") => self.closed = Some(true),
            ("closed", "false") => self.closed = Some(false),
            _ => return Err(CellError::InvalidText { expected: EXTENSIONS }),
        }
        Ok(true)
    }

    fn native(&self) -> Result<Option<NativeShape>, CellError> {
        match (self.kind, self.closed) {
            (Some(NativeShape::OpenPath), Some(true)) => Ok(Some(NativeShape::ClosedPath)),
            (Some(NativeShape::OpenPath), None) => {
                Err(CellError::InvalidText { expected: "a path that is open or closed" })
            }
            (kind, _) => Ok(kind),
        }
    }
}
