//! Faults drawn by seed against the pipeline on real components, and the oracle that judges what is left.
//!
//! # What it does
//!
//! A *campaign* starts a source with Debezium, a broker and a warehouse, one to three pipelines that
//! share the partitions, and a load. Then it strikes: kills, freezes, restarts, cut and half-open
//! connections, terminated sessions, rebalances. After each fault changes are made in every partition of
//! both tables, and their arrival is waited for. In the end nothing may be lost, doubled, invented or
//! out of order, books, checkpoint and log agree, and reading everything a second time changes nothing.
//!
//! # How a lost or doubled change is seen
//!
//! The source writes each committed change into a journal, in the transaction that makes it. Each state
//! of a row carries the hash of the state before it, so that the history is a chain for each key. The
//! oracle compares journal, log, history, mirror and books with each other, and walks each chain.
//!
//! # One fault at a time
//!
//! [`modes`] is the catalogue of what can go wrong and of the tests that prove what happens then. They are
//! tests of all crates; nothing of a campaign is used for them.
//!
//! # Vocabulary
//!
//! - A *member* is one of the processes that share the partitions.
//! - The *window* is the time between the compare-and-set of a batch and its COMMIT. Both travel in one
//!   message, so a pipeline that freezes at random is hardly ever in it: batches are held there by a
//!   lock that a trigger of the campaign asks for.
//! - To *hold* is how long a fault goes on, and to *recover* is what happens after it.
//!
//! # Limits
//!
//! The order and kind of faults follow from the seed; the moments at which they meet the pipelines do
//! not, since these are real. Waits of the pipelines are scaled: a group waits two seconds for a member,
//! a batch may take five. Two databases on one server each, one broker, one Connect worker, all on this
//! machine, without waiting for the disk.

mod campaign;
mod draw;
mod fault;
mod held;
mod load;
mod members;
pub mod modes;
mod oracle;
mod proxy;
pub mod report;
mod stage;
mod strike;

pub use campaign::{Campaign, Finished, Options, Struck, Traffic, play};
pub use fault::{Kind, SHORT_FAULTS, SHORT_SEED, Tempo};
pub use oracle::{Invariant, Violation};
pub use strike::Met;
