//! What can go wrong with the source, and what is known each time.

use cdc_core::{Classify, ErrorClass, Halt};

/// Why the source did not do what it was asked to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplicationError {
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

impl Classify for ReplicationError {
    fn class(&self) -> ErrorClass {
        match self {
            Self::Setup { halt, .. } => ErrorClass::Fatal(*halt),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Setup { fix, .. } => Some(fix.clone()),
        }
    }
}
