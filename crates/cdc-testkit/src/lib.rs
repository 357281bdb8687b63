//! In-memory ends, scripted faults, conformance suites for sources and sinks, real messages, and
//! what proves the protocol: its [`model`], histories for a [`simulation`], and an [`oracle`].
//!
//! What it guarantees: the in-memory ends keep the contracts of `cdc-core`, faults happen exactly
//! when a script says so, everything a test needs to judge the outcome is in the shared
//! [`Warehouse`], and every case of the [`conformance`] suites is known to catch one of the
//! [`broken`] ends.
//!
//! ```
//! use cdc_testkit::{Fault, MemorySink, Warehouse};
//!
//! let warehouse = Warehouse::default();
//! // The second apply is durable, but its answer is lost.
//! warehouse.script([Fault::None, Fault::LostReply]);
//! let _sink = MemorySink::new(warehouse.clone());
//! assert!(warehouse.rows().is_empty());
//! ```
//!
//! Vocabulary: a *fault script* is a queue; each apply takes one entry, and an empty queue means no
//! fault. A *text change* is a record whose value is `<operation code> <key> <text>`. An *adapter* puts
//! an end under test; a *violation* is what a case saw that the contract forbids; a *defect* is the
//! one way in which a broken end breaks it.
//!
//! Limits: no drivers, and for tests only: helpers panic with what is needed to diagnose.

pub mod broken;
pub mod captures;
pub mod conformance;
mod memory;
pub mod model;
pub mod oracle;
pub mod simulation;
mod text;

pub use memory::{
    Fault, LogMessage, LogWriter, MemoryBody, MemoryError, MemorySink, MemorySource,
    MemorySourceError, MemoryStager, MemoryWriter, SnapshotNote, StoredDeadLetter, StoredRow,
    Warehouse,
};
pub use text::TextDecoder;
