//! The row model: what a decoded row is, without a heap allocation per row.
//!
//! Three parts work together. A [`RowShape`] names the columns and their types and is shared by all
//! rows that look alike. A [`RowBuffer`] holds the decoded cells of one row and is reused for the
//! next one; its cells have no lifetime, they are scalars or spans into the record or into the
//! buffer's own scratch space. A [`Row`] is a `Copy` view over both that yields [`Value`]s.

mod buffer;
mod grammar;
mod shape;
mod value;

pub use buffer::{Row, RowBuffer, Slot};
pub use grammar::ParseSemanticTypeError;
pub use shape::{Column, RowShape, SemanticType, TimeUnit};
pub use value::{Date, Time, Timestamp, Value};
