//! What is known about a failure, which decides what may be done next.

use crate::{DeadLetter, Rejection};

/// What is known about a failed operation. Exhaustive: every user decides on every class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorClass {
    /// Nothing was applied and the session lives: wait, then do the same again.
    Transient,
    /// The session was lost, or the position was not ours; the operation may or may not have
    /// happened: acquire, compare, and only then decide.
    Indeterminate,
    /// The data can never be applied as it is.
    Poison(Poison),
    /// Going on would be wrong.
    Fatal(Halt),
}

impl ErrorClass {
    /// Who has to act once nothing is tried any more.
    pub fn halt(&self) -> Halt {
        match self {
            Self::Fatal(halt) => *halt,
            Self::Poison(_) => Halt::Data,
            Self::Transient | Self::Indeterminate => Halt::Environment,
        }
    }
}

/// What is known about data that can never be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Poison {
    /// This record is at fault.
    Record(Box<DeadLetter>),
    /// Some record of the batch is at fault, for this reason.
    Unknown(Box<Rejection>),
}

/// Who has to act before going on is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// The configuration asks for something that cannot be done.
    Configuration,
    /// The data or its schema needs a person's decision.
    Data,
    /// The surroundings lack something: rights, a table, a broker.
    Environment,
}

/// An error that knows its class.
pub trait Classify: std::error::Error + Send + Sync + 'static {
    /// What is known about the outcome.
    fn class(&self) -> ErrorClass;

    /// What an operator should do next, starting with a verb.
    fn hint(&self) -> Option<String> {
        None
    }
}

impl Classify for std::convert::Infallible {
    fn class(&self) -> ErrorClass {
        match *self {}
    }
}
