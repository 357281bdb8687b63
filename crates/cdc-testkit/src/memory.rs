//! A log, a source and a sink that live in memory.

mod sink;
mod source;
mod warehouse;

pub use sink::{MemoryBody, MemoryError, MemorySink, MemoryStager, MemoryWriter};
pub use source::{LogMessage, LogWriter, MemorySource, MemorySourceError};
pub use warehouse::{Fault, SnapshotNote, StoredDeadLetter, StoredRow, Warehouse};

pub(crate) use source::Reading;
pub(crate) use warehouse::State;
