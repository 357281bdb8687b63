//! A change sink on PostgreSQL: binary COPY, merge, checkpoints in the same transaction.

mod blame;
mod body;
mod catalog;
mod check;
mod checkpoint;
mod copy;
mod dead_letter;
mod error;
mod fold;
mod history;
mod ident;
mod init;
mod mirror;
mod pair;
mod plan;
mod session;
mod settings;
mod sink;
mod sql;
mod sqlstate;
mod stager;
mod state;
mod table_event;
mod tables;
mod takeover;
mod writer;

pub use body::PostgresBody;
pub use check::{ExpectedShapes, Finding, Severity, check};
pub use error::{Cause, PostgresError, Refusal};
pub use init::{Adopt, InitReport, init, plan_init};
pub use plan::PostgresPlan;
pub use settings::{
    Deletes, Mode, PipelineName, PipelineNameError, PostgresSettings, SynchronousCommit,
    TableSettings, TargetName, TargetNameError, Truncates, read_settings, read_table,
};
pub use sink::PostgresSink;
pub use stager::PostgresStager;
pub use writer::PostgresWriter;
