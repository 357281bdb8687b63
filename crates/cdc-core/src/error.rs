//! What is known about a failure, which decides what may be done next.

use std::error::Error;

use crate::{DeadLetter, Rejection};

/// What is known about a failed operation. Exhaustive: every user decides on every class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorClass {
    /// Nothing was applied and the session lives: wait, then do the same again.
    Transient,
    /// The session was lost, or the position was not ours; the operation may or may not have
    /// happened: acquire, compare, and only then decide.
    Indeterminate,
    /// Nothing was applied and the session lives, but what the batch was encoded for has changed: plan
    /// and encode again.
    Outdated,
    /// Nothing was applied and the session lives, but what the stager went by has changed since: stage
    /// the same records again. Whoever says so has told the stager what is true now.
    Restage,
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
            Self::Poison(_) | Self::Outdated => Halt::Data,
            Self::Transient | Self::Indeterminate | Self::Restage => Halt::Environment,
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
pub trait Classify: Error + Send + Sync + 'static {
    /// What is known about the outcome.
    fn class(&self) -> ErrorClass;

    /// What an operator should do next, starting with a verb.
    fn hint(&self) -> Option<String> {
        None
    }
}

/// An error and its causes on one line, from what was attempted to what stood in the way. A cause
/// that the words before it repeat already is left out: many drivers quote theirs.
///
/// ```
/// # use cdc_core::with_causes;
/// let number = "x".parse::<i32>().unwrap_err();
/// let error = std::io::Error::other(number);
/// assert_eq!(with_causes(&error), "invalid digit found in string");
/// ```
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.ends_with(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        cause = error.source();
    }
    text
}

impl Classify for std::convert::Infallible {
    fn class(&self) -> ErrorClass {
        match *self {}
    }
}
