//! The conformance suites, judged: honest ends pass every case, broken ones fail the case that is
//! named for their defect, and no case is without a defect that it catches.

#[cfg(test)]
mod alone;
#[cfg(test)]
mod decoders;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod model;
#[cfg(test)]
mod sinks;
#[cfg(test)]
mod sources;
