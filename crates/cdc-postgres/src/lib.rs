//! A change sink on PostgreSQL: binary COPY, merge, checkpoints in the same transaction.
//!
//! What it guarantees: rows, dead letters, table events and progress of a batch become durable
//! together or not at all; a batch whose progress does not join what is stored changes nothing, so
//! neither a repetition nor a writer that lost its partitions does harm; a value arrives exactly or
//! its record becomes a dead letter, and a column that cannot hold a source's values exactly is
//! refused before anything is written.
//!
//! ```no_run
//! use cdc_config::Secret;
//! use cdc_core::{Sink, SourceTable, TableId};
//! use cdc_postgres::{
//!     Mode, PipelineName, PostgresSettings, PostgresSink, SnapshotSweep, TableSettings, TargetName,
//! };
//!
//! # async fn open() -> Result<(), Box<dyn std::error::Error>> {
//! let url = Secret::new("postgres://warehouse@localhost/analytics");
//! let settings = PostgresSettings::new(url, PipelineName::parse("orders")?);
//! let tables = vec![TableSettings {
//!     id: TableId::new(0),
//!     source: SourceTable::parse("public.orders")?,
//!     target: TargetName::parse("public.orders_fact")?,
//!     mode: Mode::History,
//!     snapshot_sweep: SnapshotSweep::Apply,
//! }];
//! let (stager, writer) = PostgresSink::new(settings, tables).open_lane().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Vocabulary: a *history* has one row per change, a *mirror* one row per key; a *plan* binds the
//! columns of one source shape to those of one target; a *fold* is the last state of each key in a
//! batch; *staging tables* are temporary tables from which a mirror is merged; an *epoch* is the
//! number under which a writer owns a partition.
//!
//! One batch is one transaction: COPY or merge for each table, dead letters, table events, and last,
//! in one network message with COMMIT, the compare-and-set of progress with the entries of the ledger
//! (`cdc.advance_and_book`). A lane has two sessions: while one merges and commits a batch, the rows of
//! the next are sent over the other. Start reading at [`PostgresSink`], then [`PostgresStager`] and [`PostgresWriter`].
//!
//! [`Verifier`] compares a source database with a warehouse; it shares only the sessions and the catalog
//! with the sink.
//!
//! Which meaning goes into which column type is data: [`type_pairs`]. A type without a binary form that
//! could be written exactly is written by its text form, and then so are all rows of its table: they
//! are kept in binary form and rewritten on their way to the server.
//!
//! Taking a partition over ends the sessions of whoever had it, all of which carry the owner's name:
//! a process that froze in the middle of a batch would hold the keys of its rows. A partition that was
//! given up has no owner, so handing it over ends nobody's session.
//!
//! Every batch makes one entry for each of its partitions in `cdc.ledger`: the range, and what became
//! of its records. [`read_ledger`] says whether the books balance, [`watch_ledger`] watches over them.
//!
//! The last record of each range is remembered with its entry. Whoever acquires a partition is given some
//! of them, by which the source knows its log again. Where a log is not what it was, [`accept_gap`],
//! [`accept_incarnation`] and [`accept_partitions`] record an operator's decision to go on.
//!
//! [`RepairSink`] gives a history the rows that it lacks. [`Shadow`] is a table that is built a second time
//! beside the live one, to be compared with it and to take its place.
//!
//! [`Retry`] brings dead letters in again, and [`list_letters`] and its neighbours are for whoever decides
//! about them.
//!
//! Limits: a role must be allowed to end the sessions of the role that had the partition before. A
//! server process that does not even answer its server keeps its locks, which are waited for. A target whose column types change under a
//! running pipeline halts the pipeline, which plans anew when it starts again. Between several
//! partitions of a topic a mirror applies truncates in the order in which they arrive.

mod blame;
mod body;
mod books;
mod catalog;
mod chain;
mod check;
mod checkpoint;
mod continuity;
mod copy;
mod counts;
mod dead_letter;
mod decision;
mod error;
mod fencing;
mod fold;
mod history;
mod ident;
mod init;
mod last_message;
mod ledger;
mod letters;
mod masks;
mod mirror;
mod owner;
mod pair;
mod parked;
mod plan;
mod reach;
mod registry;
mod repair;
mod retry;
mod session;
mod settings;
mod shadow;
mod sink;
mod source;
mod source_marks;
mod sql;
mod sqlstate;
mod stager;
mod state;
mod table_event;
mod tables;
mod takeover;
mod topics;
mod verify;
mod wave;
mod writer;

pub use body::PostgresBody;
pub use books::{Books, LogBooks, Mismatch, MismatchKind, read_ledger, watch_ledger};
pub use check::{Checked, ExpectedTable, Finding, Rehearsal, Severity, check, plan_grants};
pub use continuity::applied_logs;
pub use decision::{
    Continued, Decision, accept_gap, accept_incarnation, accept_partitions, continued,
};
pub use error::{Cause, PostgresError, Refusal};
pub use init::{Adopt, InitReport, init, plan_init};
pub use letters::{
    Letter, LetterFilter, LetterGroup, LetterState, RawLetter, WhichLetter, discard_letters,
    export_letters, list_letters, show_letter,
};
pub use masks::{LetterMasks, MaskedTable};
pub use pair::{TypePair, type_pairs};
pub use plan::PostgresPlan;
pub use repair::{RepairCounts, RepairMode, RepairRun, RepairSink, RepairWriter};
pub use retry::{
    Lost, LostLetters, NoOriginals, Original, Originals, Retried, Retry, RetryFailure, RetryMode,
    RetryReport, RetrySink, RetrySource, RetryStager, RetryWriter,
};
pub use settings::{
    Deletes, Mode, PipelineName, PipelineNameError, PostgresSettings, SnapshotSweep,
    SynchronousCommit, TableSettings, TargetName, TargetNameError, Truncates, read_settings,
    read_table,
};
pub use shadow::{Exchanged, Halted, Reach, Shadow, ShadowDiff, ShadowKey, ShadowKind};
pub use sink::PostgresSink;
pub use source::{FollowedTable, OldRows, SourceSettings, check_source, read_source_settings};
pub use source_marks::accept_source;
pub use stager::PostgresStager;
pub use topics::generations;
pub use verify::{
    ColumnFate, ColumnRoute, Difference, KeyDifference, LogEnd, Passes, RowFilter, Step,
    TableReport, ValueTest, Verdict, Verifier, VerifyOptions, VerifyTable,
};
pub use writer::PostgresWriter;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
