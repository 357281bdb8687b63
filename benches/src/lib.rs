//! Measures the workspace: single steps with criterion, the whole path on a real broker and database.
//!
//! What it guarantees: inputs come from a fixed seed, so two runs measure the same work; every drain
//! is checked against the oracle of its input, so a number never stands for lost or doubled rows;
//! a report names machine, versions, commit and options, and holds every run, not only the median.
//!
//! ```
//! use cdc_workload::SchemaBlock;
//!
//! let messages = benches::inputs::messages(SchemaBlock::Without, 100);
//! assert!(messages.len() >= 100, "deletes bring tombstones along");
//! ```
//!
//! Vocabulary: a *message* is a record of the topic, tombstones included; a *change* is an operation
//! on a row; a *drain* is one run of the pipeline from an empty target to the end of the topic.
//!
//! Limits: Linux only, because resident memory and processor time come from `/proc`.

pub mod by_hand;
pub mod e2e;
pub mod every_type;
pub mod inputs;
pub mod ratio;
pub mod steps;
