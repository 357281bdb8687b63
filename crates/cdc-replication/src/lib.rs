//! A change source on PostgreSQL's logical replication.
//!
//! What it guarantees: every change that was committed after the slot was made is delivered once and in
//! the order of commits, every row that was there before it once by the snapshot, and the slot is moved
//! only to what the sink has made durable.

mod decoder;
mod error;
#[cfg_attr(
    not(test),
    expect(dead_code, unused_imports, reason = "the source, which writes frames, is to come")
)]
mod frame;
mod lsn;
pub mod pgoutput;
mod redact;
mod text;

pub use decoder::ReplicationDecoder;
pub use error::ReplicationError;
pub use lsn::{Lsn, LsnError};
pub use redact::ReplicationRedactor;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
