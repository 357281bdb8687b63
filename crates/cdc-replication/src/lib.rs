//! A change source on PostgreSQL's logical replication.
//!
//! What it guarantees: every change that was committed after the slot was made is delivered once and in
//! the order of commits, every row that was there before it once by the snapshot, and the slot is moved
//! only to what the sink has made durable.

mod catalog;
mod decoder;
mod error;
mod frame;
mod lsn;
pub mod pgoutput;
mod preflight;
mod publication;
mod redact;
mod roles;
mod settings;
mod slot;
mod snapshot;
mod source;
mod sql;
mod text;
mod wire;

pub use decoder::ReplicationDecoder;
pub use error::{Cause, ReplicationError, ServerAnswer};
pub use lsn::{Lsn, LsnError};
pub use preflight::{Lack, Need, look_before};
pub use redact::ReplicationRedactor;
pub use roles::plan_source;
pub use settings::{
    PublicationName, PublicationNameError, ReplicationSettings, SlotName, SlotNameError,
    read_settings,
};
pub use slot::WalStatus;
pub use source::{Phase, ReplicationSource, STREAM_BEGIN, StreamReading, StreamStatus};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
