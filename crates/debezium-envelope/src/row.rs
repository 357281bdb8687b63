//! The row model: what a decoded row is, without a heap allocation per row.
//!
//! Three parts work together. A [`RowShape`] names the columns and their types and is shared by all
//! rows that look alike. A [`RowBuffer`] holds the decoded cells of one row and is reused for the
//! next one; its cells have no lifetime, they are scalars, spans into the record, or spans into the
//! buffer's own scratch space, where elements of arrays and maps stand too. A [`Row`] is a `Copy`
//! view over both that yields [`Value`]s.

mod bits;
mod buffer;
mod catalog;
mod grammar;
mod list;
mod semantic_type;
mod shape;
mod span;
mod spatial;
mod temporal;
mod value;
mod view;

pub use bits::Bits;
pub use buffer::{ListMark, RowBuffer};
pub use catalog::{
    BinaryMode, CatalogKind, CatalogType, ConnectorModes, DecimalMode, HstoreMode, IntervalMode,
    ParseModeError, TimeMode,
};
pub use grammar::ParseSemanticTypeError;
pub(crate) use list::DIMENSIONS_MAX;
pub use list::{Array, Map, SparseVector};
pub use semantic_type::{BytesText, IntervalForm, SemanticType, StructuredType, TimeUnit};
pub use shape::{Column, RowShape};
pub(crate) use span::ScratchFull;
pub use spatial::{Geometry, NativeShape, Point};
pub use temporal::{Date, Interval, Time, Timestamp, ZonedTime};
pub(crate) use temporal::{MICROS_TO_2000, write_time};
pub use value::Value;
pub use view::{Row, Slot};
