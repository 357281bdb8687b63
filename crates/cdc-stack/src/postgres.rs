//! Private PostgreSQL clusters from the machine's own binaries.
//!
//! A cluster starts in a fraction of a second: `initdb` runs once per PostgreSQL version, and its
//! result is copied. Start reading at [`Cluster`].

mod binaries;
mod cluster;
mod template;

pub use binaries::PostgresBinaries;
pub(crate) use cluster::LOG;
pub use cluster::{Cluster, ClusterOptions, Durability, StopMode};
