//! The parts of a replay that know no end.
//!
//! What it guarantees: a replay is judged by the same decoder as the pipeline, and what it is not about
//! is passed over with a name, never lost from the count; a rate bounds what is read, not what waits.
//!
//! [`OnlyTables`] wraps a decoder, [`Paced`] a source. Both hand on whatever their inner part says.
//! [`CaptureFile`] takes the batches of a source and is a file in the format of
//! [`cdc_workload::capture`] when it is finished, and no file before; [`CaptureSource`] reads it.

mod capture_file;
mod capture_source;
mod only_tables;
mod paced;

pub use capture_file::{CaptureFile, CaptureFileError};
pub use capture_source::{CaptureSource, CaptureSourceError, CapturedPart, scan_capture};
pub use cdc_workload::Pace;
pub use only_tables::OnlyTables;
pub use paced::Paced;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
