//! Seeded traffic on a table of orders: as operations, SQL text, Debezium envelopes or a capture file.
//!
//! # What it guarantees
//!
//! - **A seed is a stream**: equal [`WorkloadOptions`] give equal operations, on every machine and in
//!   every later version. The random numbers are made here for that reason.
//! - **Operations are real**: an update or delete always meets a row that lives, so any database
//!   accepts the stream, and the [`Oracle`] knows every row and every sum.
//! - **Envelopes are Debezium's**: byte for byte the form that Debezium 2.4 and Kafka Connect's JSON
//!   converter give this table, with and without schema block, tombstones included.
//!
//! # Example
//!
//! ```
//! use cdc_workload::{EnvelopeOptions, EnvelopeWriter, Oracle, Workload, WorkloadOptions};
//!
//! let mut oracle = Oracle::default();
//! let mut envelopes = EnvelopeWriter::new(&EnvelopeOptions::default());
//! let mut records = 0_u64;
//! let options = WorkloadOptions { seed: 42, ..WorkloadOptions::default() };
//! for transaction in Workload::new(options).take(1000) {
//!     envelopes.write(&transaction, |record| {
//!         assert!(record.key.starts_with(b"{\"order_id\":"));
//!         records += 1;
//!         Ok::<(), std::convert::Infallible>(())
//!     })?;
//!     oracle.apply(&transaction);
//! }
//! assert_eq!(records, oracle.counts().records());
//! println!("{} rows worth {} cents", oracle.rows().len(), oracle.amount_cents());
//! # Ok::<(), std::convert::Infallible>(())
//! ```
//!
//! # Vocabulary
//!
//! - A *workload* is an endless stream of transactions; each holds *operations* on single rows.
//! - The *oracle* is what a table must hold after a stream, computed from the operations alone.
//! - A *capture* is a recorded log: see [`capture`].
//!
//! # Limits
//!
//! One table, `public.orders`, and one session: transactions do not interleave. Envelopes are those of
//! the PostgreSQL connector with default settings and REPLICA IDENTITY FULL. Nothing here does network
//! I/O.

pub mod capture;
mod envelope;
mod error;
mod json;
mod options;
mod oracle;
mod order;
mod pace;
mod partition;
mod random;
pub mod sql;
mod values;
mod workload;

pub use envelope::{EnvelopeOptions, EnvelopeRecord, EnvelopeWriter, SchemaBlock, SnapshotRow};
pub use error::WorkloadError;
pub use options::{Hostility, Mix, WorkloadOptions};
pub use oracle::{OperationCounts, Oracle, Tally};
pub use order::{Cents, Order};
pub use pace::Pace;
pub use partition::partition_of;
pub use random::Random;
pub use workload::{Load, Operation, Transaction, Workload};
