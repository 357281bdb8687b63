//! Points and shapes.

/// A point of a plane: PostgreSQL's `point`, or a spatial point of another database.
///
/// The coordinates are exact: the source keeps 64-bit floats, and they travel as the shortest text
/// that reads back. They may be NaN or infinite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// The first coordinate.
    pub x: f64,
    /// The second coordinate.
    pub y: f64,
    /// The reference system, when the source names one; PostgreSQL's `point` has none.
    pub srid: Option<i32>,
}

/// PostgreSQL's own geometric type that a [`Geometry`] was before Debezium 3.7 or later turned it
/// into well-known binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NativeShape {
    /// `box`: a polygon of five points that starts with the upper right corner.
    Box,
    /// `lseg`: a line string of two points.
    Segment,
    /// `path` in its open form: a line string.
    OpenPath,
    /// `path` in its closed form: a line string whose first point is not repeated.
    ClosedPath,
    /// `polygon`.
    Polygon,
}

/// A shape in well-known binary.
///
/// The bytes are as the producer sent them. `PostGIS` sends its extended form, in which a shape with a
/// reference system carries it inside the bytes too; [`srid`](Self::srid) is what stood beside them.
/// Equality is that of the bytes, not of the shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Geometry<'a> {
    wkb: &'a [u8],
    srid: i32,
    has_srid: bool,
    native: Option<NativeShape>,
}

impl<'a> Geometry<'a> {
    /// A shape from its bytes and its reference system.
    pub fn new(wkb: &'a [u8], srid: Option<i32>) -> Self {
        Self { wkb, srid: srid.unwrap_or_default(), has_srid: srid.is_some(), native: None }
    }

    /// The same shape, known to be a value of one of PostgreSQL's own geometric types.
    #[must_use]
    pub fn with_native(self, native: Option<NativeShape>) -> Self {
        Self { native, ..self }
    }

    /// Well-known binary, extended (EWKB) when it comes from `PostGIS`.
    pub fn wkb(&self) -> &'a [u8] {
        self.wkb
    }

    /// The reference system; `None` when the source names none.
    pub fn srid(&self) -> Option<i32> {
        self.has_srid.then_some(self.srid)
    }

    /// PostgreSQL's own type of the value; `None` for `PostGIS` and for other databases.
    pub fn native(&self) -> Option<NativeShape> {
        self.native
    }
}
