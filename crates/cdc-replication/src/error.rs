//! What can go wrong with the source, and what is known each time.

use std::error::Error;
use std::time::Duration;

use cdc_core::{Classify, ErrorClass, Halt};

mod answer;
mod hint;

pub use answer::ServerAnswer;

/// The error of a library, behind a type that every library has.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why the source did not do what it was asked to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicationError {
    /// The address cannot be used.
    #[error("cannot use the address of the source: {reason}")]
    Address {
        /// What is wrong with it. It does not repeat the address, which may hold a password.
        reason: String,
    },
    /// The server is there, and the two sides do not agree on TLS.
    #[error("cannot open a TLS session with the source at {place}")]
    Tls {
        /// Host and port.
        place: String,
        /// What stands against it.
        #[source]
        source: Cause,
    },
    /// The server cannot be reached.
    #[error("cannot reach the source at {place}")]
    Unreachable {
        /// Host and port, or the socket.
        place: String,
        /// For how long it was tried.
        tried: Duration,
        /// What the last attempt met.
        #[source]
        source: Cause,
    },
    /// The server refused.
    #[error("{doing}: {answer}")]
    Refused {
        /// What was attempted.
        doing: String,
        /// The server's answer.
        answer: Box<ServerAnswer>,
    },
    /// The session broke, or was left in the middle of something.
    #[error("lost the session with the source while {doing}")]
    Lost {
        /// What was under way.
        doing: String,
        /// What broke it.
        #[source]
        source: Cause,
    },
    /// The server ended the stream in an orderly way, as it does when it shuts down.
    #[error("the source ended the stream")]
    Ended,
    /// The server sent what the protocol has no place for.
    #[error("{doing}: expected {expected}, found {found}")]
    Malformed {
        /// What was under way.
        doing: String,
        /// What the protocol has there.
        expected: String,
        /// What came, without any of its content.
        found: String,
    },
    /// What the output plugin sent cannot be understood.
    #[error("cannot understand the stream of the source")]
    Stream {
        /// What is wrong with the message, and where.
        #[from]
        source: crate::pgoutput::PgOutputError,
    },
    /// The task that reads has ended, after an error that was reported or because the source was closed.
    #[error("cannot go on reading: the replication task has ended")]
    TaskEnded,
    /// The server lacks what logical replication needs here.
    #[error("the source is PostgreSQL {}, this program needs 14 or newer", version / 10_000)]
    TooOld {
        /// The server's version, as `server_version_num` writes it.
        version: u32,
    },
    /// Something on the source has to be set up, or decided, by a person.
    #[error("{message}")]
    Setup {
        /// Who has to act.
        halt: Halt,
        /// What is wrong, naming slot, publication or tables.
        message: String,
        /// What to do, starting with a verb.
        fix: String,
    },
}

impl ReplicationError {
    /// Whether it may be gone a little later, without anybody doing anything about it: a server that is
    /// away, starts up, shuts down or has too many sessions, a lost session, a slot that a session of
    /// another process still holds.
    pub fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } | Self::Ended => true,
            Self::Refused { answer, .. } => answer.is_passing(),
            Self::Address { .. }
            | Self::Tls { .. }
            | Self::Malformed { .. }
            | Self::Stream { .. }
            | Self::TaskEnded
            | Self::TooOld { .. }
            | Self::Setup { .. } => false,
        }
    }

    /// The server's code, when the server refused.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Refused { answer, .. } => Some(answer.sqlstate()),
            Self::Address { .. }
            | Self::Tls { .. }
            | Self::Unreachable { .. }
            | Self::Lost { .. }
            | Self::Ended
            | Self::Malformed { .. }
            | Self::Stream { .. }
            | Self::TaskEnded
            | Self::TooOld { .. }
            | Self::Setup { .. } => None,
        }
    }

    pub(crate) fn lost(doing: &str, source: impl Into<Cause>) -> Self {
        Self::Lost { doing: doing.to_owned(), source: source.into() }
    }

    pub(crate) fn malformed(doing: &str, expected: &str, found: impl Into<String>) -> Self {
        let (doing, expected) = (doing.to_owned(), expected.to_owned());
        Self::Malformed { doing, expected, found: found.into() }
    }
}

impl Classify for ReplicationError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Unreachable { .. } | Self::Lost { .. } | Self::Ended => ErrorClass::Indeterminate,
            Self::Refused { answer, .. } => answer.class(),
            Self::Address { .. } => ErrorClass::Fatal(Halt::Configuration),
            Self::Tls { .. }
            | Self::Malformed { .. }
            | Self::Stream { .. }
            | Self::TaskEnded
            | Self::TooOld { .. } => ErrorClass::Fatal(Halt::Environment),
            Self::Setup { halt, .. } => ErrorClass::Fatal(*halt),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Address { .. } => Some(
                "write `source.postgres.url` as \
                 postgres://user:password@host:port/database?sslmode=verify-full"
                    .to_owned(),
            ),
            Self::Tls { .. } => Some(
                "look at `sslmode`, `sslrootcert`, `sslcert` and `sslkey` in `source.postgres.url`, \
                 and at the server's certificate"
                    .to_owned(),
            ),
            Self::Unreachable { tried, .. } => Some(format!(
                "start the server, or correct its address in `source.postgres.url`; it was tried for \
                 {} s, as `connect_patience` says",
                tried.as_secs_f64()
            )),
            Self::Refused { answer, .. } => hint::for_answer(answer),
            Self::TooOld { .. } => Some(
                "upgrade the source, or read it through Debezium with `[source.kafka]`".to_owned(),
            ),
            Self::Malformed { .. } | Self::Stream { .. } => Some(
                "check that the address is that of PostgreSQL itself, not of a pooler or proxy: few of \
                 them can replicate"
                    .to_owned(),
            ),
            Self::Setup { fix, .. } => Some(fix.clone()),
            Self::Lost { .. } | Self::Ended | Self::TaskEnded => None,
        }
    }
}
