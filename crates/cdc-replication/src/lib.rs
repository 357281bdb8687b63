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
#[cfg_attr(not(test), expect(dead_code, reason = "the source is built on it"))]
mod publication;
mod redact;
mod settings;
#[cfg_attr(not(test), expect(dead_code, reason = "the source is built on it"))]
mod slot;
mod text;
#[cfg_attr(not(test), expect(dead_code, reason = "the source is built on it"))]
mod wire;

pub use decoder::ReplicationDecoder;
pub use error::{Cause, ReplicationError, ServerAnswer};
pub use lsn::{Lsn, LsnError};
pub use redact::ReplicationRedactor;
pub use settings::{
    PublicationName, PublicationNameError, ReplicationSettings, SlotName, SlotNameError,
    read_settings,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the decoder that reads values with it comes with its own change")
)]
mod text;
