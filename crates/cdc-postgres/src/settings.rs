//! What a user says about the warehouse and its tables.
//!
//! Everything is parsed here, once: the rest of the crate works with names that PostgreSQL keeps as
//! they are and with bounds that exist.

use std::fmt;
use std::time::Duration;

use cdc_config::Secret;
use cdc_core::{SourceTable, TableId};

use crate::ident::QualifiedName;
use crate::masks::LetterMasks;

mod read;

pub use read::{read_settings, read_table};

/// The name under which a pipeline keeps its state; pipelines with different names share nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PipelineName(String);

/// A name that a pipeline cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a name of 1 to {PIPELINE_BYTES_MAX} bytes without control characters")]
pub struct PipelineNameError;

/// It is part of a primary key and of every session's `application_name`.
const PIPELINE_BYTES_MAX: usize = 48;

impl PipelineName {
    /// A name.
    ///
    /// # Errors
    ///
    /// An empty or long name, or one with control characters.
    pub fn parse(text: &str) -> Result<Self, PipelineNameError> {
        let fits = !text.trim().is_empty() && text.len() <= PIPELINE_BYTES_MAX;
        if !fits || text.chars().any(char::is_control) {
            return Err(PipelineNameError);
        }
        Ok(Self(text.to_owned()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PipelineName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The warehouse table that a source table is written to, `schema.name`; without a schema it is in
/// `public`. Both parts are taken literally, whatever characters they hold.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetName(pub(crate) QualifiedName);

/// A text that names no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a table name of the form schema.name or name: {reason}")]
pub struct TargetNameError {
    reason: String,
}

impl TargetName {
    /// A name from its text form.
    ///
    /// # Errors
    ///
    /// An empty part, or one that PostgreSQL would cut or refuse.
    pub fn parse(text: &str) -> Result<Self, TargetNameError> {
        QualifiedName::parse(text)
            .map(Self)
            .map_err(|error| TargetNameError { reason: error.to_string() })
    }
}

impl fmt::Display for TargetName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.plain())
    }
}

/// What a mirror does with a deleted row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletes {
    /// The row goes.
    Hard,
    /// The row stays, with `cdc_deleted` set.
    Soft,
}

/// What a mirror does when the source table was truncated. The event is recorded in
/// `cdc.table_event` either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Truncates {
    /// It removes all its rows, in the way in which it removes single ones. For topics of one
    /// partition: a truncate has no key, so that it is in no order with rows of other partitions.
    Apply,
    /// It keeps its rows.
    Ignore,
}

/// What is made of rows that a complete snapshot did not show, and that stood before it: the source no
/// longer has them. Begin and end are recorded in `cdc.table_event` either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SnapshotSweep {
    /// A mirror removes them, in the way in which it removes single ones, and the views of a history do
    /// not show them. For topics of one partition: the end of a snapshot stands in one of several only.
    Apply,
    /// They stay. Right for connectors whose snapshots show a part of a table.
    Ignore,
}

/// What a target holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One row per change, deletes included.
    History,
    /// One row per key, equal to the source.
    Mirror {
        /// What becomes of deleted rows.
        deletes: Deletes,
        /// What becomes of all rows when the source was truncated.
        truncates: Truncates,
    },
}

/// Where the changes of one source table go.
#[derive(Debug, Clone)]
pub struct TableSettings {
    /// Its place in the configuration.
    pub id: TableId,
    /// The table in the source.
    pub source: SourceTable,
    /// The table in the warehouse.
    pub target: TargetName,
    /// What the target holds.
    pub mode: Mode,
    /// What is made of rows that a complete snapshot did not show.
    pub snapshot_sweep: SnapshotSweep,
}

/// How a transaction's durability is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SynchronousCommit {
    /// COMMIT returns when the server has written it to disk.
    On,
    /// COMMIT returns at once; a crash of the server may take the last moments back, data and
    /// checkpoint together. Only for sources that can be read again.
    Off,
}

impl SynchronousCommit {
    pub(crate) fn sql(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
        }
    }
}

/// How to reach the warehouse and how long to wait there.
#[derive(Debug, Clone)]
pub struct PostgresSettings {
    /// `postgres://user:password@host:port/database?sslmode=…`.
    pub url: Secret,
    /// Whose state to keep.
    pub pipeline: PipelineName,
    /// For how long one attempt to connect goes on trying while the server cannot be reached.
    /// Default 10 s; zero tries once.
    pub connect_patience: Duration,
    /// The longest that one statement may run. Default 5 min; zero means no limit.
    pub statement_timeout: Duration,
    /// The longest wait for somebody else's lock. Default 10 s; zero means no limit.
    pub lock_timeout: Duration,
    /// The longest pause inside a transaction before the server ends the session. Default 1 min;
    /// zero means no limit.
    pub idle_in_transaction_timeout: Duration,
    /// The longest that a whole batch may take before the session is given up: what frees a writer
    /// whose server has frozen. Default 10 min.
    pub apply_timeout: Duration,
    /// Default on.
    pub synchronous_commit: SynchronousCommit,
    /// For how long entries of `cdc.ledger` are kept, the newest of each log apart. Default 7 days,
    /// which is how long Kafka keeps records by default; zero keeps them for ever.
    pub ledger_retention: Duration,
    /// Which values dead letters may not hold. Default none: a letter holds its record as it came.
    pub letter_masks: LetterMasks,
}

/// The longest that the few rows which a start reads and writes may take.
const START_MAX: Duration = Duration::from_secs(30);

impl PostgresSettings {
    /// How long an exchange may take that a lane is waiting for before it has a batch.
    pub(crate) fn start_timeout(&self) -> Duration {
        self.apply_timeout.min(START_MAX)
    }

    /// Settings with every default.
    pub fn new(url: Secret, pipeline: PipelineName) -> Self {
        Self {
            url,
            pipeline,
            connect_patience: Duration::from_secs(10),
            statement_timeout: Duration::from_mins(5),
            lock_timeout: Duration::from_secs(10),
            idle_in_transaction_timeout: Duration::from_mins(1),
            apply_timeout: Duration::from_mins(10),
            synchronous_commit: SynchronousCommit::On,
            ledger_retention: Duration::from_hours(7 * 24),
            letter_masks: LetterMasks::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_name_is_short_and_printable() {
        assert_eq!(PipelineName::parse("orders").unwrap().as_str(), "orders");
        for bad in ["", "  ", "a\0b", "a\nb", &"x".repeat(49)] {
            assert_eq!(PipelineName::parse(bad), Err(PipelineNameError), "{bad:?}");
        }
    }

    #[test]
    fn a_target_without_schema_is_in_public() {
        assert_eq!(TargetName::parse("orders_fact").unwrap().to_string(), "public.orders_fact");
        assert!(TargetName::parse("public.").is_err());
    }
}
