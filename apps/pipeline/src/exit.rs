//! How the program ends, as a number that scripts can rely on.

use cdc_core::Halt;

/// Exit codes. Their meaning never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Stopped as asked, caught up, or nothing was found wrong.
    Done,
    /// The configuration or the command line asks for something that cannot be done.
    Configuration,
    /// Data or its schema needs a person's decision; or `demo` or `verify` found a
    /// difference.
    Data,
    /// Something around the program is missing or refuses. A running pipeline waits for what comes
    /// back by itself and ends with this for what a person has to mend, such as a missing right.
    Environment,
    /// What was in flight did not finish within the drain limit.
    DrainLimit,
    /// A second signal came while draining.
    Interrupted,
}

impl Exit {
    /// The code as the operating system wants it.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Configuration => 2,
            Self::Data => 3,
            Self::Environment => 4,
            Self::DrainLimit => 5,
            Self::Interrupted => 130,
        }
    }
}

impl From<Halt> for Exit {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Configuration => Self::Configuration,
            Halt::Data => Self::Data,
            Halt::Environment => Self::Environment,
        }
    }
}
