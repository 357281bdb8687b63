//! Ends that break the contract in one way each: the proof that the conformance suites can fail.
//!
//! Each is a thin wrapper of an in-memory end, and each defect names the case that must catch it.
//! Together the defects cover every case of the three suites, so that no case can turn into one that
//! passes whatever happens.
//!
//! They are for the suites' own tests; an author of a new end may also use them to see what a
//! violation looks like.

mod decoder;
mod sink;
mod sink_defect;
mod source;
mod source_defect;

pub use decoder::{BrokenDecoder, BrokenSamples, DecoderDefect};
pub use sink::{BrokenSink, BrokenStager, BrokenWriter};
pub use sink_defect::SinkDefect;
pub use source::BrokenSource;
pub use source_defect::SourceDefect;
