//! What can go wrong with the warehouse, and what is known about the outcome each time.

use std::error::Error;
use std::fmt;

use cdc_core::{Classify, ErrorClass, Halt, Partition};

mod driver;
mod hint;

pub(crate) use driver::{from_driver, from_statement, rejection, row_is_at_fault};

/// The error of a driver, behind a type that every driver has.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Something that a plan or a check refuses, with the way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong, naming tables, columns and types.
    pub message: String,
    /// What to do, starting with a verb or being SQL to paste.
    pub fix: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.fix)
    }
}

/// Why the warehouse did not do what it was asked to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The settings cannot be used.
    #[error("reading the address of the warehouse")]
    Address {
        /// The driver's reason; it does not repeat the address.
        #[source]
        source: Cause,
    },
    /// No session could be opened.
    #[error("connecting to the warehouse")]
    Connect {
        /// What is known: an unreachable server may come back, a refused login will not.
        class: ErrorClass,
        /// What to do.
        hint: Option<String>,
        /// The driver's reason.
        #[source]
        source: Cause,
    },
    /// No session could be opened with the database that is captured.
    #[error("connecting to the source database")]
    Source {
        /// What is known: an unreachable server may come back, a refused login will not.
        class: ErrorClass,
        /// What to do.
        hint: Option<String>,
        /// The driver's reason.
        #[source]
        source: Cause,
    },
    /// The session broke; what was under way may or may not have happened.
    #[error("lost the session while {doing}")]
    SessionLost {
        /// What was under way.
        doing: String,
        /// The driver's reason.
        #[source]
        source: Cause,
    },
    /// The server did not answer within the limit; the session was given up.
    #[error("the warehouse did not answer within {limit_ms} ms while {doing}")]
    Silent {
        /// What was under way.
        doing: String,
        /// The limit, milliseconds.
        limit_ms: u128,
    },
    /// There is no session: it was lost and nothing has been acquired since.
    #[error("{doing} without a session")]
    NoSession {
        /// What was asked for.
        doing: String,
    },
    /// The batch moves a partition that this writer has not acquired.
    #[error("applying a step of {partition}, which has not been acquired")]
    NotAcquired {
        /// The partition.
        partition: Partition,
    },
    /// The compare-and-set of progress did not match: another owner, or a batch applied before.
    #[error("the checkpoint does not join the step {step}")]
    Fenced {
        /// The step, with all its partitions.
        step: String,
        /// The server's answer.
        #[source]
        source: Cause,
    },
    /// A session of a former owner still lives, and this role may not end it.
    #[error("session {pid} of the role {role} still holds partitions as \"{owner}\"")]
    ForeignSession {
        /// The session's server process.
        pid: i32,
        /// The role that opened it.
        role: String,
        /// Under which name it owned partitions.
        owner: String,
        /// The server's answer.
        #[source]
        source: Option<Cause>,
    },
    /// The checkpoint and the ledger say different things about a partition.
    #[error("the checkpoint of {partition} {}, while its ledger ends at {ledger}", stands(*checkpoint))]
    Books {
        /// The partition.
        partition: Partition,
        /// Where the checkpoint stands, if it does.
        checkpoint: Option<i64>,
        /// Where the newest entry of the ledger ends.
        ledger: i64,
        /// What to do.
        hint: String,
    },
    /// The server refused something.
    #[error("{doing}: refused with SQLSTATE {sqlstate} ({reason})")]
    Server {
        /// What was attempted, naming the table.
        doing: String,
        /// The server's code.
        sqlstate: String,
        /// The code as a word.
        reason: &'static str,
        /// What is known.
        class: ErrorClass,
        /// What to do.
        hint: Option<String>,
        /// The server's answer; absent for data errors, whose text may repeat values.
        #[source]
        source: Option<Cause>,
    },
    /// A row of the batch can never be written, or its record cannot.
    #[error("{doing}: {message}")]
    Row {
        /// What was attempted, naming the table.
        doing: String,
        /// What was expected.
        message: String,
        /// Which record, when that is known.
        class: ErrorClass,
    },
    /// What was staged went by dead letters that are others by now.
    #[error("dead letters of the batch's keys have been retried, discarded or added meanwhile")]
    Chained,
    /// Too many changes wait behind dead letters.
    #[error("more than {max} changes of {table} wait behind {}", behind(*letter))]
    ChainTooLong {
        /// The table in the warehouse.
        table: String,
        /// The letter that all of them wait for; `None` when they wait for several.
        letter: Option<i64>,
        /// How many may.
        max: i64,
    },
    /// The table cannot be written as it is.
    #[error("{source_table} cannot be written to {target}: {}", list(refusals))]
    Refused {
        /// The source table.
        source_table: String,
        /// The target table.
        target: String,
        /// Everything that stands against it.
        refusals: Vec<Refusal>,
    },
    /// The role lacks rights on a table.
    #[error("{table} cannot be rebuilt: {}", messages(lacks))]
    Rights {
        /// The table.
        table: String,
        /// Every right that is missing, with the statement that grants it.
        lacks: Vec<Refusal>,
    },
    /// A table that the configuration does not name.
    #[error("table number {index} is not configured")]
    UnknownTable {
        /// The number.
        index: usize,
    },
    /// What is stored about how far the source was followed cannot be read.
    #[error("read how far the source of {partition} was followed")]
    StoredMarks {
        /// The log.
        partition: Partition,
        /// What is wrong.
        #[source]
        source: cdc_core::CheckpointError,
    },
    /// A retry lost its session, or its server did not answer.
    #[error("the retry was interrupted")]
    Interrupted {
        /// What happened.
        #[source]
        source: Box<PostgresError>,
    },
    /// The state tables are missing or of another version.
    #[error("the warehouse has {}, this program needs version {expected}", version(*found))]
    StateVersion {
        /// Zero without any.
        found: i32,
        /// The version that this program writes.
        expected: i32,
    },
    /// `init` found something in its way, or a table is new to a pipeline that is under way.
    #[error("{message}")]
    Occupied {
        /// What stands there.
        message: String,
        /// What to do.
        fix: String,
    },
}

fn list(refusals: &[Refusal]) -> String {
    refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

fn messages(refusals: &[Refusal]) -> String {
    refusals.iter().map(|refusal| &*refusal.message).collect::<Vec<_>>().join("; ")
}

impl PostgresError {
    /// The same, for a retry: it cannot find out by itself what became of a transaction.
    pub(crate) fn interrupted(self) -> Self {
        if self.class() == ErrorClass::Indeterminate {
            return Self::Interrupted { source: Box::new(self) };
        }
        self
    }

    /// Whether the session can be used no longer.
    pub(crate) fn ends_session(&self) -> bool {
        match self {
            Self::SessionLost { .. } | Self::Silent { .. } | Self::NoSession { .. } => true,
            Self::Address { .. }
            | Self::Connect { .. }
            | Self::Source { .. }
            | Self::NotAcquired { .. }
            | Self::Fenced { .. }
            | Self::ForeignSession { .. }
            | Self::Books { .. }
            | Self::Server { .. }
            | Self::Row { .. }
            | Self::Chained
            | Self::ChainTooLong { .. }
            | Self::Refused { .. }
            | Self::Rights { .. }
            | Self::UnknownTable { .. }
            | Self::StoredMarks { .. }
            | Self::Interrupted { .. }
            | Self::StateVersion { .. }
            | Self::Occupied { .. } => false,
        }
    }

    /// The server's code, when the server refused.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Server { sqlstate, .. } => Some(sqlstate),
            Self::Fenced { .. } => Some(driver::FENCED),
            Self::Address { .. }
            | Self::Connect { .. }
            | Self::Source { .. }
            | Self::SessionLost { .. }
            | Self::Silent { .. }
            | Self::NoSession { .. }
            | Self::NotAcquired { .. }
            | Self::ForeignSession { .. }
            | Self::Books { .. }
            | Self::Row { .. }
            | Self::Chained
            | Self::ChainTooLong { .. }
            | Self::Refused { .. }
            | Self::Rights { .. }
            | Self::UnknownTable { .. }
            | Self::StoredMarks { .. }
            | Self::Interrupted { .. }
            | Self::StateVersion { .. }
            | Self::Occupied { .. } => None,
        }
    }
}

impl Classify for PostgresError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Connect { class, .. }
            | Self::Source { class, .. }
            | Self::Server { class, .. }
            | Self::Row { class, .. } => class.clone(),
            Self::SessionLost { .. }
            | Self::Silent { .. }
            | Self::NoSession { .. }
            | Self::NotAcquired { .. }
            | Self::Fenced { .. } => ErrorClass::Indeterminate,
            Self::Chained => ErrorClass::Restage,
            Self::Refused { .. } | Self::Books { .. } | Self::ChainTooLong { .. } => {
                ErrorClass::Fatal(Halt::Data)
            }
            Self::ForeignSession { .. } | Self::Interrupted { .. } | Self::Rights { .. } => {
                ErrorClass::Fatal(Halt::Environment)
            }
            Self::Address { .. }
            | Self::UnknownTable { .. }
            | Self::StoredMarks { .. }
            | Self::StateVersion { .. }
            | Self::Occupied { .. } => ErrorClass::Fatal(Halt::Configuration),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Connect { hint, .. } | Self::Source { hint, .. } | Self::Server { hint, .. } => {
                hint.clone()
            }
            Self::ForeignSession { pid, role, .. } => Some(format!(
                "let one role run all processes of the pipeline, or let {role} end that session with \
                 SELECT pg_terminate_backend({pid}), or grant this role the right with GRANT \
                 pg_signal_backend"
            )),
            Self::Books { hint, .. } => Some(hint.clone()),
            Self::ChainTooLong { table, letter, .. } => Some(hint::for_chain(table, *letter)),
            Self::Address { .. } => Some(
                "write `sink.postgres.url` as postgres://user:password@host:port/database"
                    .to_owned(),
            ),
            Self::Refused { refusals, .. } | Self::Rights { lacks: refusals, .. } => {
                let fixes: Vec<&str> = refusals.iter().map(|refusal| &*refusal.fix).collect();
                Some(fixes.join("\n"))
            }
            Self::StateVersion { found, expected } if found > expected => {
                Some("use a newer version of this program".to_owned())
            }
            Self::StoredMarks { .. } => Some(
                "use the version of this program that wrote it, or a newer one; if it was changed by \
                 hand, forget it with `cdc-pipeline accept-source`"
                    .to_owned(),
            ),
            Self::Interrupted { .. } => Some(
                "run it again: what was retried is marked as such, and nothing is done twice"
                    .to_owned(),
            ),
            Self::StateVersion { .. } => Some("run `cdc-pipeline init`".to_owned()),
            Self::Occupied { fix, .. } => Some(fix.clone()),
            Self::UnknownTable { .. } => Some("name the table in the configuration".to_owned()),
            Self::SessionLost { .. }
            | Self::Silent { .. }
            | Self::NoSession { .. }
            | Self::NotAcquired { .. }
            | Self::Fenced { .. }
            | Self::Chained
            | Self::Row { .. } => None,
        }
    }
}

fn stands(checkpoint: Option<i64>) -> String {
    checkpoint.map_or_else(|| "is gone".to_owned(), |next| format!("stands at {next}"))
}

fn behind(letter: Option<i64>) -> String {
    letter.map_or_else(|| "dead letters".to_owned(), |letter| format!("dead letter {letter}"))
}

fn version(found: i32) -> String {
    if found == 0 {
        return "no state tables yet".to_owned();
    }
    format!("version {found} of the state tables")
}
