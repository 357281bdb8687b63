//! Starts real PostgreSQL, Kafka and Debezium as child processes, for demos and tests, without Docker.
//!
//! # What it guarantees
//!
//! - **Private**: every component listens on 127.0.0.1 only, on a free port unless one is asked
//!   for, with its files in a folder of its own.
//! - **Ready**: a started component answers. A start that fails says which component, why, and
//!   shows the end of its log; ports that were asked for and are taken are named.
//! - **Nothing is left behind**: a component ends when its handle is dropped, and also when the
//!   starter aborts or is killed, because each one runs beside a small watchdog that waits for
//!   the starter's end. That holds for frozen components too. Temporary folders are removed in
//!   both cases.
//! - **Never skipped**: a missing program is an error that names the line which installs it.
//!
//! # Example
//!
//! ```no_run
//! use cdc_stack::postgres::{Cluster, ClusterOptions};
//!
//! let cluster = Cluster::start(ClusterOptions::default())?;
//! cluster.create_database("orders_db")?;
//! assert_eq!(cluster.psql("orders_db", "select 1 + 1")?, "2");
//! println!("{}", cluster.url("orders_db"));
//! # Ok::<(), cdc_stack::StackError>(())
//! ```
//!
//! # Vocabulary
//!
//! - A *cluster* is one PostgreSQL server with its data folder, as in PostgreSQL's own manual.
//! - The *lifeline* is the pipe between a starter and its component's watchdog.
//! - A component is *killed* by SIGKILL, as by a power cut, and *frozen* by SIGSTOP, as when its
//!   machine hangs, until it is *thawed*.
//! - The *cache folder* keeps what is expensive to make and safe to share: see
//!   [`cache::cache_dir`].
//!
//! # Limits
//!
//! Unix only. Where `/proc` does not exist, freezing or killing a cluster does not reach its open
//! sessions at once. There are no passwords and no encryption: this is for one machine and for data that
//! may be lost. Waiting is blocking; call it from a thread that may wait.

pub mod cache;
mod component;
pub mod connect;
pub mod connector;
mod error;
mod family;
mod file;
mod java;
pub mod kafka;
pub mod machine;
mod port;
pub mod postgres;
mod process;
mod program;
mod release;
mod stack;

pub use component::{Component, FixedPorts};
pub use error::StackError;
pub use port::free_port;
pub use program::Program;
pub use release::Release;
pub use stack::{Databases, Ports, Stack, StackOptions, Warehouse};
