//! Why a pipeline cannot go on.

use std::error::Error;

use cdc_core::{Classify, Emission, Halt, Offset, Partition};
use cdc_rules::RuleError;

/// Why a pipeline stopped by itself. Every variant is final: whatever could be retried was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The source cannot go on.
    #[error("reading from the source stopped")]
    Source {
        /// Who has to act.
        halt: Halt,
        /// What to do, starting with a verb.
        hint: Option<String>,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The sink cannot go on.
    #[error("writing to the sink stopped while trying to {attempt}")]
    Sink {
        /// What was attempted.
        attempt: &'static str,
        /// Who has to act.
        halt: Halt,
        /// What to do, starting with a verb.
        hint: Option<String>,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The rules do not fit a table's columns.
    #[error("the rules cannot be bound to the table's columns")]
    Rules {
        /// What to do, starting with a verb.
        hint: Option<String>,
        /// Why.
        #[source]
        source: Box<RuleError>,
    },
    /// A thread or task of a lane ended without being asked to: a defect.
    #[error("the {part} of a lane ended unexpectedly")]
    LaneLost {
        /// Which part.
        part: &'static str,
    },
    /// A thread could not be started.
    #[error("a staging thread could not be started")]
    Thread {
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A change comes after what was seen of its source and stands before it.
    #[error(
        "the source {connector} of the database {database} goes back: {partition} has a change at \
         offset {offset} that was committed after everything seen before it and stands before it in \
         the source's log"
    )]
    SourceRestored {
        /// The log.
        partition: Partition,
        /// The record.
        offset: Offset,
        /// The connector.
        connector: String,
        /// The source database.
        database: String,
    },
    /// It is hardly the records that are wrong.
    #[error(
        "{rejected} of the last {records} records were rejected, the batch at hand included, which is \
         not applied; its first reason is {reason}: {example}"
    )]
    TooManyRejected {
        /// How many were rejected.
        rejected: u64,
        /// Of how many.
        records: u64,
        /// The reason code of the first rejected record of the batch.
        reason: String,
        /// What is said about it.
        example: String,
    },
    /// Another process moved the checkpoint, or a target was changed, while this one was finishing.
    #[error(
        "what was in flight became void while finishing: another process of this pipeline took \
         partitions over, or a target was changed"
    )]
    TakenOver,
    /// What was in flight did not finish in time; it will be read again.
    #[error("what was in flight did not finish within the drain limit of {seconds} s")]
    DrainLimit {
        /// The limit in seconds.
        seconds: u64,
    },
}

impl PipelineError {
    /// Who has to act before a new start can succeed.
    pub fn halt(&self) -> Halt {
        match self {
            Self::Source { halt, .. } | Self::Sink { halt, .. } => *halt,
            Self::Rules { .. } => Halt::Configuration,
            Self::SourceRestored { .. } | Self::TooManyRejected { .. } => Halt::Data,
            Self::LaneLost { .. }
            | Self::Thread { .. }
            | Self::TakenOver
            | Self::DrainLimit { .. } => Halt::Environment,
        }
    }

    /// What an operator should do next, starting with a verb.
    pub fn hint(&self) -> Option<&str> {
        match self {
            Self::Source { hint, .. } | Self::Sink { hint, .. } | Self::Rules { hint, .. } => {
                hint.as_deref()
            }
            Self::SourceRestored { .. } => Some(
                "find out whether the source was restored or replaced, because changes may be missing \
                 then; compare it with the warehouse, and go on with `cdc-pipeline accept-source --reason`",
            ),
            Self::TooManyRejected { .. } => Some(
                "compare configuration, target table and what `cdc-pipeline check` says; to keep them all as \
                 dead letters write `rejected_percent_max = 100` in [pipeline]",
            ),
            Self::LaneLost { .. } => Some("report the lines above this one: it is a defect"),
            Self::Thread { .. } => Some("raise the limit on threads of this process"),
            Self::TakenOver | Self::DrainLimit { .. } => {
                Some("start again: the warehouse knows where to resume, nothing is lost or doubled")
            }
        }
    }

    pub(crate) fn source<E: Classify>(error: E) -> Self {
        Self::Source { halt: error.class().halt(), hint: error.hint(), source: Box::new(error) }
    }

    pub(crate) fn sink<E: Classify>(attempt: &'static str, error: E) -> Self {
        Self::Sink {
            attempt,
            halt: error.class().halt(),
            hint: error.hint(),
            source: Box::new(error),
        }
    }

    pub(crate) fn restored(partition: &Partition, offset: Offset, sent: &Emission<'_>) -> Self {
        Self::SourceRestored {
            partition: partition.clone(),
            offset,
            connector: sent.connector.to_owned(),
            database: sent.database.to_owned(),
        }
    }

    pub(crate) fn rules(error: RuleError) -> Self {
        Self::Rules { hint: error.hint(), source: Box::new(error) }
    }
}
